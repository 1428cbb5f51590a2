"""The history of a call: the words that were said, as far as they were really heard.

The agent's part is written down utterance by utterance as it is played, never as it is
generated. A sentence that was cut off stays in the history as far as the caller heard it, cut at
a word and marked, so that the model knows what it must say again. Speech that nobody heard is not
in the history. A tool call stands behind the text that the model wrote before the call, wherever
the playout is.

How much of an utterance was heard is computed from the share of its audio that was played. Voices
report no word times, so a word counts as heard when the share of the text up to the word's last
letter is within the share of the audio: letters are a fair measure of time within one sentence.
Text without spaces between words, such as Chinese, is cut after a sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult
from avr_sts_speechmatics.dialogue.events import Role
from avr_sts_speechmatics.dialogue.words import word_ends

CUT_MARK = "… [the caller interrupted here]"
"""Ends a sentence of the agent that the caller cut off, by words or by a sound."""

KEY_MARK = "… [the caller pressed a key here]"
"""Ends a sentence of the agent that a key of the phone cut off."""

LOST_MARK = "… [the rest was not heard: the voice broke off]"
"""Ends a sentence of the agent that TTS never finished."""

STOPPED_MARK = "… [the phone system stopped this sentence]"
"""Ends a sentence of the agent that the service itself cut off, to end the call."""

MARKS = (CUT_MARK, KEY_MARK, LOST_MARK, STOPPED_MARK)

_RECENT = 4
"""How many entries, and pieces of each, are what the agent has just said."""


def heard_words(text: str, share: float) -> str:
    """The words of `text` that were heard when `share` (0..1) of its audio was played."""
    if share >= 1:
        return text
    limit = share * len(text)
    end = 0
    for word_end in word_ends(text):
        if word_end > limit:
            break
        end = word_end
    return text[:end]


def _unmarked(text: str) -> str:
    """Return a piece without the mark of its cut."""
    for mark in MARKS:
        text = text.removesuffix(mark)
    return text


@dataclass(slots=True, eq=False)
class _Said:
    """An uninterrupted run of pieces that one side said.

    phrases: indexes of the pieces that the service said on its own, such as a filler.
    """

    role: Role
    pieces: list[str] = field(default_factory=list)
    phrases: set[int] = field(default_factory=set)

    def add(self, piece: str, *, phrase: bool) -> None:
        if phrase:
            self.phrases.add(len(self.pieces))
        self.pieces.append(piece)

    @property
    def has_phrases_only(self) -> bool:
        return len(self.phrases) == len(self.pieces)

    def mark_cut(self, mark: str) -> None:
        if self.pieces and not self.pieces[-1].endswith(MARKS):
            self.pieces[-1] += mark


@dataclass(slots=True)
class _Tools:
    """Tool calls that the model made together.

    calls: each call by its number.
    results: what came of a call, by the call's number; only calls that have ended.
    """

    calls: dict[int, ToolCall]
    results: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Waiting:
    """An utterance that was not heard yet.

    entry: the entry that the utterance belongs to, once a tool call has fixed it; None otherwise.
    phrase: the service says the utterance on its own; the model did not write it.
    """

    text: str
    entry: _Said | None = None
    phrase: bool = False


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
    def last_heard(self) -> str:
        """The agent's last utterance, as far as it was heard; empty before the first."""
        said = (e for e in reversed(self._entries) if isinstance(e, _Said) and e.pieces)
        last = next((e for e in said if e.role == "agent"), None)
        return last.pieces[-1] if last else ""

    def recently_said(self) -> list[str]:
        """Return the agent's current and recent utterances, oldest first."""
        said = [
            entry.pieces
            for entry in self._entries[-_RECENT:]
            if isinstance(entry, _Said) and entry.role == "agent"
        ]
        heard = [_unmarked(piece) for pieces in said for piece in pieces[-_RECENT:]]
        return heard + [utterance.text for utterance in self._waiting.values()]

    @property
    def last_said(self) -> str:
        """The agent's last utterance, heard or still to be heard; empty before the first."""
        waiting = [utterance.text for utterance in self._waiting.values()]
        return waiting[-1] if waiting else self.last_heard

    def caller_said(self, text: str) -> None:
        """Write down a turn of the caller. Turns without an answer between are one message."""
        self._last("user").pieces.append(text)

    def agent_will_say(self, utterance: int, text: str, *, phrase: bool = False) -> None:
        """An utterance goes to the voice.

        phrase: the model did not write the text; it is a filler, a prompt or an apology.
        """
        self._waiting[utterance] = _Waiting(text, phrase=phrase)

    def heard(self, utterance: int, share: float = 1.0, mark: str = CUT_MARK) -> str:
        """Write down what was heard of an utterance that was played or dropped.

        share: of the utterance's audio that was played, 0 to 1.
        mark: what the model is told about the missing rest of the utterance.

        Returns the words that were heard; empty for an utterance that is unknown or written down
        already.
        """
        waiting = self._waiting.pop(utterance, None)
        if waiting is None:
            return ""
        words = heard_words(waiting.text, share)
        if words:
            (waiting.entry or self._last("agent")).add(words, phrase=waiting.phrase)
        if words != waiting.text:
            cut = waiting.entry or (self._entries[-1] if self._entries else None)
            if isinstance(cut, _Said) and cut.role == "agent":
                cut.mark_cut(mark)
        return words

    def forget_unheard(self) -> None:
        """Forget utterances that will not be heard after all."""
        self._waiting.clear()

    def tools_called(self, calls: dict[int, ToolCall]) -> None:
        """Record tool calls after the model's text so far, including text not yet played."""
        if self._waiting:
            entry = self._last("agent")
            for waiting in self._waiting.values():
                waiting.entry = waiting.entry or entry
        self._entries.append(_Tools(calls))

    def tool_done(self, number: int, result: str) -> None:
        """Record the result of a tool call. Only the first result of a call counts."""
        for entry in self._entries:
            if isinstance(entry, _Tools) and number in entry.calls:
                entry.results.setdefault(number, result)

    def request(self, asked: str = "", *, expected: bool = False) -> list[Entry]:
        """The conversation as the model is asked to continue it. No tool may be running.

        asked: words of the caller that are not written down yet.
        expected: utterances that wait to be heard count as heard.

        Many servers accept only a conversation that ends with the caller's words or the results of
        tools. So phrases that the service said since then (a filler, an apology) are left out. The
        model's own words stay; see `services.llm.request_form`.
        """
        entries = self.messages(asked, expected=expected)
        said = [e for e in self._entries if isinstance(e, _Tools) or e.pieces]
        last = said[-1] if said else None
        if asked or len(said) < 2 or not isinstance(last, _Said) or last.role == "user":
            return entries
        return entries[:-1] if last.has_phrases_only else entries

    def messages(self, asked: str = "", *, expected: bool = False) -> list[Entry]:
        """The conversation as it was heard. No tool may be running.

        asked: words of the caller that are not written down yet.
        expected: utterances that wait to be heard count as heard.
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
