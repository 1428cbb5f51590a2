"""Telephone numbers and references aloud, digit by digit in groups that can be written down.

A reference is recognised by the words before the number ("order", "room", "the card ending in") or
by its form: letters and figures in turn.
"""

import re
from itertools import pairwise

from avr_sts_speechmatics.speech.number_words import digits, grouped
from avr_sts_speechmatics.speech.reading_rule import rules, saying

_NAMES = (
    r"order|reference|ref|booking|confirmation|ticket|tracking|account|customer|invoice|numbers?"
    r"|(?:pass)?code|pin|extension|room|rm\.?|ste\.?|hwy\.?|p\.?o\.? box|flight"
    r"|suite|flat|apartment|apt|unit|post(?:al )?code|zip"
    r"|call|dial|ring|text|card|case|claim|policy|member(?:ship)?|serial|licen[cs]e|registration"
    r"|reservation|gate|route|highway|locker|id|iban"
)
_DIGITS = (
    r"digits(?: (?:of|on|from|for)(?: [a-z]+){1,4}?)?(?: (?:is|are|were|being))?"
    r"|last (?:four|4|three|3)(?: (?:of|on)(?: [a-z]+){1,3}?)?(?: (?:is|are|were))?"
    r"|(?:card|account|number|phone|visa|mastercard)s? (?:that )?end(?:ing|s)"
    r"|end(?:ing|s|ed)? (?:in|with|on)(?: the)?(?: digits| numbers?)?"
    r"|(?:begin|start)(?:ning|ing|s)? with"
)
_NUMBER_OF = r"(?: (?:numbers?|code|no\.?|is|are|reference|id))*:?"
_NAMED = rf"\b((?i:(?:{_NAMES}){_NUMBER_OF}|(?:{_DIGITS}):?)) (\d{{2,}}(?:-\d{{2,}})*)(?![-,.]?\d)"
_SAYS_DIGITS = re.compile(rf"(?i)\b(?:{_DIGITS}):?$")
_ALWAYS_DIGITS = ("pin", "code", "passcode", "zip", "post")

LEADS_TO_NUMBER = re.compile(
    rf"\b(?:{_NAMES}|digits|ending|ends|press|enter|last (?:four|4|three|3))\b[^.,;!?]{{0,24}}$",
    re.IGNORECASE,
)
"""At the end of a text: what follows may be a number that is read with the text before it."""

NUMBER_LINKS = frozenset(
    "is are were being of on from for in with the your my number numbers code no reference id "
    "that ending ends digits".split()
)
"""Words that may stand between the name of a number and the number."""

_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DC|DE|FL|GA|HI|IA|ID|IL|IN|KS|KY|LA|MA|MD|ME|MI|MN|MO|MS|MT|NC|ND|NE|NH"
    "|NJ|NM|NV|NY|OH|OK|OR|PA|PR|RI|SC|SD|TN|TX|UT|VA|VT|WA|WI|WV|WY|D\\.C\\.|Alabama|Alaska"
    "|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho"
    "|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan"
    "|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|Hampshire|Jersey|Mexico|York"
    "|Carolina|Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Tennessee|Texas|Utah|Vermont|Virginia"
    "|Washington|Wisconsin|Wyoming"
)
_ZIP = rf"\b((?:{_STATES}),?) (\d{{5}})(?:-(\d{{4}}))?(?![\w-]|[.,]\d)"
_IBAN = r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w])"
_CODE = r"(?<![\w.-])[A-Z0-9]+(?:-[A-Z0-9]+)*(?![\w-])"
_VANITY = r"(?<![\w-])((?:\+?1-)?\d{3})-([A-Z0-9]*[A-Z]{2}[A-Z0-9]*(?:-[A-Z0-9]+)*)(?![\w-])"
_HIDDEN = r"(?:[*•·xX]{2,}[ -]?)+(?=\d{2,4}(?!\d))"
_COUNTED = re.compile(r" (?:people|men|women|children|(?!was|is|has|this|as)[a-z]+s)\b")


def _two_groups(found: re.Match[str]) -> str | None:
    """555-0123 is a telephone number; 500-1000 is a range."""
    first, second = found.groups()
    if second[0] != "0" and not int(first) % 10 and not int(second) % 10:
        return None
    return f"{digits(first)}, {digits(second)}"


