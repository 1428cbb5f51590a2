"""Reading aloud: converts figures and signs in written text to words for the TTS.

A TTS may say "553882" as a number in the hundred thousands and "23/11/2026" as a fraction, and each
TTS differs. So text with more than one reading is converted here, as people read it to one another
on the telephone: an order reference digit by digit in groups, a price as a price, a date as a date.

The rules are in one table, by topic, and are applied in the order of the table. Each rule matches
only text that surely has its meaning; the last rules say the remaining numbers as plain numbers. No
digit is left to the TTS. Words and punctuation stay unchanged and in place, and text that is
already in words is not changed, so a second conversion changes nothing.

The rules of this module are for English. Languages with a pack have the rules of
`figures_by_language`, for figures only.
"""

import logging
import re
from functools import partial

from avr_sts_speechmatics.speech.dates_and_times import DATES, TIMES
from avr_sts_speechmatics.speech.figures_by_language import figures_of
from avr_sts_speechmatics.speech.languages import primary
from avr_sts_speechmatics.speech.money_and_units import MONEY, UNITS
from avr_sts_speechmatics.speech.plain_numbers import (
    BARE_NUMBERS,
    BETWEEN,
    FRACTIONS,
    ORDINALS,
    PARTS_OF_BOOKS,
    RANGES,
)
from avr_sts_speechmatics.speech.reading_rule import Rule, Say, rules, saying
from avr_sts_speechmatics.speech.telephone_keys import TELEPHONE_KEYS
from avr_sts_speechmatics.speech.telephone_numbers import CODES, TELEPHONE_NUMBERS
from avr_sts_speechmatics.speech.web_addresses import WEB_ADDRESSES

_log = logging.getLogger(__name__)

_HIDDEN_FIGURES = re.compile(r"(?:[*•xX]{3,}[ -]?)+(?=\d)")
# Most sentences need no conversion and return after this one search.
_CALENDAR = (
    r"\b(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b"
)
_MARKS = re.compile(
    r"[\d@&+/#%=~°±×÷€£$¥₹₩₺¢№*_<>^²³√≤≥≠≈∞§½⅓⅔¼¾⅕⅛⅜⅝⅞]|\.\w"
    rf"|{_CALENDAR}"
)


def spoken(text: str, language: str = "en") -> str:
    """Convert a text to the words that the TTS should say.

    language: of the text. In a language without a pack the voice reads figures and signs by the
        rules of that language.

    For the TTS only: history, transcripts and the keys of kept phrases stay as written. Never
    raises; a text that cannot be converted is returned unchanged.
    """
    if primary(language) != "en":
        return _in_other_language(" ".join(_HIDDEN_FIGURES.sub("", text).split()), language)
    if not _MARKS.search(text):
        return text
    words = " ".join(text.split())
    try:
        for sign, topic in _TOPICS:
            if sign.search(words):
                for pattern, say in topic:
                    words = pattern.sub(partial(_put, say), words)
    except Exception as error:
        _report(error)
        return text
    return " ".join(words.split())


def _in_other_language(text: str, language: str) -> str:
    figures = figures_of(language)
    if figures is None:
        return text
    try:
        return figures.spoken(text)
    except Exception as error:
        _report(error)
        return text


def _report(error: Exception) -> None:
    # A clumsy reading is better than a reply without this sentence. No traceback is logged: the
    # text of the error may contain a caller's number.
    _log.error("a sentence goes to the voice unconverted: %s", type(error).__name__)


def _put(say: Say, found: re.Match[str]) -> str:
    """Return the words for a match, separated from adjacent letters; the match itself if `say`
    returns None."""
    words = say(found)
    if words is None:
        return found[0]
    text, start, end = found.string, found.start(), found.end()
    before = " " if start and _is_wordlike(text[start - 1]) and words[:1].isalnum() else ""
    after = " " if _is_wordlike(text[end : end + 1]) and words[-1:].isalnum() else ""
    if words.endswith(".") and text[end : end + 1] == ".":  # "at 14:00." is "at two p.m."
        words = words[:-1]
    return before + words + after


def _is_wordlike(c: str) -> bool:
    return c.isalnum() or (c != "" and c in "$€£¥₹#")


