"""Records: what a watching test call (`?watch=1`) receives beside the audio, as it happens."""

from avr_sts_speechmatics.call.observer import Observed, ToolRan
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Line
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes


class CallRecords:
    """Sends the records of one call: `turn` and `tool`. Lines that are not watched ignore them.

    line: the call's line.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    def event(self, at: float, event: Observed) -> None:
        if isinstance(event, ToolRan):
            took_ms = round(1000 * event.took_s)
            record = {"name": event.name, "took_ms": took_ms, "failed": event.failed}
            self._line.send_record("tool", record)

    def command(self, at: float, command: ev.Command) -> None:
        pass

    def turn(self, times: TurnTimes) -> None:
        """Send the times of a turn that is over."""
        self._line.send_record("turn", times.as_dict())
