"""Written English as a voice should say it: figures and signs become words.

A voice left alone with "553882" says a number in the hundred thousands, with "23/11/2026" a
fraction, and each voice something else. So text with more than one reading is read here, the way
people read it to one another on the telephone: an order reference digit by digit in groups, a
price as a price, a date as a date.

The rules stand in one table, by topic, and are tried in its order: each rule takes only what is
surely its own, and numbers that are left to the last are said as plain numbers. No digit is left
to the voice. Words and punctuation stay as they are, in their places; text that is in words
already is not changed, so reading aloud twice changes nothing more.
"""

import logging
import re
from functools import partial

from avr_sts_speechmatics.speech.dates_and_times import DATES, TIMES
from avr_sts_speechmatics.speech.money_and_units import MONEY, UNITS
from avr_sts_speechmatics.speech.plain_numbers import BARE_NUMBERS, FRACTIONS, ORDINALS, RANGES
from avr_sts_speechmatics.speech.reading_rule import Rule, Say, rules, saying
from avr_sts_speechmatics.speech.telephone_numbers import TELEPHONE_NUMBERS
from avr_sts_speechmatics.speech.web_addresses import WEB_ADDRESSES

_log = logging.getLogger(__name__)

# Most sentences have nothing for us, and are let through after this one look.
_MARKS = re.compile(r"[\d@&+/#%=~°±×÷½¼¾€£$¥₹¢№]|\.\w")


def spoken(text: str) -> str:
    """What to ask a voice for, so that it says `text` as a person would.

    Only for the voice: history, transcripts and the names of kept phrases stay as written.
    Never raises; what cannot be put in words is returned as it was written.
    """
    # All voices there are speak English. One of another language is to be sent `text` from here.
    if not _MARKS.search(text):
        return text
    words = " ".join(text.split())
    try:
        for pattern, say in _RULES:
            words = pattern.sub(partial(_put, say), words)
    except Exception as error:
        # A clumsy reading is better than a reply without this sentence. No traceback: an error's
        # text may hold the number, and numbers of callers are not for logs.
        _log.error("a sentence goes to the voice as written: %s", type(error).__name__)
        return text
    return " ".join(words.split())


def _put(say: Say, found: re.Match[str]) -> str:
    """The words for a match, kept apart from the letters around it. None: not this rule's."""
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
_SIGNS |= {"€": "euros", "£": "pounds", "$": "dollars", "¥": "yen", "₹": "rupees", "¢": "cents"}

_SIGNS_BETWEEN_WORDS = rules(
    (r"\band/or\b", saying("and or")),
    (r"(?<=[^\W\d_]),(?=[^\W\d_])", saying(", ")),
    (r"\s?([&+=@%°×÷±€£$¥₹¢])\s?", lambda found: f" {_SIGNS[found[1]]} "),
    (
        r"(?<=[^\W\d_]{2})\s?/\s?(?=(?:month|year|week|day|night|hour|minute|person|unit)\b)",
        saying(" per "),
    ),
    (r"(?<=[^\W\d_]{2})\s?/\s?(?=[^\W\d_]{2})", saying(" or ")),
)

_RULES: tuple[Rule, ...] = (
    *WEB_ADDRESSES,  # before their dots and digits mean something else
    *DATES,
    *TIMES,
    *TELEPHONE_NUMBERS,
    *MONEY,
    *RANGES,
    *ORDINALS,
    *UNITS,
    *FRACTIONS,
    *BARE_NUMBERS,
    *_SIGNS_BETWEEN_WORDS,
    *WEB_ADDRESSES,  # text that has become an address only now
)
