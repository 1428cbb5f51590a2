"""Written English as a voice should say it: figures and signs become words.

A voice left alone with "553882" says a number in the hundred thousands, with "23/11/2026" a
fraction, and each voice something else. So what has more than one reading is read here, the way
people read it to one another on the telephone: an order reference digit by digit in groups, a
price as a price, a date as a date.

The rules stand in one table and are tried in its order: each takes what is surely its own, and
what is left to the last is said as plain numbers. No digit is left to the voice. Words and
punctuation stay as they are, in their places; what is in words already is not touched, so saying
something twice is saying it once.

The words of numbers come from Unicode's rules for English (unicode-rbnf). It is read when this
module is imported: in the middle of a call its 20 ms would be missed by every caller.
"""

import logging
import re
from collections.abc import Callable
from functools import lru_cache, partial

from unicode_rbnf import RbnfEngine

_log = logging.getLogger(__name__)

_ENGINE = RbnfEngine.for_language("en")
_COUNTABLE = 15
"""Digits up to which a number is said as a number; longer ones nobody could follow."""

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


def _put(say: "_Say", found: re.Match[str]) -> str:
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


# --- numbers ---------------------------------------------------------------------------------


@lru_cache(maxsize=2048)
def _by_rule(number: int, rules: str) -> str:
    words = _ENGINE.format_number(number, ruleset_names=[rules]).text
    return words.replace(",", "")  # a voice would pause in the middle of the number


def _digits(text: str, gap: str = " ") -> str:
    """One after the other: "five five three"."""
    return gap.join(_by_rule(int(c), "spellout-numbering") for c in text if c.isdecimal())


def _grouped(text: str) -> str:
    """Digit by digit, in groups that can be written down: "five five three, eight eight two"."""
    text = "".join(c for c in text if c.isdecimal())
    size = 4 if len(text) % 4 == 0 else 3
    cuts = list(range(0, len(text), size))
    if len(text) > size and len(text) % size == 1:  # no last digit alone
        cuts.pop()
    ends = [*cuts[1:], len(text)]
    return ", ".join(_digits(text[a:b]) for a, b in zip(cuts, ends, strict=True))


def _cardinal(text: str) -> str:
    text = text.replace(",", "")
    if len(text) > _COUNTABLE:
        return _grouped(text)
    return _by_rule(int(text), "spellout-cardinal-verbose")


def _number(text: str) -> str:
    """With or without decimals: "three point five"."""
    whole, point, decimals = text.partition(".")
    words = _cardinal(whole or "0")
    return f"{words} point {_digits(decimals)}" if point else words


def _ordinal(text: str) -> str:
    text = text.replace(",", "")
    if len(text) > _COUNTABLE:
        return f"{_grouped(text)}th"
    return _by_rule(int(text), "spellout-ordinal-verbose")


def _year(text: str) -> str:
    number = int(text)
    if len(text) == 2:
        return f"oh {_cardinal(text[1])}" if text[0] == "0" else _cardinal(text)
    if 2000 <= number < 2010:
        return _by_rule(number, "spellout-cardinal-verbose")
    return _by_rule(number, "spellout-numbering-year").replace("oh-", "oh ")


def _is_one(text: str) -> bool:
    return text in ("1", "1.0", "1.00")


# --- names of things -------------------------------------------------------------------------

