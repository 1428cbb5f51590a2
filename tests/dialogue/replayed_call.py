"""A recorded call again: its events go into a fresh dialogue, whose commands must be the recorded.

A trace is what CALL_TRACE_DIR writes; see telemetry/call_trace.py. Of its lines only the events and
commands of the dialogue count, AgentAnswered, which holds the manners, and Flushed, which is the
answer to a Flush. A trace that breaks off
is compared as far as it goes.
"""

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import get_args

from avr_sts_speechmatics.call.observer import AgentAnswered, Flushed
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.driver import Driver
from avr_sts_speechmatics.dialogue.turns import Dialogue
from avr_sts_speechmatics.telemetry.call_trace import TraceBegan, decode, encode, read

TRACES = Path(__file__).parent / "traces"

_EVENTS, _COMMANDS = get_args(ev.Event), get_args(ev.Command)


def replay(path: Path) -> int:
    """Replay a trace. Returns the number of commands that were the recorded ones.

    Raises AssertionError with the line of the trace where the dialogue decides differently.
    """
    call = _ReplayedCall(path)
    call.run()
    return call.commands


class _ReplayedCall:
    """A trace as far as it has not been replayed, and the dialogue that replays it."""

    def __init__(self, path: Path) -> None:
        counted = (AgentAnswered, Flushed, *_EVENTS, *_COMMANDS)
        lines = [(number, what) for number, (_, what) in enumerate(read(path), start=1)]
        began = lines[0][1]
        assert isinstance(began, TraceBegan)
        self._words = began.words
        self._lines = deque(line for line in lines if isinstance(line[1], counted))
        self._name = path.name
        self.commands = 0

    def run(self) -> None:
        driver: Driver | None = None
        while self._lines:
            number, what = self._lines.popleft()
            if isinstance(what, AgentAnswered):
                # Without its words, every sentence looks like an echo of the agent's.
                echo = what.manners.ignores_echo and self._words
                manners = replace(what.manners, ignores_echo=echo)
                driver = Driver(Dialogue(manners), self._carry_out)
            elif isinstance(what, _EVENTS):
                assert driver is not None, f"{self._name}, line {number}: nobody has answered"
                driver.tell(what)
            else:
                raise AssertionError(f"{self._name}, line {number}: not asked for again: {what}")

    def _carry_out(self, command: ev.Command) -> ev.Answer:
        """Compare a command with the recorded one; return the recorded answer to the command."""
        if not self._lines:
            return None
        number, recorded = self._lines.popleft()
        again = decode(encode(0.0, command, words=self._words))[1]
        assert again == recorded, f"{self._name}, line {number}: {again} instead of {recorded}"
        self.commands += 1
        if self._lines and isinstance(answer := self._lines[0][1], Flushed):
            self._lines.popleft()
            return answer.dropped
        return None
