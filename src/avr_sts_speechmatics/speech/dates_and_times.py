"""Dates and times of the day aloud: "November twenty-third", "two thirty p.m."."""

import re

from avr_sts_speechmatics.speech.number_words import cardinal, ordinal, year_words
from avr_sts_speechmatics.speech.reading_rule import ALONE, rules

_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_MONTH_NAMES = {name[:3]: name for name in _MONTHS}
_MON = (
    r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
)
_WEEKDAYS = {
    name[:3]: name for name in "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
}
_DAY = r"(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
_TH = r"(?:st|nd|rd|th)?"
_DAYS = rf"(\d{{1,2}}){_TH}(?:\s?[-–]\s?(\d{{1,2}}){_TH})?"
_OF_YEAR = r"(?:,? (\d{4})(?![\d:]))?"
_DAY_MONTH = rf"\b([Tt]he )?(?<![\d:.,$€£/-]){_DAYS}(?: of)? {_MON}{_OF_YEAR}"
_MONTH_DAY = rf"\b{_MON}\.? {_DAYS}(?![\d:%]|[.,]\d){_OF_YEAR}"
_HALF = r"\s?([apAP])\.?[mM]\b\.?"
_TIME = r"(?<![\d:.,])\d{1,2}(?:[:.]\d{2})?(?:(?<=:\d\d)|\s?[apAP]\.?[mM]\b\.?)"


def _month_and_day(month: int, day: str, year: str | None) -> str:
    words = f"{_MONTHS[month - 1]} {ordinal(day)}"
    return f"{words}, {year_words(year)}" if year else words


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
    # Day first or month first cannot be known: the numbers are said in the written order.
    return f"{cardinal(first)}, {cardinal(second)}, {year_words(year)}"


def _day_month(found: re.Match[str]) -> str | None:
    the, day, last, month, year = found.groups()
    if not 1 <= int(day) <= 31:
        return None
    words = f"{the or 'the '}{ordinal(day)}"
    if last:
        words += f" to the {ordinal(last)}"
    words += f" of {_MONTH_NAMES[month[:3]]}"
    return f"{words} {year_words(year)}" if year else words


def _month_day(found: re.Match[str]) -> str | None:
    month, day, last, year = found.groups()
    if not 1 <= int(day) <= 31:
        return None
    words = f"{_MONTH_NAMES[month[:3]]} {ordinal(day)}"
    if last:
        words += f" to {ordinal(last)}"
    return f"{words}, {year_words(year)}" if year else words


def _weekday(found: re.Match[str]) -> str:
    return _WEEKDAYS[found[1][:3]]


def _weekdays(found: re.Match[str]) -> str:
    return f"{_WEEKDAYS[found[1][:3]]} to {_WEEKDAYS[found[2][:3]]}"


def _month(found: re.Match[str]) -> str:
    return _MONTH_NAMES[(found[1] or found[2])[:3]]


def _months(found: re.Match[str]) -> str:
    return f"{_MONTH_NAMES[found[1][:3]]} to {_MONTH_NAMES[found[2][:3]]}"


def _military(found: re.Match[str]) -> str:
    hour, minute = found.groups()
    first = f"zero {cardinal(hour)}" if hour[0] == "0" else cardinal(hour)
    return f"{first} {'hundred' if minute == '00' else cardinal(minute)} hours"


def _clock(found: re.Match[str]) -> str | None:
    hour, minute, second, half = found.groups()
    if int(hour) > 24 or int(minute) > 59 or int(second or 0) > 59:
        return None
    shown = int(hour) % 12 or 12
    words = cardinal(str(shown))
    if int(minute):
        words += (" oh " if minute[0] == "0" else " ") + cardinal(minute)
    if half:
        words += f" {half.lower()}.m."
    elif int(hour) == 0 or int(hour) == 24:
        words += " a.m."
    elif int(hour) > 12:
        words += " p.m."
    elif not int(minute):
        words += " o'clock"
    return f"{words} and {cardinal(second)} seconds" if second else words


def _hour(found: re.Match[str]) -> str:
    return f"{cardinal(found[1])} {found[2].lower()}.m."


DATES = rules(
    (r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?:(T)(?=\d\d:)|(?![\d-]))", _iso_date),
    (r"(?<![\d/])(\d{4})/(\d{2})/(\d{2})()(?![\d/])", _iso_date),
    (rf"\b{_DAY}\.?\s?[-–—]\s?{_DAY}\b\.?(?=[\s,;:)]|$)", _weekdays),
    (rf"\b{_DAY}\b(?:\.(?=,|\s)|(?=,? (?:{_MON}|\d)))", _weekday),
    (rf"\b{_MON}\.?\s?[-–—]\s?{_MON}\.?(?! ?\d{{1,2}}\b)(?=[\s,;:)]|$)", _months),
    (rf"\b{_MON}\.?(?= \d{{4}}\b)|\b{_MON}\.(?=,|\s\w)", _month),
    (r"(?<![\d/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/-]|\.\d)", _figures_date),
    (_DAY_MONTH, _day_month),
    (_MONTH_DAY, _month_day),
)

TIMES = rules(
    (r"(?<![\w.,:])([01]\d|2[0-3])([0-5]\d) (?:hours|hrs)\b", _military),
    (rf"({_TIME}|{ALONE}\d{{1,2}})\s?[-–—]\s?(?={_TIME})", lambda found: f"{found[1]} to "),
    (rf"(?<![\d:.])(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?(?![\d:])(?:{_HALF})?", _clock),
    (rf"(?<![\d:.])(\d{{1,2}})\.(\d{{2}})(){_HALF}", _clock),
    (rf"(?<![\d:.,])(\d{{1,2}}){_HALF}", _hour),
)
