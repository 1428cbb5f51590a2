"""The cells of a CSV file of calls. [RFC 4180]

Callers choose some of the values, and programs for tables carry out a cell that begins like a
formula. Such a cell gets an apostrophe before it. [OWASP, CSV injection]
"""

import json
import re

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d\s().,/-]+")
"""Numbers and telephone numbers, which are no formulas."""


def cell(value: object) -> str:
    """Return a value as the text of a cell. Lists and objects become JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("\0", "")
    # Programs for tables ignore spaces before a formula, but not a tabulator.
    if _FORMULA.match(text.lstrip(" \n")) and _NUMBER.fullmatch(text) is None:
        return f"'{text}"
    return text