_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_MONTH_NAMES = {name[:3]: name for name in _MONTHS}
# Sign or code: the whole, its plural, the hundredth, its plural.
_MONEY: dict[str, list[str]] = {
    sign: names.split(", ")
    for sign, _, names in (
        line.strip().partition(": ")
        for line in """
            $: dollar, dollars, cent, cents
            US$: US dollar, US dollars, cent, cents
            USD: US dollar, US dollars, cent, cents
            €: euro, euros, cent, cents
            EUR: euro, euros, cent, cents
            £: pound, pounds, penny, pence
            GBP: pound, pounds, penny, pence
            ¥: yen, yen, sen, sen
            JPY: Japanese yen, Japanese yen, sen, sen
            ₹: rupee, rupees, paisa, paise
            INR: Indian rupee, Indian rupees, paisa, paise
            CHF: Swiss franc, Swiss francs, centime, centimes
            CAD: Canadian dollar, Canadian dollars, cent, cents
            AUD: Australian dollar, Australian dollars, cent, cents
        """.strip().splitlines()
    )
}
_SCALES = {"k": "thousand", "m": "million", "bn": "billion", "b": "billion"}
# As written: one, and, if not by an "s", several.
_UNITS: dict[str, tuple[str, str]] = {
    sign: (one, many or f"{one}s")
    for signs, one, many in (
        (line.strip() + ", ").split(", ")[:3]
        for line in """
            km/h kph kmh, kilometre per hour, kilometres per hour
            mph, mile per hour, miles per hour
            km, kilometre
            m, metre
            cm, centimetre
            mm, millimetre
            m² m2 sqm, square metre
            km² km2, square kilometre
            m³ m3, cubic metre
            ft, foot, feet
            kg, kilogram
            g, gram
            mg, milligram
            lb lbs, pound
            oz, ounce
            l L, litre
            ml mL, millilitre
            °C ℃, degree Celsius, degrees Celsius
            °F ℉, degree Fahrenheit, degrees Fahrenheit
            °, degree
            h hr hrs, hour
            min mins, minute
            sec secs, second
            ms, millisecond
            KB kB, kilobyte
            MB, megabyte
            GB, gigabyte
            TB, terabyte
            Mbps Mbit/s, megabit per second, megabits per second
            Gbps Gbit/s, gigabit per second, gigabits per second
            W, watt
            kW, kilowatt
            kWh, kilowatt hour
            V, volt
            x ×, time
            %, percent, percent
            ¢, cent
        """.strip().splitlines()
    )
    for sign in signs.split()
}
_ADDRESS_SIGNS = {".": "dot", "@": "at", "-": "dash", "_": "underscore", "+": "plus", "/": "slash"}
_PARTS = {2: ("half", "halves"), 3: ("third", "thirds"), 4: ("quarter", "quarters")}
_SIGNS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "°": "degrees"}
_SIGNS |= {"×": "times", "÷": "divided by", "±": "plus or minus"}
_SIGNS |= {"€": "euros", "£": "pounds", "$": "dollars", "¥": "yen", "₹": "rupees", "¢": "cents"}


# --- one way of saying each -------------------------------------------------------------------


def _address(found: re.Match[str]) -> str:
    words = []
    for part in re.findall(r"\d+|[.@_+/-]|[^\d.@_+/-]+", found[0]):
        if part.isdecimal():
            words.append(_cardinal(part) if len(part) < 3 else _digits(part))
        else:
            words.append(_ADDRESS_SIGNS.get(part, part))
    return " ".join(words)


def _month_and_day(month: int, day: str, year: str | None) -> str:
    words = f"{_MONTHS[month - 1]} {_ordinal(day)}"
    return f"{words}, {_year(year)}" if year else words


def _iso_date(found: re.Match[str]) -> str | None:
    year, month, day, time = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return _month_and_day(int(month), day, year) + (" at" if time else "")


def _figures_date(found: re.Match[str]) -> str | None:
    first, sign, second, year = found.groups()
    if len(year) == 2 and sign != "/":
        return None
    a, b = int(first), int(second)
    if b <= 12 and (12 < a <= 31 or a == b > 0):
        return _month_and_day(b, first, year)
    if 1 <= a <= 12 < b <= 31:
        return _month_and_day(a, second, year)
    # The day or the month first: who wrote it knows. It is said in the order it is written.
    return f"{_cardinal(first)}, {_cardinal(second)}, {_year(year)}"


def _day_month(found: re.Match[str]) -> str | None:
    the, day, last, month, year = found.groups()
    if not 1 <= int(day) <= 31:
        return None
    words = f"{the or 'the '}{_ordinal(day)}"
    if last:
        words += f" to the {_ordinal(last)}"
    words += f" of {_MONTH_NAMES[month[:3]]}"
    return f"{words} {_year(year)}" if year else words


def _month_day(found: re.Match[str]) -> str | None:
    month, day, last, year = found.groups()
    if not 1 <= int(day) <= 31:
        return None
    words = f"{_MONTH_NAMES[month[:3]]} {_ordinal(day)}"
    if last:
        words += f" to {_ordinal(last)}"
    return f"{words}, {_year(year)}" if year else words


