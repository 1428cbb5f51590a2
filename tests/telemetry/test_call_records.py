"""Records for the line of a watching test call."""

from collections.abc import Mapping
from typing import Any

from avr_sts_speechmatics.call.observer import ToolRan
from avr_sts_speechmatics.telemetry.call_records import CallRecords
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes


class Line:
    """A line that keeps the records it was given."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, object]]] = []

    def send_record(self, kind: str, fields: Mapping[str, object]) -> None:
        self.records.append((kind, dict(fields)))


def test_a_tool_and_a_turn_are_sent_as_they_end() -> None:
    line: Any = Line()
    records, times = CallRecords(line), TurnTimes(1.0)
    records.event(5.0, ToolRan("find_booking", 0.1234, False))
    records.event(6.0, ToolRan("avr_transfer", 2.0, True))
    records.turn(times)
    assert line.records == [
        ("tool", {"name": "find_booking", "took_ms": 123, "failed": False}),
        ("tool", {"name": "avr_transfer", "took_ms": 2000, "failed": True}),
        ("turn", times.as_dict()),
    ]