def _telephone(found: re.Match[str]) -> str:
    groups = re.findall(r"\d+", found[0])
    words = [digits(group) if len(group) < 6 else grouped(group) for group in groups]
    return ("plus " if found[0].startswith("+") else "") + ", ".join(words)


def _named(found: re.Match[str]) -> str | None:
    name, number = found.groups()
    says_digits = _SAYS_DIGITS.search(name)
    if len(number) < 3 and not says_digits:
        return None  # room 12
    always = says_digits or name.lower().startswith(_ALWAYS_DIGITS)
    if not always and number.strip("0")[1:] == "":
        return None  # room 300, an order 500 times
    may_count = name.lower() in ("call", "ring", "text", "order")
    if may_count and _COUNTED.match(found.string, found.end()):
        return None  # call 250 people, order 125 chairs
    return f"{name} {', '.join(map(grouped, number.split('-')))}"


def _zip(found: re.Match[str]) -> str:
    state, code, more = found.groups()
    return f"{state} {digits(code)}" + (f", {digits(more)}" if more else "")


def _vanity(found: re.Match[str]) -> str:
    groups = [digits(group) for group in re.findall(r"\d+", found[1])]
    return ", ".join(groups) + f", {found[2].replace('-', ' ')}"


def _spelt(text: str) -> str:
    """The letters and figures of a code one by one, in groups of at most four."""
    cuts = [text[at : at + 4] for at in range(0, len(text), 4)] if len(text) > 6 else [text]
    return ", ".join(" ".join(digits(c) if c.isdecimal() else c for c in cut) for cut in cuts)


def _iban(found: re.Match[str]) -> str | None:
    text = found[0].replace(" ", "")
    return _spelt(text) if sum(c.isdecimal() for c in text) > 6 else None


def _code(found: re.Match[str]) -> str | None:
    """A7K9P2, AB12-CD34: letters and figures in turn are read one by one."""
    text = found[0].replace("-", "")
    turns = sum(a.isalpha() != b.isalpha() for a, b in pairwise(text))
    if len(text) < 5 or turns < 2:
        return None
    return ", ".join(_spelt(part) for part in found[0].split("-"))


def _flight(found: re.Match[str]) -> str:
    return f"{found[1]} {digits(found[2])}"


CODES = rules(
    (_IBAN, _iban),
    (_HIDDEN, saying("ending in ")),
    (_VANITY, _vanity),
    (_ZIP, _zip),
    (_CODE, _code),
)

TELEPHONE_NUMBERS = rules(
    (r"(?<![\w+])\+\d(?:[ ().-]{0,2}\d){6,16}(?!\d)", _telephone),
    (r"(?<![\w-])(?:\d+(?:-\d+){2,}|\d{3,6}(?:[ -]\d{2,6}){2,})(?![\w-])", _telephone),
    (r"(?<![\w-])\(?0?\d{2,5}\)?[ .-]\d{3,4}[ .-]\d{3,4}(?![\w-]|\.\d)", _telephone),
    (r"(?<![\w-])\(?0\d{2,5}\)?(?:[ -]\d{3,8}){1,2}(?![\w-])", _telephone),
    (r"(?<![\w-])(\d{3})-(\d{4})(?![\w-])", _two_groups),
    (r"(?<![\w-])(\d{3}) (0\d{3})(?![\w-])", _two_groups),
    (r"\b[Ee]xt\.?(?= ?\d)", saying("extension")),
    (r"\b(?:N[or]\.|№) ?(?=\d)", saying("number ")),
    (r"\bNos\. ?(?=\d)", saying("numbers ")),
    (r"#\s?(?=[A-Z]{0,4}-?\d)", saying("number ")),
    (r"\b((?i:flight)s?(?: no\.?| number)? [A-Z][A-Z0-9]) (\d{2,4})(?!\d)", _flight),
    (_NAMED, _named),
    (
        r"(?<![\w.,$€£/:-])(?:911(?![\w,.:/-]*\d| [a-z]+s\b)|(?:999|112)(?= (?:emergency|call)))",
        lambda found: digits(found[0]),
    ),
)
