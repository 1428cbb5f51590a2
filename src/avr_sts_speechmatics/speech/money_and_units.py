"""Amounts aloud: prices, and numbers with a unit, such as "three pounds and fifty pence"."""

import re

from avr_sts_speechmatics.speech.number_words import cardinal, number
from avr_sts_speechmatics.speech.reading_rule import ALONE, NUM, rules

# Sign or code: name of the unit, plural, name of the hundredth, plural.
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
            A$: Australian dollar, Australian dollars, cent, cents
            AU$: Australian dollar, Australian dollars, cent, cents
            C$: Canadian dollar, Canadian dollars, cent, cents
            CA$: Canadian dollar, Canadian dollars, cent, cents
            NZ$: New Zealand dollar, New Zealand dollars, cent, cents
            NZD: New Zealand dollar, New Zealand dollars, cent, cents
            HK$: Hong Kong dollar, Hong Kong dollars, cent, cents
            HKD: Hong Kong dollar, Hong Kong dollars, cent, cents
            S$: Singapore dollar, Singapore dollars, cent, cents
            SGD: Singapore dollar, Singapore dollars, cent, cents
            R$: Brazilian real, Brazilian reais, centavo, centavos
            BRL: Brazilian real, Brazilian reais, centavo, centavos
            MXN: Mexican peso, Mexican pesos, centavo, centavos
            SEK: Swedish krona, Swedish kronor, öre, öre
            NOK: Norwegian krone, Norwegian kroner, øre, øre
            DKK: Danish krone, Danish kroner, øre, øre
            PLN: Polish zloty, Polish zlotys, grosz, groszy
            CZK: Czech koruna, Czech korunas, haler, halers
            ZAR: rand, rand, cent, cents
            CNY: yuan, yuan, fen, fen
            AED: dirham, dirhams, fils, fils
            ₩: won, won, jeon, jeon
            ₺: Turkish lira, Turkish lira, kurush, kurush
            TRY: Turkish lira, Turkish lira, kurush, kurush
        """.strip().splitlines()
    )
}
_SCALES = {"k": "thousand", "m": "million", "bn": "billion", "b": "billion"}
# Written forms, singular, and the plural if it is not the singular with an "s".
_UNITS: dict[str, tuple[str, str]] = {
    sign: (one, many or f"{one}s")
    for signs, one, many in (
        (line.strip() + ", ").split(", ")[:3]
        for line in """
            km/h kph kmh, kilometre per hour, kilometres per hour
            mph, mile per hour, miles per hour
            mpg, mile per gallon, miles per gallon
            rpm, revolution per minute, revolutions per minute
            m/s, metre per second, metres per second
            km, kilometre
            m, metre
            cm, centimetre
            mm, millimetre
            m² m2 sqm, square metre
            km² km2, square kilometre
            m³ m3, cubic metre
            ft, foot, feet
            sqft, square foot, square feet
            yd yds, yard
            mi, mile
            ha, hectare
            kg, kilogram
            g, gram
            mg, milligram
            lb lbs, pound
            oz, ounce
            l L, litre
            ml mL, millilitre
            cl, centilitre
            gal, gallon
            qt, quart
            tsp, teaspoon
            tbsp, tablespoon
            kcal, kilocalorie
            °C ℃, degree Celsius, degrees Celsius
            °F ℉, degree Fahrenheit, degrees Fahrenheit
            °, degree
            h hr hrs, hour
            min mins, minute
            sec secs s, second
            yr yrs, year
            mo mos, month
            wk wks, week
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
            mAh, milliamp hour
            Hz, hertz, hertz
            kHz, kilohertz, kilohertz
            MHz, megahertz, megahertz
            GHz, gigahertz, gigahertz
            dB, decibel
            psi, pound per square inch, pounds per square inch
            px, pixel
            x ×, time
            %, percent, percent
            ¢, cent
        """.strip().splitlines()
    )
    for sign in signs.split()
}
_SIGN = r"(?:(?<![A-Z])(?:US|AU?|CA?|NZ|HK|S|R)\$|[$€£¥₹₩₺])"
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


def _english_figures(text: str) -> str:
    """1.234,56 and 1'234.56 as 1,234.56 is written in English."""
    whole, comma, part = text.rpartition(",")
    if not comma or len(part) == 3:
        whole, part = text, ""
    if not part and re.search(r"['’]\d{3}\.\d", whole):
        whole, _, part = whole.rpartition(".")
    whole = re.sub(r"\D", "", whole)
    return f"{int(whole):,}" + (f".{part}" if part else "")