_SIGNS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "°": "degrees"}
_SIGNS |= {"×": "times", "÷": "divided by", "±": "plus or minus"}
_SIGNS |= {"≠": "is not equal to", "≈": "about", "≤": "at most", "≥": "at least", "∞": "infinity"}
_SIGNS |= {"√": "the square root of", "§": "section", "₩": "won", "₺": "lira"}
_SIGNS |= {"€": "euros", "£": "pounds", "$": "dollars", "¥": "yen", "₹": "rupees", "¢": "cents"}

_THINGS = "month|year|week|day|night|hour|minute|person|unit|user|seat|item|guest|head"
_PER = {
    short: f"per {name.replace('-', ' ')}" if name != "each" else name
    for short, name in (
        pair.split(":")
        for pair in (
            "yr:year mo:month mth:month wk:week hr:hour h:hour min:minute sec:second s:second "
            "pp:person ea:each kg:kilogram g:gram lb:pound oz:ounce km:kilometre mi:mile mile:mile "
            "m²:square-metre sqft:square-foot ft:foot l:litre L:litre gal:gallon "
            "kWh:kilowatt-hour GB:gigabyte MB:megabyte mL:millilitre ml:millilitre d:day"
        ).split()
    )
}

_SIGNS_BETWEEN_WORDS = rules(
    (r"\band/or\b", saying("and or")),
    (r"\bw/o\b", saying("without")),
    (r"\bw/(?=\s|[^\W\d_])", saying("with ")),
    (r"\bc/o\b", saying("care of")),
    (r"(?<=\w)²", saying(" squared")),
    (r"(?<=\w)³", saying(" cubed")),
    (r"(?<=\w)\^(?=\w)", saying(" to the power of ")),
    (r"(?<=[^\W_])_+(?=[^\W_])", saying(" ")),
    (r"(?<=[^\W\d_]),(?=[^\W\d_])", saying(", ")),
    (r"\s?([&+=@%°×÷±€£$¥₹₩₺¢≠≈≤≥∞√§])\s?", lambda found: f" {_SIGNS[found[1]]} "),
    (r"(?<!\w)<\s?(?=\w)", saying("less than ")),
    (r"(?<!\w)>\s?(?=\w)", saying("more than ")),
    (rf"(?<=[^\W\d_]{{2}})\s?/\s?({_THINGS})\b", saying(r" per \1")),
    (
        rf"(?<=[^\W\d_]{{2}})\s?/\s?({'|'.join(_PER)}|sq ft)(?!\w)(?:\.(?=\s[a-z]))?",
        lambda found: " " + _PER[found[1].replace(" ", "")],
    ),
    (
        r"\b(dollars?|cents?|euros?|pounds?|pence|francs?|yen|rupees?)\s?/\s?(?=[^\W\d_])",
        saying(r"\1 per "),
    ),
    (r"(?<=[^\W\d_]{2})\s?/\s?(?=[^\W\d_]{2})", saying(" or ")),
)

_TOPICS: tuple[tuple[re.Pattern[str], tuple[Rule, ...]], ...] = tuple(
    (re.compile(sign), topic)
    for sign, topic in (
        # A topic is tried where the text has one of its signs: most texts have few.
        (r"etween .*\d", BETWEEN),
        (r"\. ?[\dIVX]", PARTS_OF_BOOKS),
        (r"@|\w\.\w|^\.\w", WEB_ADDRESSES),  # before other rules match their dots and digits
        (rf"\d|{_CALENDAR}", DATES),
        (r"\d", TIMES),
        (r"[*#]", TELEPHONE_KEYS),
        (r"[A-Z]-?\d|\d-?[A-Z]|\d{5}|[*•·xX]{2}", CODES),
        (r"\d", TELEPHONE_NUMBERS),
        (r"\d", MONEY),
        (r"\d|~", RANGES),
        (r"\d'?s\b|\d(?:st|nd|rd|th)\b", ORDINALS),
        (r"\d", UNITS),
        (r"/|[½⅓⅔¼¾⅕⅛⅜⅝⅞]|\d\.\d|\bv", FRACTIONS),
        (r"[\d½¼¾]", BARE_NUMBERS),
        (rf"[{''.join(map(re.escape, _SIGNS))}/<>^²³_,]", _SIGNS_BETWEEN_WORDS),
        (r"[*#]", TELEPHONE_KEYS),  # keys beside a number that is in words by now
        (r"@|\w\.\w", WEB_ADDRESSES),  # text that the other rules turned into an address
    )
)
