"""Other numbers aloud: ranges, ordinals, fractions, and plain numbers.

If the text around a number does not explain it, the number of digits decides how it is read.
"""

import re

from avr_sts_speechmatics.speech.number_words import (
    COUNTABLE,
    cardinal,
    digits,
    grouped,
    number,
    ordinal,
    year_words,
)
from avr_sts_speechmatics.speech.reading_rule import ALONE, NUM, N, rules, saying

_PARTS = {2: ("half", "halves"), 3: ("third", "thirds"), 4: ("quarter", "quarters")}


def _decade(found: re.Match[str]) -> str:
    words = year_words(found[1]) if len(found[1]) == 4 else cardinal(found[1])
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def _fraction(found: re.Match[str]) -> str:
    whole, above, below = found.groups()
    n, d = int(above), int(below)
    if d in _PARTS and 0 < n < d:
        one, many = _PARTS[d]
        words = f"{'a' if n == 1 and whole else cardinal(above)} {one if n == 1 else many}"
    elif 0 < n < d and d in (5, 6, 8, 16):
        words = f"{cardinal(above)} {ordinal(below)}{'' if n == 1 else 's'}"
    elif n <= d and d in (10, 20, 100):
        words = f"{cardinal(above)} out of {cardinal(below)}"
    else:  # 24/7, 9/11
        words = f"{cardinal(above)} {cardinal(below)}"
    return f"{cardinal(whole)} and {words}" if whole else words


def _version(found: re.Match[str]) -> str:
    return " dot ".join(
        cardinal(part) if len(part) < 3 else digits(part) for part in found[0].split(".")
    )


def _model(found: re.Match[str]) -> str:
    """GPT-4, A380: one or two digits are read as a number, more digits one by one."""
    return " " + (cardinal(found[1]) if len(found[1]) < 3 else digits(found[1]))


def _bare(found: re.Match[str]) -> str:
    """A number that the text around does not explain: read by its number of digits."""
    text = found[0]
    if "," in text or "." in text:
        return number(text)
    if len(text) > COUNTABLE or (len(text) > 1 and int(text[0]) == 0):
        return grouped(text)
    if len(text) == 4 and 1100 <= int(text) < 2100:
        return year_words(text)
    if len(text) >= 5 and int(text) % 100:
        return grouped(text)
    return cardinal(text)


BETWEEN = rules(
    (rf"\b([Bb]etween [$€£]?{NUM}%?)\s?[-–—]\s?(?=[$€£]?\d)", saying(r"\1 and ")),
)

_PARTS_OF_BOOKS = {
    "p": "page",
    "pp": "pages",
    "fig": "figure",
    "figs": "figures",
    "ch": "chapter",
    "sec": "section",
    "vol": "volume",
    "para": "paragraph",
}
PARTS_OF_BOOKS = rules(
    (
        rf"\b({'|'.join(_PARTS_OF_BOOKS)})\. ?(?=\d|[IVX]+\b)",
        lambda found: f"{_PARTS_OF_BOOKS[found[1]]} ",
    ),
)

RANGES = rules(
    (r"(?:(?<=\d)|(?<=\d[%m])|(?<=\d(?:st|nd|rd|th)))\s?[-–—]\s?(?=\d)", saying(" to ")),
    (r"(?<=\d):(?=\d)", saying(" to ")),
    (r"(?<=\d)\s?[x×*]\s?(?=\d)", saying(" by ")),
    (r"(?<![\w)\]])[-−](?=\.?\d)", saying("minus ")),
    (r"~\s?(?=\w)", saying("about ")),
)

ORDINALS = rules(
    (rf"{ALONE}(\d{{2}}|\d{{4}})(?<=0)'?s\b", _decade),
    (rf"{ALONE}({N})(?:st|nd|rd|th)\b", lambda found: ordinal(found[1])),
)

_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
_VULGAR |= {"⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}

FRACTIONS = rules(
    (r"(?<=\d) ?([½⅓⅔¼¾⅕⅛⅜⅝⅞])", lambda found: f" {_VULGAR[found[1]]}"),
    (r"([⅓⅔⅕⅛⅜⅝⅞])", lambda found: _VULGAR[found[1]]),
    (r"\bv(?:er)?\.? ?(?=\d+(?:\.\d+)*\b)", saying("version ")),
    (r"(?<![\w/.,])(?:(\d{1,3}) )?(\d{1,3})/(\d{1,3})(?![\w/]|\.\d)", _fraction),
    (r"\d+(?:\.\d+){2,}", _version),
)

BARE_NUMBERS = rules(
    (r"(?<=[A-Z])-?(\d+)(?!\d|[,.]\d)", _model),
    (rf"{ALONE}\d{{3,4}}(?=[A-Z]\b)", lambda found: digits(found[0])),
    (r"(?<=\d)\s?/\s?(?=\d)", saying(" ")),
    (r"(?<!\w)\.\d+", lambda found: number(found[0])),
    (NUM, _bare),
    ("([½¼¾])", lambda found: {"½": "a half", "¼": "a quarter", "¾": "three quarters"}[found[1]]),
)
