"""Calls and turns spelt in words, so that STT, LLM and TTS pass them on unchanged.

Digits would be changed: a voice agent may turn "17" into "seventeen", or "1.7" into two sentences.
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
"""Upper limit (exclusive) of the numbers of calls and turns."""

_PARTS = ("first", "second", "third")


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """A turn of a call.

    call: number of the call, from 0.
    number: of the turn, from 0.
    """

    call: int
    number: int

    def __str__(self) -> str:
        return f"call {_spell(self.call)} turn {_spell(self.number)}"


def question(turn: Turn) -> str:
    """The text that the recogniser returns for the caller's turn."""
    return f"This is {turn}."


def so_far(turn: Turn, share: float, *, settled: bool) -> str:
    """The recogniser's text when only part of the question has been spoken.

    share: spoken part of the question, 0 to 1. Below 1 the text does not name the turn.
    settled: whole words only; otherwise the last word may be incomplete and will change.
    """
    text = question(turn)
    if share >= 1:
        return text
    heard = text[: int(share * len(text))]
    return heard.rpartition(" ")[0] if settled else heard.rstrip()


def answer(turn: Turn | None) -> list[str]:
    """The model's answer: sentences that differ from those of every other turn.

    turn: None for half a question. That answer is as long as the others and must not be played.
    """
    return [f"Here is the {part} part for {turn or 'a question cut in half'}." for part in _PARTS]


def find(text: str) -> Turn | None:
    """The last turn that a text names; None if the text names none."""
    found = _SPELT.findall(letters(text))
    if not found or any(word not in _NUMBER for word in found[-1]):
        return None
    call_high, call_low, number_high, number_low = (_NUMBER[word] for word in found[-1])
    return Turn(call_high * len(_WORDS) + call_low, number_high * len(_WORDS) + number_low)


def letters(text: str) -> str:
    """The text in lower case, without punctuation and extra spaces, which services may change."""
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def _spell(number: int) -> str:
    high, low = divmod(number, len(_WORDS))
    return f"{_WORDS[high]} {_WORDS[low]}"
