"""Words as the dialogue compares, counts and cuts them. Pure functions on text.

Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without spaces between words. A
dictionary would know their words; here the script gives an estimate that is good enough to count
and to cut: see `_SCRIPTS`.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

_HAN = "\u3005-\u3007\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA = "\u3041-\u309f"
_KATAKANA = "\u30a1-\u30ff\u31f0-\u31ff\uff66-\uff9f"
# Thai, Lao, Burmese, Khmer, without their digits.
_SOUTH_EAST = (
    "\u0e01-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u17d7\u17dc"
)
_UNSPACED = f"{_HAN}{_HIRAGANA}{_KATAKANA}{_SOUTH_EAST}"

# Vowels written before their consonant, and what cannot begin a syllable.
_LEADING = "\u0e40-\u0e44\u0ec0-\u0ec4"
_TRAILING_SOUTH_EAST = "\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3\u0eaf\u0ebd"
_SMALL_HIRAGANA = "\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u308e"
_SMALL_KATAKANA = "\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30ee\u30fc"
_TRAILING = _TRAILING_SOUTH_EAST + _SMALL_HIRAGANA + _SMALL_KATAKANA

_SCRIPTS = re.compile(
    rf"(?P<han>[{_HAN}]+)(?:[{_HIRAGANA}]{{0,2}})"  # with the ending of a Japanese verb
    rf"|(?P<hiragana>[{_HIRAGANA}]+)|(?P<katakana>[{_KATAKANA}]+)|(?P<south_east>[{_SOUTH_EAST}]+)"
    rf"|[^{_UNSPACED}]+"
)
_LETTERS_A_WORD = {"han": 2, "hiragana": 4, "katakana": 8, "south_east": 3}
"""Letters of a usual word, by script, without vowel signs and tone marks."""

_UNIT = re.compile(
    rf"[{_LEADING}]*[{_UNSPACED}][{_TRAILING}]*[^\w\s]*"  # a sign, its marks and punctuation
    rf"|(?:(?![{_UNSPACED}])\S)+"
)

_CHARS_PER_SECOND = 14.0
_SYLLABLES = re.compile("[\uac00-\ud7a3\u1100-\u11ff]|[" + _HAN + "]")
_KANA = re.compile(f"[{_HIRAGANA}{_KATAKANA}]")

_APOSTROPHES = re.compile("['\u2019]")
_JOINERS = "\u200c\u200d"
"""Characters that join letters and are no letters of their own."""


def plain(text: str) -> str:
    """The words of `text` in lower case, without punctuation, one space between them.

    Recognisers settle punctuation and capitals later than words.
    """
    kept: list[str] = []
    for c in text.lower():
        if c.isalnum():
            kept.append(c)
        elif c.isascii() or not kept or kept[-1] == " ":
            kept.append(" ")
        elif unicodedata.category(c)[0] == "M":  # a vowel sign, a tone, an accent
            kept.append(c)
        elif c not in _JOINERS:
            kept.append(" ")
    return " ".join("".join(kept).split())


def has_words(text: str) -> bool:
    """Whether `text` has any letter or digit."""
    return any(c.isalnum() for c in text)


def count_words(texts: Iterable[str], backchannels: Iterable[str] = ()) -> int:
    """Count the words of `texts` that are no backchannels.

    backchannels: phrases in lower case without punctuation, such as "uh huh".
    """
    counted = f" {plain(_APOSTROPHES.sub('', ' '.join(texts)))} "
    for backchannel in backchannels:
        while f" {backchannel} " in counted:
            counted = counted.replace(f" {backchannel} ", " ")
    return sum(map(_words_of, counted.split()))


def _words_of(token: str) -> int:
    """How many words a text without spaces has."""
    if token.isascii():
        return 1
    count = 0
    for run in _SCRIPTS.finditer(token):
        script = run.lastgroup
        if script is None:
            count += 1
        else:
            letters = sum(c.isalnum() for c in run[script])
            count += -(-letters // _LETTERS_A_WORD[script])
    return max(1, count)


def word_ends(text: str) -> Iterable[int]:
    """The places in `text` where a word ends, or a sign of a script without spaces."""
    return (unit.end() for unit in _UNIT.finditer(text))


def speech_seconds(text: str) -> float:
    """About how long a voice takes to say `text` (s). Letters are a rough measure of time: a
    letter of an alphabet takes a 14th of a second, a sign that is a syllable three times as long.
    """
    if text.isascii():
        return len(text) / _CHARS_PER_SECOND
    syllables, kana = len(_SYLLABLES.findall(text)), len(_KANA.findall(text))
    return (len(text) + 2 * syllables + kana) / _CHARS_PER_SECOND


def letter_like(letter: str) -> str:
    """A letter that stands for `letter` where words are masked: cut and counted like it."""
    is_mark = unicodedata.category(letter)[0] == "M"
    for stand_in, letters in _stand_ins(is_mark):
        if letters.match(letter):
            return stand_in
    return "\u0301" if is_mark else "w"


@cache
def _stand_ins(is_mark: bool) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Letters that stand for others, each with the pattern of the letters; the first one counts."""
    if is_mark:
        return (("\u0e34", re.compile(f"[{_UNSPACED}]")),)
    return tuple(
        (stand_in, re.compile(f"[{letters}]"))
        for stand_in, letters in (
            ("\u0e40", _LEADING),
            ("\u0e30", _TRAILING_SOUTH_EAST),
            ("\u3063", _SMALL_HIRAGANA),
            ("\u30c3", _SMALL_KATAKANA),
            ("\u5b57", _HAN),
            ("\u3042", _HIRAGANA),
            ("\u30a2", _KATAKANA),
            ("\u0e01", _SOUTH_EAST),
        )
    )
