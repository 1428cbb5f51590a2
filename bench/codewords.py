"""Calls and turns spelt in words, so that they survive a recogniser's text, a model and a voice.

Digits would not: a voice agent may turn "17" into "seventeen", or "1.7" into two sentences.
"""

import re
from dataclasses import dataclass

# fmt: off
_WORDS = [
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india",
    "juliet", "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo",
    "sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
]
# fmt: on
_NUMBER = {word: number for number, word in enumerate(_WORDS)}
_SPELT = re.compile(r"call (\w+) (\w+) turn (\w+) (\w+)")

LIMIT = len(_WORDS) ** 2
"""Calls, and turns of a call, are numbered below this."""

_PARTS = ("first", "second", "third")


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """A turn of a call; both counted from 0."""

    call: int
    number: int

    def __str__(self) -> str:
        return f"call {_spell(self.call)} turn {_spell(self.number)}"


def question(turn: Turn) -> str:
    """What the recogniser understands of the caller."""
    return f"This is {turn}."


def so_far(turn: Turn, share: float, *, settled: bool) -> str:
    """What the recogniser understands when `share` (0 to 1) of the question has been said.

    Less than all of it names no turn. settled: whole words only; otherwise the last word is what
    there is of it, and will change.
    """
    text = question(turn)
    if share >= 1:
        return text
    heard = text[: int(share * len(text))]
    return heard.rpartition(" ")[0] if settled else heard.rstrip()


def answer(turn: Turn | None) -> list[str]:
    """What the model says: sentences that cannot be mistaken for those of another turn.

    None: to half a question. As long as other answers, and never to be heard.
    """
    return [f"Here is the {part} part for {turn or 'a question cut in half'}." for part in _PARTS]


def find(text: str) -> Turn | None:
    """The last turn that a text names."""
    found = _SPELT.findall(letters(text))
    if not found or any(word not in _NUMBER for word in found[-1]):
        return None
    call_high, call_low, number_high, number_low = (_NUMBER[word] for word in found[-1])
    return Turn(call_high * len(_WORDS) + call_low, number_high * len(_WORDS) + number_low)


def letters(text: str) -> str:
    """The words of a text alone: punctuation, case and spacing are the service's own business."""
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def _spell(number: int) -> str:
    high, low = divmod(number, len(_WORDS))
    return f"{_WORDS[high]} {_WORDS[low]}"
