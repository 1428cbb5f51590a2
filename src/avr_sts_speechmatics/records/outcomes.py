"""Outcomes of calls as they are searched: a row for each field with its value.

The outcome itself is JSON in the call's row. No index finds a value inside of JSON in the order of
the list of calls, in both databases; the rows made here do.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from avr_sts_speechmatics.line import began_ms_of
from avr_sts_speechmatics.records.change import Change

NAME_MAX = 100
VALUE_MAX = 200
"""Longest name and value that are searched for (characters); what follows is cut off."""

ROWS_MAX = 100
"""Most rows of one call."""


def searched(text: str, longest: int = VALUE_MAX) -> str:
    """Return a name or value in the form in which it is compared."""
    plain = text.encode("utf-8", "replace").decode().replace("\0", " ")
    return " ".join(plain.split()).casefold()[:longest]


def outcome_changes(key: str, outcome: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the changes that keep the outcome of a call.

    key: of the call.
    outcome: the declared fields; JSON's types.
    """
    yield Change("calls", {"key": key, "outcome": outcome}, update=True)
    number = 0
    for name, value in outcome.items():
        for item in value if isinstance(value, list) else (value,):
            if item is None or number == ROWS_MAX:
                continue
            number += 1
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            yield Change(
                "outcomes",
                {
                    "call": key,
                    "number": number,
                    "began_ms": began_ms_of(key),
                    "name": searched(name, NAME_MAX),
                    "value": searched(text),
                },
            )
