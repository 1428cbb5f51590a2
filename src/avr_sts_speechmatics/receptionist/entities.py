"""Entities in a sentence: digits, a name, a day, a time. Pure functions on text.

Recognisers write numbers in many ways: "553882", "553-882", "five five three, eight eight
two", "double five". All of them are converted to digits first. Numbers are read back as words in
groups of three, so that no TTS reads "553882" as half a million.
"""

import re
from collections.abc import Iterator

UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_NUMBERS = {
    **{word: str(value) for value, word in enumerate((*UNITS, *TEENS))},
    **{word: str(20 + 10 * index) for index, word in enumerate(TENS)},
    "nought": "0",
}
_TIMES_OVER = {"double": 2, "triple": 3, "treble": 3}
_ZEROS = frozenset({"oh", "o"})
"""Words for zero beside other digits. Alone, "oh" is an exclamation and "o" a letter."""
_BETWEEN_DIGITS = frozenset({"and", "then", "dash", "hyphen", "plus", "space", "er", "um"})

_KEYS = re.compile(r"\[keys:([^\]]*)\]", re.IGNORECASE)
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[:.,/-]", re.IGNORECASE)
_CLOCK = re.compile(r"\b\d{1,2}[:.]\d{2}\b|\b\d{1,2} ?(?=[ap]\.?m\b)|[£$€] ?\d[\d.,]*")

_WEEKDAY = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_DAY = re.compile(
    rf"\b(?:(?:this|next|on|this coming) )?(?:{_WEEKDAY})\b(?: week\b)?"
    r"|\bthe day after tomorrow\b|\btomorrow\b|\btoday\b"
    rf"|\b(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH})\b"
    rf"|\b(?:{_MONTH})(?: the)? \d{{1,2}}(?:st|nd|rd|th)?\b"
    r"|\bthe \d{1,2}(?:st|nd|rd|th)\b",
    re.IGNORECASE,
)
_HOUR = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_PART = r"(?: in the (?:morning|afternoon|evening)| ?(?:a|p)\.?m\b\.?| o'?clock)"
_TIME = re.compile(
    rf"\b(?:half past|(?:a )?quarter (?:past|to)) (?:{_HOUR}|\d{{1,2}})\b{_PART}*"
    rf"|\b\d{{1,2}}[:.]\d{{2}}\b{_PART}*"
    rf"|\b(?:{_HOUR}|\d{{1,2}})(?: (?:fifteen|thirty|forty[- ]five))?{_PART}+"
    rf"|(?<=\bat )(?:{_HOUR}|\d{{1,2}})(?: (?:fifteen|thirty|forty[- ]five))?\b"
    r"|\b(?:noon|midday)\b|\b(?:in the )?(?:morning|afternoon|evening)\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(?:my name is|my name's|call me|this is)"
    r"\s+([a-z][\w'’-]+(?:\s+(?-i:[A-Z])[\w'’-]+)?)(\s+(?:speaking|calling|here))?",
    re.IGNORECASE,
)
_NOT_NAMES = frozenset({"back", "the", "not", "on", "in", "again", "later", "tomorrow", "who"})


def plain(text: str) -> str:
    """The text in plain form: lower case, words only, common contractions written out."""
    text = text.lower().replace("’", "'")
    for short, long in _CONTRACTIONS:
        text = text.replace(short, long)
    return " ".join(re.findall(r"(?:[^\W_]|')+", text))


_CONTRACTIONS = (
    ("can't", "can not"),
    ("cannot", "can not"),
    ("won't", "will not"),
    ("n't", " not"),
    ("i'd", "i would"),
    ("that's", "that is"),
    ("what's", "what is"),
    ("where's", "where is"),
    ("it's", "it is"),
    ("i'm", "i am"),
    ("i'll", "i will"),
    ("you're", "you are"),
)


def keys(text: str) -> str | None:
    """Keys pressed on the telephone (0-9, *, #, A-D); None if the text has no key message."""
    found = _KEYS.search(text)
    return None if found is None else re.sub(r"[^0-9*#A-D]", "", found[1])


def without_keys(text: str) -> str:
    """The text without its key messages."""
    return _KEYS.sub(" ", text)


def digits(text: str) -> str:
    """The longest run of spoken or written digits; times of day and prices do not count."""
    return max(_runs(_CLOCK.sub(" at ", text)), key=len, default="")


def only_digits(text: str) -> bool:
    """Whether the sentence consists of a number and nothing else."""
    tokens = [t.lower() for t in _TOKEN.findall(text) if t not in ",.:/-"]
    words = _NUMBERS.keys() | _TIMES_OVER.keys() | _BETWEEN_DIGITS | _ZEROS
    return bool(digits(text)) and all(t.isdigit() or t in words for t in tokens)


def _runs(text: str) -> Iterator[str]:
    """Each unbroken run of digits."""
    words = [word.lower() for word in _TOKEN.findall(text)]
    run, times, tens = "", 1, False
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word in _TIMES_OVER:
            times = _TIMES_OVER[word]
            continue
        if word in _ZEROS and (run or following in _NUMBERS or following.isdigit()):
            value = "0"
        else:
            value = word if word.isdigit() else _NUMBERS.get(word, "")
        if value:
            if tens and word in UNITS[1:]:
                run = run[:-1] + value  # "twenty three" is 23, not 203
            else:
                run += value * times
            times, tens = 1, word in TENS
        elif word not in _BETWEEN_DIGITS and word not in ",.:/-":
            yield run
            run, times, tens = "", 1, False
        elif word in ",.":
            tens = False
    yield run


def spoken(keyed: str) -> str:
    """Digits and keys as words, in groups of three: "five five three, eight eight two"."""
    words = [{"*": "star", "#": "hash"}.get(key) or _word(key) for key in keyed]
    return ", ".join(" ".join(words[start : start + 3]) for start in range(0, len(words), 3))


def _word(key: str) -> str:
    return UNITS[int(key)] if key.isdigit() else key


def name(text: str) -> str | None:
    """The name that the caller gives; None if the text has none."""
    for found in _NAME.finditer(text):
        given = found[1].strip()
        # "This is Tuesday" is no introduction; "this is Anna speaking" is.
        introduces = not found[0].lower().startswith("this is") or found[2]
        if introduces and given.split()[0].lower() not in _NOT_NAMES:
            return given[0].upper() + given[1:]
    return None


def day(text: str) -> str | None:
    """The day in the text as the caller said it ("next Tuesday"); None if the text has none."""
    found = _DAY.search(text)
    if found is None:
        return None
    day = re.sub(r"^on ", "", found[0], flags=re.IGNORECASE)
    return re.sub(r"^(next|this|the|tomorrow|today)\b", lambda m: m[0].lower(), day, flags=re.I)


def time_of_day(text: str) -> str | None:
    """The time in the text as the caller said it ("half past three"); None if the text has none."""
    found = _TIME.search(text)
    return None if found is None else re.sub(r"^in the ", "", found[0].strip().rstrip("."))
