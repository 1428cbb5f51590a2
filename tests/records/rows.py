"""Rows of calls for tests."""

from typing import Any

from avr_sts_speechmatics.records.change import Change


def call(key: str = "1", **columns: Any) -> dict[str, Any]:
    """A row of the table of calls."""
    row = {"key": key, "uuid": key, "transport": "audiosocket", "agent": "desk", "began_ms": 1}
    return row | columns


def begun(key: str = "1", **columns: Any) -> Change:
    """A call began."""
    return Change("calls", call(key, **columns))


def ended(key: str = "1", **columns: Any) -> Change:
    """A call ended."""
    return Change("calls", {"key": key, "ended_ms": 2, "reason": "caller_left", **columns}, True)


def turn(key: str = "1", number: int = 1, **columns: Any) -> Change:
    """A turn of a call."""
    row = {"call": key, "number": number, "at_ms": 0, "speaker": "caller", "interrupted": False}
    return Change("turns", row | columns)
