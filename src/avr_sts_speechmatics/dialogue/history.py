"""What was said, and what was really heard.

The agent's part is written down utterance by utterance as it is played, never as it is
generated: a sentence that was cut off stays in the history as far as the caller heard it, cut at
a word, and marked, so that the model knows what it must say again. What nobody heard is not there.

How far a cut reached is computed from the share of the utterance's audio that was played. Voices
give no word times, so a word counts as heard when the share of the text up to its last letter is
within the share of the audio: letters are a fair measure of time within one sentence.
"""

import re
from dataclasses import dataclass, field

from avr_sts_speechmatics.conversation import Message
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


@dataclass(slots=True)
class _Entry:
    role: Role
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(self.pieces)

    def mark_cut(self) -> None:
        if not self.pieces[-1].endswith(CUT_MARK):
            self.pieces[-1] += CUT_MARK


class History:
    """The conversation of one call, oldest first."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._waiting: dict[int, str] = {}  # utterances that have not been heard yet

    def caller_said(self, text: str) -> None:
        """Write down a turn of the caller; two in a row without an answer are one to the model."""
        self._last("user").pieces.append(text)

    def agent_will_say(self, utterance: int, text: str) -> None:
        self._waiting[utterance] = text

    def heard(self, utterance: int, share: float = 1.0) -> str:
        """An utterance was played (or dropped after `share` of it): write down what was heard.

        Returns the words heard, possibly none. An utterance unknown or already written: none.
        """
        text = self._waiting.pop(utterance, "")
        words = heard_words(text, share)
        if words:
            self._last("agent").pieces.append(words)
        if words != text and self._entries and self._entries[-1].role == "agent":
            self._entries[-1].mark_cut()
        return words

    def forget_unheard(self) -> None:
        """What was to be said is not: from now on nothing of it counts as heard."""
        self._waiting.clear()

    def messages(self) -> list[Message]:
        """The conversation as a model is to see it."""
        return [
            Message("user" if entry.role == "user" else "assistant", entry.text)
            for entry in self._entries
        ]

    def _last(self, role: Role) -> _Entry:
        if not self._entries or self._entries[-1].role != role:
            self._entries.append(_Entry(role))
        return self._entries[-1]
