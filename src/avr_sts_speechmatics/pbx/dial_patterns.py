"""The extensions that calls may be transferred to, in the syntax of Asterisk's dialplan.

    700        that extension            _7XX       7 and two digits
    _[2-4]XXX  2, 3 or 4, three digits   _9011.     9011 and at least one character more

After `_`: X is 0-9, Z is 1-9, N is 2-9 (small letters mean the same); [...] is one of the
characters or ranges in the brackets; at the end `.` is one character or more and `!` any number of
characters; `-` is ignored and only makes the pattern readable. All other characters stand for
themselves. [Asterisk documentation, pattern matching]

An extension is proposed by a model. The extension is never parsed or corrected: the whole text, as
it would be dialled, has to match a pattern.
"""

import re
from dataclasses import dataclass

EXTENSION_MAX = 79
"""Longest name of an extension or a context in Asterisk (characters)."""

_EXTENSION = re.compile(rf"[0-9A-Za-z*#+_-]{{1,{EXTENSION_MAX}}}")
_CONTEXT = re.compile(rf"[0-9A-Za-z_.-]{{1,{EXTENSION_MAX}}}")
_WILD = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}
_REST = {".": "+", "!": "*"}
# The body of a set: single characters and ranges.
_SET = re.compile(r"\[((?:[0-9A-Za-z*#+_](?:-[0-9A-Za-z*#+_])?)+)\]")
_RANGE = re.compile(r"(.)-(.)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of allowed extensions.

    text: the pattern as the operator wrote it.
    expression: the regular expression that an allowed extension matches as a whole.
    """

    text: str
    expression: re.Pattern[str]


def is_extension(text: str) -> bool:
    """Whether a text can be an extension: short, and free of line and argument separators."""
    return _EXTENSION.fullmatch(text) is not None


def is_context(text: str) -> bool:
    """Whether a text can be a context: short, and free of line and argument separators."""
    return _CONTEXT.fullmatch(text) is not None


def parse(text: str) -> tuple[Pattern, ...]:
    """Parse a comma-separated list of patterns. An empty list gives no pattern.

    Raises ValueError with a sentence that names the pattern and its mistake.
    """
    return tuple(_pattern(item) for part in text.split(",") if (item := part.strip()))


def allowed(patterns: tuple[Pattern, ...], extension: str) -> bool:
    """Whether a call may be transferred to this extension. The text may be untrusted."""
    return is_extension(extension) and any(p.expression.fullmatch(extension) for p in patterns)


def _pattern(text: str) -> Pattern:
    if len(text) > EXTENSION_MAX:
        raise ValueError(f"{text[:20]}…: longer than {EXTENSION_MAX} characters")
    if text.startswith("_"):
        return Pattern(text, re.compile(_expression(text)))
    if not is_extension(text):
        raise ValueError(
            f"{text}: no extension (letters, digits and * # + _ -); a pattern begins with _"
        )
    return Pattern(text, re.compile(re.escape(text)))


def _expression(text: str) -> str:
    """Return the regular expression of a pattern that begins with `_`."""
    made, at = "", 1
    while at < len(text):
        sign = text[at]
        if sign == "[":
            found = _SET.match(text, at)
            if found is None:
                raise ValueError(f"{text}: [ begins no set of characters, such as [137] or [2-4]")
            if any(low > high for low, high in _RANGE.findall(found[1])):
                raise ValueError(f"{text}: a range in [{found[1]}] runs backwards")
            made += found[0]
            at = found.end()
            continue
        if sign in _REST:
            if at + 1 < len(text):
                raise ValueError(f"{text}: {sign} stands only at the end")
            made += f".{_REST[sign]}"
        elif sign == "-":
            pass
        elif sign.upper() in _WILD:
            made += _WILD[sign.upper()]
        elif is_extension(sign):
            made += re.escape(sign)
        else:
            raise ValueError(f"{text}: {sign!r} has no meaning in a pattern")
        at += 1
    if not made:
        raise ValueError(f"{text}: a pattern needs something after _")
    return made