def _clock(found: re.Match[str]) -> str | None:
    hour, minute, second, half = found.groups()
    if int(hour) > 24 or int(minute) > 59 or int(second or 0) > 59:
        return None
    shown = int(hour) % 12 or 12
    words = _cardinal(str(shown))
    if int(minute):
        words += (" oh " if minute[0] == "0" else " ") + _cardinal(minute)
    if half:
        words += f" {half.lower()}.m."
    elif int(hour) == 0 or int(hour) == 24:
        words += " a.m."
    elif int(hour) > 12:
        words += " p.m."
    elif not int(minute):
        words += " o'clock"
    return f"{words} and {_cardinal(second)} seconds" if second else words


def _hour(found: re.Match[str]) -> str:
    return f"{_cardinal(found[1])} {found[2].lower()}.m."


def _money(amount: str, scale: str | None, unit: list[str], low: str | None) -> str:
    whole, _, part = amount.replace(",", "").partition(".")
    one, many, small, smalls = unit
    lowest = f"{_number(low)} to " if low else ""
    if scale:
        return f"{lowest}{_number(amount)} {_SCALES.get(scale.lower(), scale)} {many}"
    if len(part) > 2:
        return f"{lowest}{_number(amount)} {many}"
    hundredths = int(part.ljust(2, "0")) if part else 0
    parts = []
    if int(whole or 0) or not hundredths:
        parts.append(f"{_cardinal(whole or '0')} {one if whole == '1' and not low else many}")
    if hundredths:
        parts.append(f"{_cardinal(str(hundredths))} {small if hundredths == 1 else smalls}")
    return lowest + " and ".join(parts)


def _sign_money(found: re.Match[str]) -> str:
    minus, sign, low, amount, scale = found.groups()
    words = _money(amount, scale, _MONEY[sign], low)
    return f"minus {words}" if minus else words


def _code_money(found: re.Match[str]) -> str:
    return _money(found[1], found[2], _MONEY[found[3] or found[4]], None)


def _money_code(found: re.Match[str]) -> str:
    return _money(found[2], found[3], _MONEY[found[1]], None)


def _unit(found: re.Match[str]) -> str:
    one, many = _UNITS[found[2]]
    return f"{_number(found[1])} {one if _is_one(found[1]) else many}"


def _decade(found: re.Match[str]) -> str:
    words = _year(found[1]) if len(found[1]) == 4 else _cardinal(found[1])
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def _fraction(found: re.Match[str]) -> str:
    whole, above, below = found.groups()
    n, d = int(above), int(below)
    if d in _PARTS and 0 < n < d:
        one, many = _PARTS[d]
        words = f"{'a' if n == 1 and whole else _cardinal(above)} {one if n == 1 else many}"
    elif 0 < n < d and d in (5, 6, 8, 16):
        words = f"{_cardinal(above)} {_ordinal(below)}{'' if n == 1 else 's'}"
    elif n <= d and d in (10, 20, 100):
        words = f"{_cardinal(above)} out of {_cardinal(below)}"
    else:  # 24/7, 9/11
        words = f"{_cardinal(above)} {_cardinal(below)}"
    return f"{_cardinal(whole)} and {words}" if whole else words


def _two_groups(found: re.Match[str]) -> str | None:
    """555-0123 is a telephone number; 500-1000 is from one to the other."""
    first, second = found.groups()
    if second[0] != "0" and not int(first) % 10 and not int(second) % 10:
        return None
    return f"{_digits(first)}, {_digits(second)}"


def _telephone(found: re.Match[str]) -> str:
    groups = re.findall(r"\d+", found[0])
    words = [_digits(group) if len(group) < 6 else _grouped(group) for group in groups]
    return ("plus " if found[0].startswith("+") else "") + ", ".join(words)


def _named(found: re.Match[str]) -> str | None:
    name, number = found.groups()
    if not name.lower().startswith(("pin", "code")) and number.strip("0")[1:] == "":
        return None  # room 300, an order 500 times
    return f"{name} {', '.join(map(_grouped, number.split('-')))}"


