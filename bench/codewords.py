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


def answer(turn: Turn | None, first_words: int = 0) -> list[str]:
    """The model's answer: sentences that differ from those of every other turn.

    turn: None for half a question. That answer is as long as the others and must not be played.
    first_words: length of the first sentence (words); 0 for a sentence like the others.
    """
    what = turn or "a question cut in half"
    sentences = [f"Here is the {part} part for {what}." for part in _PARTS]
    if first_words:
        sentences[0] = _long_sentence(turn, first_words)
    return sentences


def _long_sentence(turn: Turn | None, words: int) -> str:
    """A sentence without a comma, as a model begins a long answer.

    The second letter of the call stands everywhere, so that a piece of some words still tells which
    of some twenty calls it belongs to.
    """
    spelt = str(turn or Turn(0, 0)).split()
    a, b, c, d = spelt[1], spelt[2], spelt[4], spelt[5]
    if turn is None:
        a = b = c = d = "nothing"
    parts = [
        f"You can take the {b} {a} bus from the {b} {c} station",
        f"and then change at {b} {d} for the {c} {b} line",
        f"which goes to the {d} {b} market in {b} {a}",
        f"because the {b} {c} road is closed at {d} {b}",
    ]
    found: list[str] = []
    while len(found) < words:
        found += " ".join(parts).split()
    return " ".join(found[:words]) + "."


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
