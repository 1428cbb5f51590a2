"""A rule for reading aloud: a pattern, and the words for what it finds.

The rules of each topic have a module; `read_aloud` tries all of them in one order.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

Say: TypeAlias = Callable[[re.Match[str]], str | None]
"""Gives the words for a match, or None if the rule does not apply to it."""

Rule: TypeAlias = tuple[re.Pattern[str], Say]

N = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
"""Pattern of a whole number, with or without commas between thousands."""

NUM = rf"{N}(?:\.\d+)?"
"""Pattern of a number with or without decimals."""

ALONE = r"(?<![\w.,])"
"""Pattern before a number that is not the end of a word or of a longer number."""


def rules(*table: tuple[str, Say]) -> tuple[Rule, ...]:
    """Compile the patterns of a table of rules."""
    return tuple((re.compile(pattern), say) for pattern, say in table)


def saying(template: str) -> Say:
    """Say the same words for every match; `template` may quote groups of the match."""
    return lambda found: found.expand(template)