def _figures_after(found: re.Match[str]) -> str:
    return found[1] + _english_figures(found[2])


def _figures_before(found: re.Match[str]) -> str:
    return _english_figures(found[1])


def _feet(found: re.Match[str]) -> str:
    inches = f" {cardinal(found[2])}" if found[2] else ""
    return f"{cardinal(found[1])} foot{inches}"


_SHORT_SCALE = {"k": "thousand", "m": "million", "bn": "billion"}


def _scaled(found: re.Match[str]) -> str:
    """250K people; but a 4K screen and a 10K run."""
    if found[3]:
        return f"{number(found[1])} K{found[3]}"
    return f"{number(found[1])} {_SHORT_SCALE[found[2].lower()]}"


def _part_of_unit(found: re.Match[str]) -> str:
    """3/4 lb, 1 1/2 tsp: the fraction itself is said by a later rule."""
    one, many = _UNITS[found[2]]
    if " " in found[1]:
        return f"{found[1]} {many}"
    return f"{found[1]} of {'an' if one[0] in 'aeiou' else 'a'} {one}"


def _is_one(text: str) -> bool:
    return text in ("1", "1.0", "1.00")


_THOUSANDS = r"\d{1,3}(?:[.'’\u00a0\u202f ]\d{3})+"
_FOREIGN = rf"(?:{_THOUSANDS}(?:,\d{{1,2}}|(?<=['’]\d{{3}})\.\d{{2}})|\d+,\d{{1,2}})(?![\d]|,\d)"
_FOREIGN_EURO = rf"(?:{_FOREIGN}|\d{{1,3}}(?:[.'’]\d{{3}})+(?!\d|,\d))"
_EURO = r"(?:€|(?:EUR|CHF|SEK|NOK|DKK|PLN|CZK|BRL)\b)"
_NAMED_MONEY = r"(?:euros?|francs?|kron[aeo]r?|zloty)\b"
_K = r"(?: (?:run|race|walk|video|display|monitor|TV|screen|camera|resolution|UHD)s?\b)"

MONEY = rules(
    (rf"({_EURO}\s?)({_FOREIGN_EURO})", _figures_after),
    (rf"((?:{_SIGN}|\b(?:{_CODE[1:-1]}))\s?)({_FOREIGN})", _figures_after),
    (rf"(?<![\w.,])({_FOREIGN_EURO})(?=\s?(?:{_EURO}|{_NAMED_MONEY}))", _figures_before),
    (rf"(?<![\w.,])({_FOREIGN})(?=\s?(?:[$£¥]|(?:{_CODE[1:-1]})\b))", _figures_before),
    (rf"([-−])?({_SIGN})\s?(?:({NUM})\s?[-–]\s?{_SIGN}?)?({NUM}){_SCALE}", _sign_money),
    (rf"{ALONE}({NUM}){_SCALE}\s?(?:{_CODE}|([€£¥₹]))(?!\w)", _code_money),
    (rf"(?<!\w){_CODE}\s?({NUM}){_SCALE}", _money_code),
)

UNITS = rules(
    (rf"(?<![\w/.,])((?:\d{{1,3}} )?\d{{1,3}}/\d{{1,3}})\s?({_UNIT})(?![\w²³])", _part_of_unit),
    (r"(?<=[a-z]) x (?=\d)", lambda _: " times "),
    (r"(?<![\w.,])(\d)\s?['’′]\s?(?:(\d{1,2})\s?[\"”″])", _feet),
    (rf"(?<=\ba )({NUM})(K)()(?!\w)", lambda found: f"{number(found[1])} K"),  # a 10K
    (rf"{ALONE}({NUM})([kKM]|bn)\b({_K})?(?![\w²³])", _scaled),
    (rf"(?<![\w.,])(\d+,\d{{1,2}})(?=\s?(?:{_UNIT})(?![\w²³]))", _figures_before),
    (rf"{ALONE}({NUM})\s?({_UNIT})(?![\w²³])(?:\.(?=\s[a-z\d]))?", _unit),
)
