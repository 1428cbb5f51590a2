"""The log lines of a call: begin, end, each turn, and transcripts if they are allowed."""

import logging

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observed
from avr_sts_speechmatics.call_in_log import SHOWN_FACTS, masked
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

_log = logging.getLogger(__name__)


class CallLog:
    """Logs one call.

    summary: the summary of the call; it receives each report before.
    transcripts: True if the log may contain what caller and agent say, and who calls.
    """

    def __init__(self, summary: CallSummary, *, transcripts: bool) -> None:
        self._summary = summary
        self._transcripts = transcripts

    def event(self, at: float, event: Observed) -> None:
        match event:
            case CallBegan(caller, agent):
                # The fact that chose the agent has been said already.
                facts = "".join(
                    f", {name} {self._shown(name, value)!r}"
                    for name, value in caller.facts.items()
                    if (name, value) != ("agent", agent)
                )
                _log.info("call begins (%s, agent %s%s)", caller.transport, agent, facts)
            case CallEnded():
                details = self._summary.details(event)
                _log.info("%s", self._summary.line(event), extra={"ended": details})

    def command(self, at: float, command: ev.Command) -> None:
        match command:
            case ev.SendTranscript(role, text) if self._transcripts:
                _log.info("%s: %s", role, text)
            case ev.Note(text):
                _log.warning("%s", text)

    def turn(self, times: TurnTimes) -> None:
        """Log the times of a finished turn."""
        _log.info("turn: %s", _summary(times), extra={"turn": times.as_dict()})

    def _shown(self, fact: str, value: str) -> str:
        return value if self._transcripts or fact in SHOWN_FACTS else masked(value)


def _summary(times: TurnTimes) -> str:
    """One line about a turn, for people."""
    waits = times.as_dict()
    total = waits["voice_to_voice_ms"]
    known = [(part, waits[f"{part}_ms"]) for part in ("confirm", "model", "voice")]
    parts = ", ".join(f"{part} {took}" for part, took in known if took is not None)
    if times.first_frame is None:
        begin = "ended before anything was heard"
    else:
        # A turn of keys has no end of speech to count from.
        begin = "answered" if total is None else f"answered after {total} ms"
    if times.interrupted:
        end = "interrupted"
    else:
        end = "whole" if 0 < times.words_said <= times.words_heard else "not whole"
    heard = f"{times.words_heard} of {times.words_said} words heard"
    line = f"{begin}{parts and f' ({parts})'}, {end}, {heard}"
    if times.prompt_tokens is None:
        return line
    return (
        f"{line}, {times.prompt_tokens} tokens asked ({times.cached_tokens} cached), "
        f"{times.completion_tokens} answered"
    )
