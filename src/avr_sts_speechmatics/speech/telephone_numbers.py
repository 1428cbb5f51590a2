"""Telephone numbers and references aloud, digit by digit in groups that can be written down.

A reference is known by the word before it: an order, a room, a PIN.
"""

import re

from avr_sts_speechmatics.speech.number_words import digits, grouped
from avr_sts_speechmatics.speech.reading_rule import rules, saying

_NAMES = (
    r"(?:order|reference|ref|booking|confirmation|ticket|tracking|account|customer|invoice|number"
    r"|code|PIN|pin|extension|room|flight|suite|flat|apartment|postcode|zip|call|dial|ring)"
)
_NUMBER_OF = r"(?: (?:number|code|no\.?|is|reference))*:?"
_NAMED = rf"\b((?i:{_NAMES}){_NUMBER_OF}) (\d{{3,}}(?:-\d{{2,}})*)(?![-,.]?\d)"


def _two_groups(found: re.Match[str]) -> str | None:
    """555-0123 is a telephone number; 500-1000 is from one to the other."""
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
    if not name.lower().startswith(("pin", "code")) and number.strip("0")[1:] == "":
        return None  # room 300, an order 500 times
    return f"{name} {', '.join(map(grouped, number.split('-')))}"


TELEPHONE_NUMBERS = rules(
    (r"(?<![\w+])\+\d(?:[ ().-]{0,2}\d){6,16}(?!\d)", _telephone),
    (r"(?<![\w-])(?:\d+(?:-\d+){2,}|\d{3,6}(?:[ -]\d{2,6}){2,})(?![\w-])", _telephone),
    (r"(?<![\w-])\(?0?\d{2,5}\)?[ .-]\d{3,4}[ .-]\d{3,4}(?![\w-]|\.\d)", _telephone),
    (r"(?<![\w-])\(?0\d{2,5}\)?(?:[ -]\d{3,8}){1,2}(?![\w-])", _telephone),
    (r"(?<![\w-])(\d{3})-(\d{4})(?![\w-])", _two_groups),
    (r"(?<![\w-])(\d{3}) (0\d{3})(?![\w-])", _two_groups),
    (r"\b[Ee]xt\.?(?= ?\d)", saying("extension")),
    (r"\b(?:N[or]\.|№) ?(?=\d)", saying("number ")),
    (r"#\s?(?=\d)", saying("number ")),
    (_NAMED, _named),
)
