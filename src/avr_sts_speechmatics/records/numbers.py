"""Telephone numbers as they are searched: by the whole number or by its last digits.

Dialplans, trunks and people write one number in several ways (`+49 228 12345`, `0049228-12345`,
`"Ann" <sip:+4922812345@pbx>`). A database finds the end of a text fast only if the text is stored
backwards, so each call has both of its numbers in that form besides the numbers as they came.
"""

import re

_IN_BRACKETS = re.compile(r"<([^<>]*)>")

_SCHEMES = ("sip:", "sips:", "tel:")

_WITHOUT_ZEROS = 6
"""Fewest digits of a number whose leading zeros (`0`, `00`) are ignored: they depend on where the
number is dialled. Shorter numbers are extensions, where a zero counts."""


def backwards(number: str | None) -> str | None:
    """Return the letters and digits of a number in reverse order, in small letters.

    number: as the exchange or an operator writes it.

    Returns None if the number has neither letters nor digits.
    """
    if number is None:
        return None
    if (found := _IN_BRACKETS.search(number)) is not None:
        number = found[1]
    number = number.strip().lower()
    for scheme in _SCHEMES:
        number = number.removeprefix(scheme)
    bare = [c for c in number.split("@")[0].split(";")[0] if c.isascii() and c.isalnum()]
    return "".join(reversed(bare)) or None


def significant(number: str) -> str:
    """Return a wanted number in reverse order, without the zeros that are dialled before it.

    number: as an operator writes it. Empty if the number has neither letters nor digits.
    """
    wanted = backwards(number) or ""
    short = wanted.rstrip("0")
    return short if wanted.isdigit() and len(short) >= _WITHOUT_ZEROS else wanted


def is_same(kept: str, wanted: str) -> bool:
    """Return whether two numbers in reverse order differ at most by zeros dialled before them."""
    return kept.removeprefix(wanted).strip("0") == "" if kept.startswith(wanted) else False