def _version(found: re.Match[str]) -> str:
    return " dot ".join(
        _cardinal(part) if len(part) < 3 else _digits(part) for part in found[0].split(".")
    )


def _model(found: re.Match[str]) -> str:
    """GPT-4, A380: short ones are numbers, longer ones are names."""
    return " " + (_cardinal(found[1]) if len(found[1]) < 3 else _digits(found[1]))


def _bare(found: re.Match[str]) -> str:
    """A number that nothing around explains: how many digits it has says what it is."""
    text = found[0]
    if "," in text or "." in text:
        return _number(text)
    if len(text) > _COUNTABLE or (len(text) > 1 and int(text[0]) == 0):
        return _grouped(text)
    if len(text) == 4 and 1100 <= int(text) < 2100:
        return _year(text)
    if len(text) >= 5 and int(text) % 100:
        return _grouped(text)
    return _cardinal(text)


# --- the table --------------------------------------------------------------------------------

_Say = Callable[[re.Match[str]], str | None]

_N = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_NUM = rf"{_N}(?:\.\d+)?"
_ALONE = r"(?<![\w.,])"
_MON = (
    r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
)
_TH = r"(?:st|nd|rd|th)?"
_DAYS = rf"(\d{{1,2}}){_TH}(?:\s?[-–]\s?(\d{{1,2}}){_TH})?"
_OF_YEAR = r"(?:,? (\d{4})(?![\d:]))?"
_DAY_MONTH = rf"\b([Tt]he )?(?<![\d:.,$€£/-]){_DAYS}(?: of)? {_MON}{_OF_YEAR}"
_MONTH_DAY = rf"\b{_MON}\.? {_DAYS}(?![\d:%]|[.,]\d){_OF_YEAR}"
_HALF = r"\s?([apAP])\.?[mM]\b\.?"
_TOP = (
    r"(?:com|org|net|edu|gov|info|biz|io|ai|app|dev|eu|uk|de|fr|nl|ie|ca|au|nz|ch|es|example|test)"
)
_NAMES = (
    r"(?:order|reference|ref|booking|confirmation|ticket|tracking|account|customer|invoice|number"
    r"|code|PIN|pin|extension|room|flight|suite|flat|apartment|postcode|zip|call|dial|ring)"
)
_NUMBER_OF = r"(?: (?:number|code|no\.?|is|reference))*:?"
_NAMED = rf"\b((?i:{_NAMES}){_NUMBER_OF}) (\d{{3,}}(?:-\d{{2,}})*)(?![-,.]?\d)"
_MAIL = r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}\w{2,24}"
_SITE = rf"(?<![\w@.-])(?:[\w-]{{1,63}}\.){{1,8}}{_TOP}\b(?:/[\w./-]*\w)?(?!\.?\w)"
_SIGN = r"(?:US\$|[$€£¥₹])"
_CODE = "(" + "|".join(name for name in _MONEY if name.isalpha()) + ")"
_SCALE = r"(?:\s?(thousand|million|billion|trillion|bn|[kKmMB])\b)?"
_TIME = r"(?<![\d:.,])\d{1,2}(?:[:.]\d{2})?(?:(?<=:\d\d)|\s?[apAP]\.?[mM]\b\.?)"
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))


def _words(words: str) -> _Say:
    return lambda found: found.expand(words)


