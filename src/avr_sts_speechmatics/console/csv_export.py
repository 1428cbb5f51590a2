"""Calls as CSV. [RFC 4180]

Callers choose some of the values, and programs for tables carry out a cell that begins like a
formula. Such a cell gets an apostrophe before it. [OWASP, CSV injection]
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[\d\s().,/-]+")
"""Numbers and telephone numbers, which are no formulas."""


def lines(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as lines of CSV."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\r\n").writerow
    for row in rows:
        write([_cell(row[name]) for name in names])
    return text.getvalue().encode("utf-8", "replace")


def heading(names: Sequence[str]) -> bytes:
    """Return the first line."""
    return (",".join(names) + "\r\n").encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None:
        return "'" + text
    return text
