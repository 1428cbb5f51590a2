"""Figures in other languages than English: converts them to words of the language.

The number words come from Unicode's rules (unicode-rbnf); the words around them, such as currencies
and "Uhr", come from the language pack. The rules are applied in the order of `_rules`, so that a
date is found before the numbers in it:

    account numbers, dates, telephone numbers, ranges, times, amounts of money, percentages, ordinal
    numbers, numbers

Telephone numbers and long numbers are said digit by digit in groups. A number whose form depends on
the gender of a noun behind it ("1 Tisch", "doscientas noches") stays a figure: the voice knows the
noun. A language without a pack is not converted.
"""

import re
from collections.abc import Iterable
from functools import lru_cache, partial

from unicode_rbnf import RbnfEngine

from avr_sts_speechmatics.language_packs import Figures, base_language, pack_for
from avr_sts_speechmatics.speech.reading_rule import Rule, Say, rules

LONGEST = 9
"""Most digits of a number with thousands that is said as a number."""

_MONTHS = 12
_DAYS = 31
_ANY_DIGIT = re.compile(r"\d")
_THOUSANDS = r"\d{1,3}(?:[.'’\u00a0\u202f ]\d{3})+"
_WHOLE = rf"(?:{_THOUSANDS}|\d+)"
_NUMBER = rf"(?<![\w.,/]){_WHOLE}(?:,\d+)?(?![\d]|[.,/]\d)"
_IBAN = r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"
_AMOUNT = rf"(?<![\w.,])(?:{_THOUSANDS}|\d+)(?:[.,]\d{{1,2}})?(?![\d]|[.,]\d)"


