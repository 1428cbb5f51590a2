"""The log lines of a call: begin, end, each turn, and transcripts if they are allowed."""

import logging

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observed
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

_log = logging.getLogger(__name__)


class CallLog:
    """Logs one call.

    transcripts: True if the log may contain what caller and agent say.
    """

    def __init__(self, *, transcripts: bool) -> None:
        self._transcripts = transcripts
        self._began = 0.0

    def event(self, at: float, event: Observed) -> None:
        match event:
            case CallBegan(caller, agent):
                self._began = at
                # The fact that chose the agent has been said already.
                others = (fact for fact in caller.facts.items() if fact != ("agent", agent))
                facts = "".join(f", {name} {value!r}" for name, value in others)
                _log.info("call begins (%s, agent %s%s)", caller.transport, agent, facts)
            case CallEnded():
                _log.info("call ends after %.1f s", at - self._began)

    def command(self, at: float, command: ev.Command) -> None:
        match command:
            case ev.SendTranscript(role, text) if self._transcripts:
                _log.info("%s: %s", role, text)
            case ev.Note(text):
                _log.warning("%s", text)

    def turn(self, times: TurnTimes) -> None:
        """Log the times of a finished turn."""
        _log.info("turn: %s", _summary(times), extra={"turn": times.as_dict()})


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
