"""Numbers in English words: as a number, as a year, or digit by digit.

The words come from Unicode's rules for English (unicode-rbnf). The rules are read when this module
is imported: in the middle of a call the 20 ms would be missed by every caller.
"""

from functools import lru_cache

from unicode_rbnf import RbnfEngine

_ENGINE = RbnfEngine.for_language("en")

COUNTABLE = 15
"""Digits up to which a number is said as a number; nobody could follow a longer one."""


@lru_cache(maxsize=2048)
def _by_rule(number: int, rules: str) -> str:
    words = _ENGINE.format_number(number, ruleset_names=[rules]).text
    return words.replace(",", "")  # a voice would pause in the middle of the number


def digits(text: str, gap: str = " ") -> str:
    """Digit by digit, whatever else stands between: "five five three"."""
    return gap.join(_by_rule(int(c), "spellout-numbering") for c in text if c.isdecimal())


def grouped(text: str) -> str:
    """Digit by digit, in groups that can be written down: "five five three, eight eight two"."""
    text = "".join(c for c in text if c.isdecimal())
    size = 4 if len(text) % 4 == 0 else 3
    cuts = list(range(0, len(text), size))
    if len(text) > size and len(text) % size == 1:  # no last digit alone
        cuts.pop()
    ends = [*cuts[1:], len(text)]
    return ", ".join(digits(text[a:b]) for a, b in zip(cuts, ends, strict=True))


def cardinal(text: str) -> str:
    """How many: "one thousand two hundred"; digit by digit beyond COUNTABLE digits."""
    text = text.replace(",", "")
    if len(text) > COUNTABLE:
        return grouped(text)
    return _by_rule(int(text), "spellout-cardinal-verbose")


def number(text: str) -> str:
    """A number with or without decimals: "three point five"."""
    whole, point, decimals = text.partition(".")
    words = cardinal(whole or "0")
    return f"{words} point {digits(decimals)}" if point else words


def ordinal(text: str) -> str:
    """Which one: "twenty-first"."""
    text = text.replace(",", "")
    if len(text) > COUNTABLE:
        return f"{grouped(text)}th"
    return _by_rule(int(text), "spellout-ordinal-verbose")


def year_words(text: str) -> str:
    """A year of two or four digits: "twenty twenty-six"."""
    number = int(text)
    if len(text) == 2:
        return f"oh {cardinal(text[1])}" if text[0] == "0" else cardinal(text)
    if 2000 <= number < 2010:
        return _by_rule(number, "spellout-cardinal-verbose")
    return _by_rule(number, "spellout-numbering-year").replace("oh-", "oh ")