class FiguresByLanguage:
    """Converts the figures of one language.

    code: of the language, such as "de".
    figures: the words of the language pack.
    months: names of the months.
    """

    def __init__(self, code: str, figures: Figures, months: tuple[str, ...]) -> None:
        self._code = code
        self._has_genders = "spellout-cardinal-masculine" in _engine(code).rulesets
        self._figures = figures
        self._months = months
        self._agreeing = re.compile(figures.agreeing) if figures.agreeing else None
        self._currencies = {
            sign: one for one in figures.currencies for sign in one.signs.split(" ")
        }
        self._rules = self._made_rules()

    def spoken(self, text: str) -> str:
        """Return a text with its figures in words. A text without figures is not changed."""
        if not _ANY_DIGIT.search(text):
            return text
        for pattern, say in self._rules:
            text = pattern.sub(partial(_spaced, say), text)
        return text

    # --- numbers -------------------------------------------------------------------------------

    def cardinal(self, number: int, gender: str = "") -> str:
        """A cardinal number in words.

        gender: "masculine" or "feminine" before a noun; empty for a number that stands alone.
        """
        if not gender:
            return self._by("spellout-numbering", number)
        ruleset = f"spellout-cardinal-{gender}"
        return self._by(ruleset if self._has_genders else "spellout-cardinal", number)

    def digits(self, text: str) -> str:
        """The digits one by one, in groups of three or four that a caller can write down."""
        text = "".join(c for c in text if c.isdecimal())
        size = 4 if len(text) % 4 == 0 else 3
        cuts = [text[at : at + size] for at in range(0, len(text), size)]
        if len(cuts) > 1 and len(cuts[-1]) == 1:  # no last digit alone
            cuts[-2:] = [cuts[-2] + cuts[-1]]
        return ", ".join(" ".join(self.cardinal(int(c)) for c in cut) for cut in cuts)

    def number(self, text: str, gender: str = "") -> str:
        """A number as it is written, such as "1.234,5"."""
        whole, comma, decimals = text.partition(",")
        whole = re.sub(r"\D", "", whole)
        words = self.cardinal(int(whole or 0), "" if comma else gender)
        if not comma:
            return words
        said = " ".join(self.cardinal(int(c)) for c in decimals)
        return f"{words} {self._figures.decimal} {said}"

    def _by(self, ruleset: str, number: int) -> str:
        return _in_words(self._code, ruleset, number)

    # --- rules ---------------------------------------------------------------------------------

    def _made_rules(self) -> tuple[Rule, ...]:
        figures = self._figures
        months, hours = "|".join(self._months), _any(figures.hour_words)
        # The name of a currency stands behind its amount: "80 euros 71".
        before = _any(_sign(sign) for sign in self._currencies if sign.upper() == sign)
        signs = _any(map(_sign, self._currencies))
        year = rf"(?:(?:{_between(figures.year)}|,? )(\d{{4}})(?!\d))?"
        before_years = "|".join((*self._months, *figures.before_years))
        low, high = r"(?<!\d)\d{1,4}(?:[:.]\d{2})?", r"\d{1,4}(?:[:.,]\d{2})?"
        day = r"(?<![\d.,:/-])(\d{1,2})(?:\.|º|er|e)?"
        return rules(
            (r"(?<=\d),[-–—]{1,2}(?=\s|$)", lambda found: ""),  # 5,- Euro
            (_IBAN, self._iban),
            (r"(?<=[*#])\d+", lambda found: self.digits(found[0])),
            (r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?![\d-])", self._iso_date),
            (r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?![\d/-])", self._figures_date),
            *self._short_dates(),
            (
                rf"\b((?i:der|die|das) )?{day}{_between(figures.day)}(?i:({months}))\b{year}",
                self._month_date,
            ),
            (
                rf"\b((?i:{before_years})(?:{_between(figures.year)}| ))(\d{{4}})(?!\d|[.,]\d)",
                lambda found: found[1] + self._year(int(found[2])),
            ),
            (r"(?<![\w+.,])\+\d(?:[ ()./-]{0,2}\d){5,16}(?!\d)", self._telephone),
            (r"(?<![\w.,])\(?0\d{1,5}\)?(?:[ ./-]{1,2}\d{2,8})+(?![\d-])", self._national),
            (r"(?<![\w.,])\d{2,5}(?:[ -]\d{2,4}){2,}(?![\w-]|[.,]\d)", self._spaced_number),
            (
                rf"({low}(?:\s?(?:{hours}|[%€]))?)\s?[-–—]\s?({high})(?![\d-])",
                self._range,
            ),
            (
                rf"(?<![\d:.,])(\d{{1,2}})(?::| ?[hH] ?)(\d{{2}})(?![\d:])(?:\s?(?:{hours})\b)?",
                self._time,
            ),
            (rf"(?<![\d:.,])(\d{{1,2}})\.(\d{{2}})\s?(?:{hours})\b", self._time),
            (rf"(?<![\d:.,])(\d{{1,2}})()\s?(?:{hours})\b", self._time),
            (rf"(?<![^\s(-])(-|−)?({before})\s?({_AMOUNT})", self._sign_first),
            (rf"(-|−)?({_AMOUNT})\s?({signs})(?!\w)", self._sign_last),
            (rf"({_NUMBER})\s?%", self._percent),
            *self._ordinal_rules(),
            (r"(?<![\w)])[-−](?=\d)", lambda found: f"{figures.minus} "),
            (rf"{_NUMBER}(?=(?P<noun> [^\W\d_])?)", self._plain),
            (r"(?<=[^\W\d_])-?(\d+)(?!\d|[.,]\d)", lambda found: f" {self._short(found[1])}"),
        )

    def _short_dates(self) -> tuple[tuple[str, Say], ...]:
        """3.5. is a date where ordinal numbers have a full stop."""
        if self._figures.day_is != "ordinal":
            return ()
        pattern = r"\b((?i:der|die|das) )?(?<![\w.,])(\d{1,2})\.(\d{1,2})\.(?!\d)"
        return ((pattern, lambda f: self._date(int(f[2]), int(f[3]), None, f[1] or "")),)

    def _ordinal_rules(self) -> tuple[tuple[str, Say], ...]:
        """Ordinal numbers as each language writes them: 3. Stock, 2e étage, 1.º piso, 3ª porta."""
        if self._figures.day_is == "ordinal":
            # A number at the beginning of a text counts: "1. Ihr Name".
            return ((r"\b((?i:der|die|das) )?(?<=\s)(\d{1,2})\.(?= [^\W\d_])", self._dotted),)
        if self._code == "nl":
            return ((r"(?<![\w.,])(\d{1,3})(?:ste|de|e)\b", self._ordinal("spellout-ordinal")),)
        feminine = r"(?<![\w.,])(\d{1,3})\.?(?:ª|re\b|ère\b)"
        masculine = r"(?<![\w.,])(\d{1,3})\.?(?:º|°(?! ?C)|er\b|e\b|ème\b)"
        return (
            (feminine, self._ordinal("spellout-ordinal-feminine")),
            (masculine, self._ordinal("spellout-ordinal-masculine")),
        )

    def _ordinal(self, ruleset: str) -> Say:
        return lambda found: self._by(ruleset, int(found[1]))

    def _dotted(self, found: re.Match[str]) -> str:
        article, number = found.groups()
        return (article or "") + self._german_ordinal(int(number), article)

    def _german_ordinal(self, number: int, article: str | None) -> str:
        """ "der dritte Mai", but "am dritten Mai" and "den dritten Mai"."""
        return self._by("spellout-ordinal" if article else "spellout-ordinal-n", number)

    def _date(self, day: int, month: int, year: str | None, article: str = "") -> str | None:
        if not (1 <= month <= _MONTHS and 1 <= day <= _DAYS):
            return None
        if self._figures.day_is == "ordinal":
            said = self._german_ordinal(day, article)
        elif self._figures.day_is == "first" and day == 1:
            said = self._by("spellout-ordinal-masculine", day)
        else:
            said = self.cardinal(day)
        date = self._figures.day.format(day=said, month=self._months[month - 1])
        if year is None:
            return article + date
        return article + self._figures.year.format(date=date, year=self._year(int(year)))

    def _year(self, year: int) -> str:
        return self._by("spellout-numbering-year", year)

    def _iso_date(self, found: re.Match[str]) -> str | None:
        return self._date(int(found[3]), int(found[2]), found[1])

    def _figures_date(self, found: re.Match[str]) -> str | None:
        return self._date(int(found[1]), int(found[3]), found[4])

    def _month_date(self, found: re.Match[str]) -> str | None:
        article, day, month, year = found.groups()
        number = [name.lower() for name in self._months].index(month.lower()) + 1
        return self._date(int(day), number, year, article or "")

    def _time(self, found: re.Match[str]) -> str | None:
        hour, minute = int(found[1]), int(found[2] or 0)
        if hour > 24 or minute > 59:
            return None
        figures = self._figures
        if minute:
            form = figures.one_hour_minutes if hour == 1 else figures.minutes
        else:
            form = figures.one_hour if hour == 1 else figures.hours
        return form.format(
            hours=self.cardinal(hour, figures.hour_is), minutes=self.cardinal(minute)
        )

    def _telephone(self, found: re.Match[str]) -> str:
        groups = re.findall(r"\d+", found[0])
        plus = f"{self._figures.plus} " if found[0].startswith("+") else ""
        return plus + ", ".join(
            " ".join(self.cardinal(int(c)) for c in group) if len(group) < 5 else self.digits(group)
            for group in groups
        )

    def _national(self, found: re.Match[str]) -> str | None:
        """030 123456, but not the time 08.15."""
        return self._telephone(found) if len(re.sub(r"\D", "", found[0])) > 5 else None

    def _iban(self, found: re.Match[str]) -> str:
        text = found[0].replace(" ", "")
        groups = (text[at : at + 4] for at in range(0, len(text), 4))
        return ", ".join(
            " ".join(self.cardinal(int(c)) if c.isdecimal() else c for c in group)
            for group in groups
        )

    def _range(self, found: re.Match[str]) -> str:
        """9-17 is a range; 2026-114 and 1000-001 are numbers of something, said digit by digit."""
        low, high = found[1], found[2]
        is_plain = low.isdecimal() and high.isdecimal() and len(high) > 2
        if is_plain and (high[0] == "0" or int(high) <= int(low)):
            return f"{self.digits(low)}, {self.digits(high)}"
        return f"{low} {self._figures.to} {high}"

    def _spaced_number(self, found: re.Match[str]) -> str | None:
        """612 345 678 is a telephone number; 12 500 is a number and 1 234 567 is too long."""
        if len(re.sub(r"\D", "", found[0])) < 7:
            return None
        return self._telephone(found)

    def _money(self, minus: str | None, amount: str, sign: str) -> str | None:
        currency = self._currencies[sign]
        whole, part = _parts(amount)
        if len(whole) > LONGEST:
            return None
        said = []
        if int(whole) or not part:
            number, one = int(whole), int(whole) == 1
            unit = currency.one if one else currency.many
            said.append(f"{self.cardinal(number, currency.gender)} {unit}")
        if part:
            unit = currency.cent if part == 1 else currency.cents
            said.append(f"{self.cardinal(part, 'masculine')} {unit}")
        words = said[0]
        if len(said) == 2:
            words = self._figures.cents.format(whole=said[0], part=said[1])
        return f"{self._figures.minus} {words}" if minus else words

    def _sign_first(self, found: re.Match[str]) -> str | None:
        return self._money(found[1], found[3], found[2])

    def _sign_last(self, found: re.Match[str]) -> str | None:
        return self._money(found[1], found[2], found[3])

    def _percent(self, found: re.Match[str]) -> str:
        return f"{self.number(found[1], 'masculine')} {self._figures.percent}"

    def _plain(self, found: re.Match[str]) -> str | None:
        text = found[0]
        if found["noun"] and self._agreeing and self._agreeing.fullmatch(re.sub(r"\D", "", text)):
            return self.number(text) if "," in text else None
        return self._short(text) if text.isdecimal() else self.number(text)

    def _short(self, text: str) -> str:
        """A number without signs: read by its number of digits."""
        if len(text) > LONGEST or (len(text) > 1 and text[0] == "0"):
            return self.digits(text)
        if len(text) > 4 and int(text) % 100:
            return self.digits(text)
        return self.cardinal(int(text))