# fmt: off
_RULES: list[tuple[re.Pattern[str], _Say]] = [(re.compile(pattern), say) for pattern, say in (
    # Addresses, before their dots and digits mean something else
    (_MAIL, _address),
    (_SITE, _address),
    # Dates
    (r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?:(T)(?=\d\d:)|(?![\d-]))", _iso_date),
    (r"(?<![\d/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/-]|\.\d)", _figures_date),
    (_DAY_MONTH, _day_month),
    (_MONTH_DAY, _month_day),
    # Times of the day
    (rf"({_TIME}|{_ALONE}\d{{1,2}})\s?[-–—]\s?(?={_TIME})", lambda found: f"{found[1]} to "),
    (rf"(?<![\d:.])(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?(?![\d:])(?:{_HALF})?", _clock),
    (rf"(?<![\d:.])(\d{{1,2}})\.(\d{{2}})(){_HALF}", _clock),
    (rf"(?<![\d:.,])(\d{{1,2}}){_HALF}", _hour),
    # Telephone numbers, and what is named before it
    (r"(?<![\w+])\+\d(?:[ ().-]{0,2}\d){6,16}(?!\d)", _telephone),
    (r"(?<![\w-])(?:\d+(?:-\d+){2,}|\d{3,6}(?:[ -]\d{2,6}){2,})(?![\w-])", _telephone),
    (r"(?<![\w-])\(?0?\d{2,5}\)?[ .-]\d{3,4}[ .-]\d{3,4}(?![\w-]|\.\d)", _telephone),
    (r"(?<![\w-])\(?0\d{2,5}\)?(?:[ -]\d{3,8}){1,2}(?![\w-])", _telephone),
    (r"(?<![\w-])(\d{3})-(\d{4})(?![\w-])", _two_groups),
    (r"(?<![\w-])(\d{3}) (0\d{3})(?![\w-])", _two_groups),
    (r"\b[Ee]xt\.?(?= ?\d)", _words("extension")),
    (r"\b(?:N[or]\.|№) ?(?=\d)", _words("number ")),
    (r"#\s?(?=\d)", _words("number ")),
    (_NAMED, _named),
    # Money
    (rf"([-−])?({_SIGN})\s?(?:({_NUM})\s?[-–]\s?{_SIGN}?)?({_NUM}){_SCALE}", _sign_money),
    (rf"{_ALONE}({_NUM}){_SCALE}\s?(?:{_CODE}|([€£¥₹]))(?!\w)", _code_money),
    (rf"(?<!\w){_CODE}\s?({_NUM}){_SCALE}", _money_code),
    # From one to the other, and reckoning
    (r"(?:(?<=\d)|(?<=\d[%m])|(?<=\d(?:st|nd|rd|th)))\s?[-–—]\s?(?=\d)", _words(" to ")),
    (r"(?<=\d):(?=\d)", _words(" to ")),
    (r"(?<=\d)\s?[x×*]\s?(?=\d)", _words(" by ")),
    (r"(?<![\w)\]])[-−](?=\.?\d)", _words("minus ")),
    (r"~\s?(?=\d)", _words("about ")),
    # Numbers with something behind them
    (rf"{_ALONE}(\d{{2}}|\d{{4}})(?<=0)'?s\b", _decade),
    (rf"{_ALONE}({_N})(?:st|nd|rd|th)\b", lambda found: _ordinal(found[1])),
    (rf"{_ALONE}({_NUM})\s?({_UNIT})(?![\w²³])", _unit),
    (r"(?<![\w/.,])(?:(\d{1,3}) )?(\d{1,3})/(\d{1,3})(?![\w/]|\.\d)", _fraction),
    (r"\d+(?:\.\d+){2,}", _version),
    # Numbers and no more
    (r"(?<=[A-Z])-?(\d+)(?!\d|[,.]\d)", _model),
    (rf"{_ALONE}\d{{3,4}}(?=[A-Z]\b)", lambda found: _digits(found[0])),
    (r"(?<=\d)\s?/\s?(?=\d)", _words(" ")),
    (r"(?<!\w)\.\d+", lambda found: _number(found[0])),
    (_NUM, _bare),
    ("([½¼¾])", lambda found: {"½": "a half", "¼": "a quarter", "¾": "three quarters"}[found[1]]),
    # Signs between words
    (r"\band/or\b", _words("and or")),
    (r"(?<=[^\W\d_]),(?=[^\W\d_])", _words(", ")),
    (r"\s?([&+=@%°×÷±€£$¥₹¢])\s?", lambda found: f" {_SIGNS[found[1]]} "),
    (r"(?<=[^\W\d_]{2})\s?/\s?(?=(?:month|year|week|day|night|hour|minute|person|unit)\b)",
     _words(" per ")),
    (r"(?<=[^\W\d_]{2})\s?/\s?(?=[^\W\d_]{2})", _words(" or ")),
    # What has become an address only now
    (_MAIL, _address),
    (_SITE, _address),
)]
# fmt: on
