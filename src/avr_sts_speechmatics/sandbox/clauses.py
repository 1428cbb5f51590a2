"""Text for the TTS engine: numbers written as words, one clause at a time.

The pronunciation dictionary reads plain numbers, years and ordinals well. It fails on what agents
on the telephone say most: times of day, telephone numbers, prices, web addresses. This module
rewrites them as words. The text is cut into clauses because the first clause can be played while
the next is synthesised.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LONG_NUMBER = 5
"""Number of digits from which a number is an identifier, read digit by digit."""
SHORT_CLAUSE = 40
"""Number of letters from which a comma ends a clause."""
LONG_CLAUSE = 160
"""Number of letters after which a clause is cut at a space."""

_CURRENCIES = {"$": ("dollars", "cents"), "£": ("pounds", "pence"), "€": ("euros", "cents")}
_SYMBOLS = {
    "&": " and ",
    "%": " percent",
    "+": " plus ",
    "=": " equals ",
    "#": " number ",
    "@": " at ",
    "°": " degrees",
    "/": " ",
    "*": " ",
    "_": " ",
    "’": "'",
    "“": "",
    "”": "",
    '"': "",
    "—": ", ",
    "–": ", ",
    "…": ".",
}


def _clock(found: re.Match[str]) -> str:
    hour, minute, half = found[1], int(found[2]), found[3] or ""
    if minute == 0:
        return hour + (half or " o'clock")
    return f"{hour} oh {minute}{half}" if minute < 10 else f"{hour} {minute}{half}"


def _price(found: re.Match[str]) -> str:
    whole, cents = found[2], found[3]
    units, fractions = _CURRENCIES[found[1]]
    return f"{whole} {units}" + (f" and {cents} {fractions}" if cents and cents != "00" else "")


def _identifier(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    if len(digits) < LONG_NUMBER and not digits.startswith("0"):
        return found[0]
    words = [DIGITS[int(digit)] for digit in digits]
    # Groups of three: a caller who writes the number down can follow.
    return ", ".join(" ".join(words[start : start + 3]) for start in range(0, len(words), 3))


_REWRITES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?:https?://)?\b((?:[\w-]+\.)+[a-z]{2,})\b(?=\W|$)"), lambda m: _dotted(m[1])),
    (re.compile(r"([$£€]) ?(\d[\d,]*)(?:\.(\d\d))?\b"), _price),
    (re.compile(r"(\d) ?([ap])(?:\.m\.|m\b)", re.I), lambda m: f"{m[1]} {m[2].upper()}M"),
    (re.compile(r"\b(\d{1,2})(?::|\.(?=\d\d [AP]M))(\d\d)\b( [AP]M)?"), _clock),
    (re.compile(r"\+?(?<![\w.,])\d(?:[ -]?\d)+(?![\w%]|[.,]\d)"), _identifier),
)


def _dotted(address: str) -> str:
    return address.replace(".", " dot ").replace("www", "w w w")


def readable(text: str) -> str:
    """The text in letters, plain numbers and punctuation; empty if nothing in it can be spoken."""
    for pattern, rewrite in _REWRITES:
        text = pattern.sub(rewrite, text)
    text = "".join(_SYMBOLS.get(character, character) for character in text)
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if c.isascii() and (c.isprintable() or c.isspace()))
    return " ".join(text.split())


def clauses(text: str) -> Iterator[str]:
    """The text as clauses, each of at most LONG_CLAUSE letters, to be spoken in order."""
    for sentence in re.split(r"(?<=[.?!;:])\s+", readable(text)):
        piece = ""
        for part in re.split(r"(?<=,)\s+", sentence):
            piece = f"{piece} {part}".strip()
            if len(piece) >= SHORT_CLAUSE:
                yield from _breaths(piece)
                piece = ""
        yield from _breaths(piece)


def _breaths(piece: str) -> Iterator[str]:
    """A piece, cut at spaces if it is too long, and skipped if it has no letter or digit."""
    while len(piece) > LONG_CLAUSE:
        cut = piece.rfind(" ", SHORT_CLAUSE, LONG_CLAUSE)
        if cut < 0:
            cut = LONG_CLAUSE
        yield piece[:cut]
        piece = piece[cut:].strip()
    if re.search(r"\w", piece):
        yield piece