@lru_cache(maxsize=32)
def _engine(code: str) -> RbnfEngine:
    return RbnfEngine.for_language(code)


@lru_cache(maxsize=4096)
def _in_words(code: str, ruleset: str, number: int) -> str:
    return _engine(code).format_number(number, ruleset_names=[ruleset]).text


@lru_cache(maxsize=32)
def figures_of(language: str) -> FiguresByLanguage | None:
    """Return the converter of a language; None for English and for a language without a pack.

    language: a code such as "de" or "de-AT".
    """
    pack = pack_for(language)
    if pack is None or pack.figures is None:
        return None
    return FiguresByLanguage(base_language(language), pack.figures, pack.months)


def _parts(amount: str) -> tuple[str, int]:
    """The whole units and the hundredths of an amount: 1.234,50 and 12.50 and 1 234."""
    found = re.fullmatch(r"(.*?)[.,](\d{1,2})", amount)
    whole, part = (found[1], found[2]) if found else (amount, "")
    return re.sub(r"\D", "", whole), int(part.ljust(2, "0") or 0)


def _between(form: str) -> str:
    """The pattern of what stands between the parts of a date: " " or " de "."""
    found = re.search(r"\}(.*?)\{", form)
    return rf"(?:{re.escape(found[1])})" if found else " "


def _sign(sign: str) -> str:
    first, last = (r"\b" if c.isalpha() else "" for c in (sign[0], sign[-1]))
    return f"{first}{re.escape(sign)}{last}"


def _any(patterns: Iterable[str]) -> str:
    """The pattern of one of several; a longer one wins."""
    return "|".join(sorted(patterns, key=len, reverse=True))


def _spaced(say: Say, found: re.Match[str]) -> str:
    """Return the words for a match, separated from adjacent letters; the match itself if `say`
    returns None."""
    words = say(found)
    if words is None:
        return found[0]
    before = found.string[found.start() - 1 : found.start()]
    after = found.string[found.end() : found.end() + 1]
    first = " " if before.isalnum() and words[:1].isalnum() else ""
    last = " " if after.isalnum() and words[-1:].isalnum() else ""
    return f"{first}{words}{last}"
