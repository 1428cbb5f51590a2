"""A recorded call again: its events go into a fresh dialogue, whose commands must be the recorded.

A trace is what CALL_TRACE_DIR writes; see telemetry/call_trace.py. Of its lines only the events and
commands of the dialogue count, and AgentAnswered, which holds the manners. A trace that breaks off
is compared as far as it goes.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from avr_sts_speechmatics.call.observer import AgentAnswered
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.turns import Dialogue
from avr_sts_speechmatics.telemetry.call_trace import TraceBegan, Traced, decode, encode, read

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
        counted = (AgentAnswered, *_EVENTS, *_COMMANDS)
        lines = [(number, what) for number, (_, what) in enumerate(read(path), start=1)]
        began = lines[0][1]
        assert isinstance(began, TraceBegan)
        self._words = began.words
        self._lines = deque(line for line in lines if isinstance(line[1], counted))
        self._name = path.name
        self.commands = 0

    def run(self) -> None:
        dialogue: Dialogue | None = None
        while self._lines:
            number, what = self._lines.popleft()
            if isinstance(what, AgentAnswered):
                dialogue = Dialogue(what.manners)
            elif isinstance(what, _EVENTS):
                assert dialogue is not None, f"{self._name}, line {number}: nobody has answered"
                self._tell(dialogue, what)
            else:
                raise AssertionError(f"{self._name}, line {number}: not asked for again: {what}")

    def _tell(self, dialogue: Dialogue, event: ev.Event) -> None:
        for command in dialogue.handle(event):
            if not self._lines:
                return
            number, recorded = self._lines.popleft()
            again = self._as_recorded(command)
            assert again == recorded, f"{self._name}, line {number}: {again} instead of {recorded}"
            self.commands += 1
            for caused in self._caused_at_once(command):
                self._tell(dialogue, caused)

    def _caused_at_once(self, command: ev.Command) -> Iterator[ev.Event]:
        """Events that carrying out a command brought about before the next command was taken."""
        caused: tuple[type[ev.Event], ...] = ()
        if isinstance(command, ev.Flush):
            caused = (ev.UtteranceDropped,)
        elif isinstance(command, ev.Fill):
            caused = (ev.SentenceReady, ev.VoiceStarted)
        while self._lines and isinstance(event := self._lines[0][1], caused):
            self._lines.popleft()
            yield event

    def _as_recorded(self, command: ev.Command) -> Traced:
        return decode(encode(0.0, command, words=self._words))[1]
