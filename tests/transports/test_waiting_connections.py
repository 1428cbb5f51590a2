"""Connections without a call: who has to go when there are too many."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.limited_log import LimitedLog
from avr_sts_speechmatics.transports.waiting_connections import WaitingConnections


class Connection:
    """Stands in for a transport."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self.aborted = False

    def get_extra_info(self, name: str) -> Any:
        return (self._peer, 1234) if name == "peername" else None

    def abort(self) -> None:
        self.aborted = True


def waiting(limit: int) -> Any:
    return WaitingConnections(LimitedLog(), limit)


def test_the_oldest_of_the_client_with_the_most_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    all_of = waiting(3)
    pbx, *crowd = (Connection("10.0.0.1"), *(Connection("10.0.0.66") for _ in range(3)))
    for connection in (pbx, *crowd):
        all_of.add(connection)
    assert [connection.aborted for connection in crowd] == [True, False, False]
    assert not pbx.aborted
    assert len(all_of) == 3
    assert "from 10.0.0.66 was closed: 3 others wait without a call" in caplog.text


def test_a_connection_with_a_call_does_not_count() -> None:
    all_of = waiting(2)
    calls = [Connection("10.0.0.1") for _ in range(50)]
    for call in calls:
        all_of.add(call)
        all_of.remove(call)
    assert not any(call.aborted for call in calls)
    assert len(all_of) == 0


def test_counting_a_connection_twice_changes_nothing() -> None:
    all_of, connection = waiting(1), Connection("10.0.0.1")
    all_of.add(connection)
    all_of.add(connection)
    assert not connection.aborted
    all_of.remove(connection)
    all_of.remove(connection)
    all_of.remove(None)
    assert len(all_of) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_there_are_never_more_than_the_limit(steps: list[tuple[str, bool]]) -> None:
    all_of = waiting(5)
    open_ones: list[Connection] = []
    for peer, comes in steps:
        if comes or not open_ones:
            open_ones.append(Connection(peer))
            all_of.add(open_ones[-1])
        else:
            all_of.remove(open_ones.pop(0))
        open_ones = [one for one in open_ones if not one.aborted]
        assert len(all_of) == len(open_ones) <= 5


def test_connections_that_wait_for_long_can_be_closed(caplog: pytest.LogCaptureFixture) -> None:
    all_of = waiting(10)
    connections = [Connection("10.0.0.1") for _ in range(3)]
    for connection in connections:
        all_of.add(connection)
    all_of.close_older_than(60.0)
    assert len(all_of) == 3
    all_of.close_older_than(0.0)
    assert len(all_of) == 0
    assert all(connection.aborted for connection in connections)
    assert "descriptors are short, and it had no call" in caplog.text
    all_of.add(Connection("10.0.0.1"))
    assert len(all_of) == 1
