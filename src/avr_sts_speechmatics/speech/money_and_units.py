"""Amounts aloud: prices, and numbers with a unit, such as "three pounds and fifty pence"."""

import re

from avr_sts_speechmatics.speech.number_words import cardinal, number
from avr_sts_speechmatics.speech.reading_rule import ALONE, NUM, rules

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
_SIGN = r"(?:US\$|[$€£¥₹])"
_CODE = "(" + "|".join(name for name in _MONEY if name.isalpha()) + ")"
_SCALE = r"(?:\s?(thousand|million|billion|trillion|bn|[kKmMB])\b)?"
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))


def _money(amount: str, scale: str | None, unit: list[str], low: str | None) -> str:
    whole, _, part = amount.replace(",", "").partition(".")
    one, many, small, smalls = unit
    lowest = f"{number(low)} to " if low else ""
    if scale:
        return f"{lowest}{number(amount)} {_SCALES.get(scale.lower(), scale)} {many}"
    if len(part) > 2:
        return f"{lowest}{number(amount)} {many}"
    hundredths = int(part.ljust(2, "0")) if part else 0
    parts = []
    if int(whole or 0) or not hundredths:
        parts.append(f"{cardinal(whole or '0')} {one if whole == '1' and not low else many}")
    if hundredths:
        parts.append(f"{cardinal(str(hundredths))} {small if hundredths == 1 else smalls}")
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
    return f"{number(found[1])} {one if _is_one(found[1]) else many}"


def _is_one(text: str) -> bool:
    return text in ("1", "1.0", "1.00")


MONEY = rules(
    (rf"([-−])?({_SIGN})\s?(?:({NUM})\s?[-–]\s?{_SIGN}?)?({NUM}){_SCALE}", _sign_money),
    (rf"{ALONE}({NUM}){_SCALE}\s?(?:{_CODE}|([€£¥₹]))(?!\w)", _code_money),
    (rf"(?<!\w){_CODE}\s?({NUM}){_SCALE}", _money_code),
)

UNITS = rules(
    (rf"{ALONE}({NUM})\s?({_UNIT})(?![\w²³])", _unit),
)
