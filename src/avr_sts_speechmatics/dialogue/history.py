"""What was said, and what was really heard.

The agent's part is written down utterance by utterance as it is played, never as it is
generated: a sentence that was cut off stays in the history as far as the caller heard it, cut at
a word, and marked, so that the model knows what it must say again. What nobody heard is not there.
A tool call stands behind the text the model wrote before it, wherever the playout is.

How far a cut reached is computed from the share of the utterance's audio that was played. Voices
give no word times, so a word counts as heard when the share of the text up to its last letter is
within the share of the audio: letters are a fair measure of time within one sentence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult
from avr_sts_speechmatics.dialogue.events import Role

CUT_MARK = "… [the caller interrupted here]"

_WORD = re.compile(r"\S+")


def heard_words(text: str, share: float) -> str:
    """The words of `text` that were heard when `share` (0..1) of its audio was played."""
    if share >= 1:
        return text
    limit = share * len(text)
    end = 0
    for word in _WORD.finditer(text):
        if word.end() > limit:
            break
        end = word.end()
    return text[:end]


@dataclass(slots=True, eq=False)
class _Said:
    role: Role
    pieces: list[str] = field(default_factory=list)

    def mark_cut(self) -> None:
        if self.pieces and not self.pieces[-1].endswith(CUT_MARK):
            self.pieces[-1] += CUT_MARK


@dataclass(slots=True)
class _Tools:
    """Tools asked for together. results: by the number of the call."""

    calls: dict[int, ToolCall]
    results: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Waiting:
    """An utterance that was not heard yet. entry: where it belongs, if that is settled."""

    text: str
    entry: _Said | None = None


class History:
    """The conversation of one call, oldest first."""

    def __init__(self) -> None:
        self._entries: list[_Said | _Tools] = []
        self._waiting: dict[int, _Waiting] = {}

    @property
    def waiting(self) -> bool:
        """Whether something is still to be heard."""
        return bool(self._waiting)

    @property
    def undone(self) -> bool:
        """Whether a tool was asked for whose result is not written down yet."""
        return any(isinstance(e, _Tools) and len(e.results) < len(e.calls) for e in self._entries)

    @property
    def last_heard(self) -> str:
        """What the agent said last, as far as it was heard."""
        said = (e for e in reversed(self._entries) if isinstance(e, _Said) and e.pieces)
        last = next((e for e in said if e.role == "agent"), None)
        return last.pieces[-1] if last else ""

    def caller_said(self, text: str) -> None:
        """Write down a turn of the caller; two in a row without an answer are one to the model."""
        self._last("user").pieces.append(text)

    def agent_will_say(self, utterance: int, text: str) -> None:
        self._waiting[utterance] = _Waiting(text)

    def heard(self, utterance: int, share: float = 1.0) -> str:
        """An utterance was played (or dropped after `share` of it): write down what was heard.

        Returns the words heard, possibly none. An utterance unknown or already written: none.
        """
        waiting = self._waiting.pop(utterance, None)
        if waiting is None:
            return ""
        words = heard_words(waiting.text, share)
        if words:
            (waiting.entry or self._last("agent")).pieces.append(words)
        if words != waiting.text:
            cut = waiting.entry or (self._entries[-1] if self._entries else None)
            if isinstance(cut, _Said) and cut.role == "agent":
                cut.mark_cut()
        return words

    def forget_unheard(self) -> None:
        """What was to be said is not: from now on nothing of it counts as heard."""
        self._waiting.clear()

    def tools_called(self, calls: dict[int, ToolCall]) -> None:
        """The model asked for tools, behind all the text of its that waits to be heard."""
        if self._waiting:
            entry = self._last("agent")
            for waiting in self._waiting.values():
                waiting.entry = waiting.entry or entry
        self._entries.append(_Tools(calls))

    def tool_done(self, number: int, result: str) -> None:
        """Write down what came of a tool call; only its first result counts."""
        for entry in self._entries:
            if isinstance(entry, _Tools) and number in entry.calls:
                entry.results.setdefault(number, result)

    def messages(self, asked: str = "", *, expected: bool = False) -> list[Entry]:
        """The conversation as a model is to see it; no tool may be running.

        asked: what the caller says beyond it. expected: what waits to be heard counts as heard.
        """
        entries: list[Entry] = []
        for entry in self._entries:
            if isinstance(entry, _Tools):
                entries += entry.calls.values()
                entries += [
                    ToolResult(call.id, entry.results[number])
                    for number, call in entry.calls.items()
                ]
                continue
            pieces: Sequence[str] = entry.pieces
            if expected:
                unheard = (w.text for w in self._waiting.values() if w.entry is entry)
                pieces = (*pieces, *unheard)
            if pieces:
                role = entry.role
                entries.append(Message("user" if role == "user" else "assistant", " ".join(pieces)))
        if asked:
            last = entries[-1] if entries else None
            if isinstance(last, Message) and last.role == "user":
                entries[-1] = Message("user", f"{last.content} {asked}")
            else:
                entries.append(Message("user", asked))
        return entries

    def _last(self, role: Role) -> _Said:
        last = self._entries[-1] if self._entries else None
        if not isinstance(last, _Said) or last.role != role:
            last = _Said(role)
            self._entries.append(last)
        return last
