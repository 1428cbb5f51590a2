"""The log lines of a call: begin, end, each turn, and transcripts if they are allowed."""

import logging

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observed
from avr_sts_speechmatics.call_in_log import SHOWN_FACTS, masked
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.telemetry.call_end import CallEnd
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

_log = logging.getLogger(__name__)


class CallLog:
    """Logs one call.

    transcripts: True if the log may contain what caller and agent say, and who calls.
    """

    def __init__(self, *, transcripts: bool) -> None:
        self._transcripts = transcripts
        self._end = CallEnd()

    def event(self, at: float, event: Observed) -> None:
        self._end.event(at, event)
        match event:
            case CallBegan(caller, agent):
                facts = "".join(
                    f", {name} {self._shown(name, value)!r}" for name, value in caller.facts.items()
                )
                _log.info("call begins (%s, agent %s%s)", caller.transport, agent, facts)
            case CallEnded():
                details = self._end.details(event)
                _log.info(
                    "call ends after %.1f s: %s",
                    details["duration_s"],
                    self._end.sentence(event),
                    extra={"ended": details},
                )

    def command(self, at: float, command: ev.Command) -> None:
        self._end.command(command)
        if self._transcripts and isinstance(command, ev.SendTranscript):
            _log.info("%s: %s", command.role, command.text)

    def turn(self, times: TurnTimes) -> None:
        """Log the times of a finished turn."""
        _log.info("turn: %s", _summary(times), extra={"turn": times.as_dict()})

    def _shown(self, fact: str, value: str) -> str:
        return value if self._transcripts or fact in SHOWN_FACTS else masked(value)


def _summary(times: TurnTimes) -> str:
    """One line about a turn, for people."""
    waits = times.as_dict()
    total = waits["voice_to_voice_ms"]
    parts = ", ".join(f"{part} {waits[f'{part}_ms']}" for part in ("confirm", "model", "voice"))
    ended = "interrupted" if times.interrupted else "whole"
    return (
        f"answered after {total} ms ({parts}), {ended}, "
        f"{times.words_heard} of {times.words_said} words heard"
    )
