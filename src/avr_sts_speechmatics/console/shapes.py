"""The shapes of what is kept of calls, for the OpenAPI document, made from the tables.

This module imports SQLAlchemy, which takes half a second: import it when it is needed.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, Integer, Table

from avr_sts_speechmatics.records.tables import calls, events, tools, turns

_OWN = frozenset({"caller_digits", "called_digits"})
"""Columns that only the search needs."""

_FREE: Mapping[str, Mapping[str, Any]] = {
    "facts": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
    "outcome": {"type": ["object", "null"]},
    "outcome_error": {"type": ["string", "null"]},
    "details": {"type": "object"},
    "arguments": {},
}
"""Columns that hold JSON."""

_TIMES: Mapping[str, Any] = {
    "began": {"type": "string", "format": "date-time"},
    "seen": {"type": ["string", "null"], "format": "date-time"},
    "ended": {"type": ["string", "null"], "format": "date-time"},
    "running": {"type": "boolean", "description": "whether the call is going on"},
}


def schemas() -> dict[str, Any]:
    """Return the schemas `Call` (as in the list) and `WholeCall` (all that is kept)."""
    call = {**_columns(calls), **_TIMES}
    call["reason"] = {
        **call["reason"],
        "description": "why the call ended; `lost` if the process that had it was killed",
    }
    parts = {
        "caller_turns": {**call["turns"], "description": "number of the caller's turns"},
        "turns": _list("what both sides said, in order", turns),
        "tools": _list("tools that ran, in order", tools),
        "events": _list("keys, transfers, failures, notices, in order", events),
    }
    heard = {
        "then": {"type": ["string", "null"], "description": "what the agent said next"},
        "then_ms": {"type": ["integer", "null"], "description": "how long after the failure"},
        "heard": {"type": ["string", "null"], "description": "its words, as they were heard"},
    }
    # Of failures only.
    parts["events"]["items"]["properties"] |= heard
    return {"Call": _object(call), "WholeCall": _object({**call, **parts})}


def names() -> list[str]:
    """Return the columns of a call in the list, in order."""
    order = [name for name in _columns(calls) if not name.endswith("_ms")]
    for at, name in enumerate(("began", "ended", "running")):
        order.insert(1 + at, name)
    return [*order, "voice_to_voice_median_ms", "voice_to_voice_worst_ms"]


def _columns(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in table.columns:
        name = str(column.name)  # SQLAlchemy's own kind of text otherwise
        if name in _OWN or column.foreign_keys:
            continue
        schema: dict[str, Any]
        if isinstance(column.type, JSON):
            schema = dict(_FREE[name])
        else:
            kind = "string"
            if isinstance(column.type, Boolean):
                kind = "boolean"
            elif isinstance(column.type, Integer | BigInteger):
                kind = "integer"
            elif isinstance(column.type, Float):
                kind = "number"
            schema = {"type": [kind, "null"] if column.nullable else kind}
        if column.comment:
            schema["description"] = column.comment
        found[name] = schema
    return found


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": dict(properties),
    }


def _list(about: str, table: Table) -> dict[str, Any]:
    return {"type": "array", "description": about, "items": _object(_columns(table))}
