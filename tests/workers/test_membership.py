"""Who accepts the next connection, and what a worker asks its supervisor."""

import asyncio
import socket

import pytest

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.workers.board import Board, OwnRow, State
from avr_sts_speechmatics.workers.channel import Channel
from avr_sts_speechmatics.workers.membership import (
    GIVE_WAY_MAX_S,
    STAND_ASIDE_S,
    AcceptTurn,
    SupervisedAnnouncements,
)


class Workers:
    """Two workers and the turn of the first."""

    def __init__(self) -> None:
        board = Board()
        self.own, self.other = (OwnRow(board, board.claim(number)) for number in (1, 2))
        self.takes = True
        self.time = 100.0
        self.turn = AcceptTurn(self.own, lambda: self.takes, now=lambda: self.time)

    def begin(self, row: OwnRow, calls: int) -> None:
        for _ in range(calls):
            assert row.calls(None).try_begin()


@pytest.fixture
def workers() -> Workers:
    return Workers()


def test_a_worker_alone_accepts_at_once(workers: Workers) -> None:
    workers.begin(workers.own, 5)
    assert workers.turn.others_first_s() == 0
    workers.takes = False  # and refuses what it accepts
    assert workers.turn.others_first_s() == 0


def test_the_worker_with_fewer_calls_accepts_at_once(workers: Workers) -> None:
    workers.other.show(State.TAKES)
    workers.begin(workers.other, 1)
    assert workers.turn.others_first_s() == 0
    workers.begin(workers.own, 1)
    assert workers.turn.others_first_s() == 0


def test_the_worker_with_more_calls_gives_way_once_for_a_connection(workers: Workers) -> None:
    workers.other.show(State.TAKES)
    workers.begin(workers.own, 2)
    waits = workers.turn.others_first_s()
    assert 0 < waits <= GIVE_WAY_MAX_S
    workers.time += waits
    assert workers.turn.others_first_s() == 0  # nobody took it
    assert workers.turn.others_first_s() > 0  # the next one
    workers.time += 10
    assert workers.turn.others_first_s() > 0


def test_the_wait_grows_with_the_difference_and_is_bounded(workers: Workers) -> None:
    workers.other.show(State.TAKES)
    workers.begin(workers.own, 1)
    short = workers.turn.others_first_s()
    workers.time += 10
    workers.begin(workers.own, 100)
    assert short < workers.turn.others_first_s() == GIVE_WAY_MAX_S


def test_connections_without_a_call_count_as_load(workers: Workers) -> None:
    workers.other.show(State.TAKES)
    workers.own.show_waiting(1)
    assert workers.turn.others_first_s() > 0


def test_a_worker_that_refuses_stands_aside_as_long_as_another_takes_calls(
    workers: Workers,
) -> None:
    workers.takes = False
    workers.other.show(State.TAKES)
    for _ in range(3):
        assert workers.turn.others_first_s() == STAND_ASIDE_S
    workers.other.show(State.REFUSES)
    assert workers.turn.others_first_s() == 0


async def test_a_supervisor_that_is_gone_is_no_announcement() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(lambda message: None)
    await channel.start(ours)
    store = SupervisedAnnouncements(channel)
    asked = asyncio.create_task(store.facts_for("a"))
    theirs.close()
    with pytest.raises(StoreError, match="supervisor"):
        await asked
    with pytest.raises(StoreError):
        await store.announce("a", {})
    await channel.close()
