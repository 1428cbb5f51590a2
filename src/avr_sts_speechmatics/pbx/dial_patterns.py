"""Where a call may be sent: extensions and patterns as a dialplan writes them.

    700        that extension            _7XX       7 and two digits
    _[2-4]XXX  2, 3 or 4, three digits   _9011.     9011 and at least one character more

After `_`: X is 0-9, Z is 1-9, N is 2-9 (small letters the same), [...] one of these characters or
ranges, `.` one character or more and `!` any number at the end, `-` nothing: it is there for the
eye. All else stands for itself. [Asterisk documentation, pattern matching]

An extension to be judged comes from a model. It is never taken apart or mended: it matches whole,
as it will be dialled, or it is not allowed.
"""

import re
from dataclasses import dataclass

EXTENSION_MAX = 79
"""Longest name Asterisk keeps, of an extension or a context (characters)."""

_EXTENSION = re.compile(rf"[0-9A-Za-z*#+_-]{{1,{EXTENSION_MAX}}}")
_CONTEXT = re.compile(rf"[0-9A-Za-z_.-]{{1,{EXTENSION_MAX}}}")
_WILD = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}
_REST = {".": "+", "!": "*"}
# Where a set begins, its body is looked for as a whole: single characters and ranges.
_SET = re.compile(r"\[((?:[0-9A-Za-z*#+_](?:-[0-9A-Za-z*#+_])?)+)\]")
_RANGE = re.compile(r"(.)-(.)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Extensions that are allowed. text: as the operator wrote it."""

    text: str
    expression: re.Pattern[str]


def is_extension(text: str) -> bool:
    """Whether this can be an extension: bounded, and nothing in it that ends a line or argument."""
    return _EXTENSION.fullmatch(text) is not None


def is_context(text: str) -> bool:
    """Whether this can be a context's name; nothing in it ends a line or argument either."""
    return _CONTEXT.fullmatch(text) is not None


def parse(text: str) -> tuple[Pattern, ...]:
    """Patterns from a comma-separated list; none from an empty one.

    Raises ValueError: a sentence that names the pattern and what is wrong with it.
    """
    return tuple(_pattern(item) for part in text.split(",") if (item := part.strip()))


def allowed(patterns: tuple[Pattern, ...], extension: str) -> bool:
    """Whether a call may be sent to this extension. Untrusted text is welcome."""
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
    """The regular expression of a pattern that begins with `_`."""
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
