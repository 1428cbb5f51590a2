"""Is the caller in the middle of a number, a date, an address, a spelling?

People say such things in pieces, with pauses in which a recogniser ends the turn. Two things tell
whether more is to come: what the agent asked for, and how the caller's words end. The words for
numbers and letters are English; digits are the same in every language.
"""

import re

_ASKED_FOR = re.compile(
    r"\b(?:numbers?|code|pin|digits?|post ?code|zip|date|birthday|born|address|street|e-?mail|"
    r"spell\w*|letters?|account|reference|booking id|card|expiry|licen[cs]e|serial)\b",
    re.IGNORECASE,
)
_UNITS = "zero|oh|nought|one|two|three|four|five|six|seven|eight|nine"
_NUMBER = re.compile(
    rf"(?:{_UNITS}|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"hundred|thousand|double|triple|dash|slash|dot|underscore|hyphen|plus|"
    r"first|second|third|\w+th|january|february|march|april|may|june|july|august|september|"
    r"october|november|december)"
)

_TIME = re.compile(r"\b\d{1,2}[:.]\d{2}\b")

_ALONE = 3
"""This many number words or letters at the end are dictation even if the agent asked for no number:
a table "for two" is not dictation, "four four one" is."""

_LAST_WORDS = 4
"""If the agent asked for a number, one number among this many last words is enough: "twelve Baker
Street"."""


def asks_for_dictation(text: str) -> bool:
    """Whether the agent's words ask for a number, an address or a spelling."""
    return _ASKED_FOR.search(text) is not None


def is_dictation(text: str, *, asked: bool) -> bool:
    """Whether the caller may be in the middle of a number, an address or a spelling.

    asked: the agent asked for one.
    """
    words = re.findall(r"[\w'@]+", _TIME.sub(" - ", text.lower()))
    weights = [_weight(*pair) for pair in zip(words, ("", *words), strict=False)]
    if asked:
        return any(weights[-_LAST_WORDS:])
    if text.rstrip().endswith("?"):
        return False
    run = 0
    for weight in reversed(weights):
        if not weight:
            break
        run += weight
    return run >= _ALONE


def _weight(word: str, before: str) -> int:
    """How many figures or letters of a number or a spelling `word` stands for.

    before: the word before `word`. "a" and "I" count as letters only after another letter.
    """
    digits = sum(c.isdigit() for c in word)
    if digits:
        return digits
    spelt = len(word) == 1 and (word not in "ai" or len(before) == 1)
    return int(spelt or _NUMBER.fullmatch(word) is not None)
