"""The shared memory: counts with a limit over processes, and rows of workers that have ended."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.workers.board import ROWS, Board, OwnRow, State

COUNTING = """
import sys
from avr_sts_speechmatics.workers.board import Board, OwnRow
count = OwnRow(Board(int(sys.argv[1])), int(sys.argv[2])).calls(500)
begun = sum(count.try_begin() for _ in range(400))
print(begun)
"""


@pytest.fixture
def board() -> Board:
    return Board()


def test_a_limit_holds_for_all_processes_together(board: Board) -> None:
    rows = [board.claim(os.getpid() + number) for number in range(3)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(board.descriptor), str(row)],
            pass_fds=(board.descriptor,),
            stdout=subprocess.PIPE,
        )
        for row in rows
    ]
    begun = [int(process.communicate(timeout=50)[0]) for process in processes]
    assert sum(begun) == 500
    assert board.calls() == 500
    assert [row.calls for row in board.rows()] == begun


def test_what_a_dead_worker_counted_does_not_count_any_more(board: Board) -> None:
    dead, alive = board.claim(1), board.claim(2)
    for row in (dead, alive):
        assert OwnRow(board, row).calls(2).try_begin()
    count = OwnRow(board, alive).calls(2)
    assert count.full
    assert not count.try_begin()
    board.free(dead)
    assert not count.full
    assert count.try_begin()
    assert [row.pid for row in board.rows()] == [2]


def test_calls_and_sessions_are_counted_apart(board: Board) -> None:
    row = OwnRow(board, board.claim(1))
    assert row.sessions(1).try_begin()
    assert not row.sessions(1).try_begin()
    assert row.calls(1).try_begin()
    assert row.calls(None).try_begin()
    row.calls(1).end()
    row.sessions(1).end()
    (shown,) = board.rows()
    assert (shown.calls, shown.sessions) == (1, 0)


def test_others_see_what_a_worker_shows(board: Board) -> None:
    one, other = (OwnRow(board, board.claim(number)) for number in (1, 2))
    one.show(State.TAKES)
    one.show_waiting(3)
    one.calls(None).try_begin()
    (seen,) = other.others()
    assert (seen.state, seen.waiting, seen.load) == (State.TAKES, 3, 4)


def test_a_row_is_given_once_and_again_after_its_worker_has_ended(board: Board) -> None:
    rows = [board.claim(number + 1) for number in range(ROWS)]
    assert sorted(rows) == list(range(ROWS))
    with pytest.raises(LookupError):
        board.claim(1)
    board.free(7)
    assert board.claim(9999) == 7


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans())))
def test_a_count_is_what_was_begun_and_not_ended(steps: list[tuple[int, bool]]) -> None:
    board = Board()
    counts = [OwnRow(board, board.claim(number + 1)).calls(5) for number in range(3)]
    running = [0, 0, 0]
    for worker, begins in steps:
        if begins:
            assert counts[worker].try_begin() == (sum(running) < 5)
            running[worker] += sum(running) < 5
        elif running[worker]:
            counts[worker].end()
            running[worker] -= 1
        assert [row.calls for row in board.rows()] == running
    board.close()
