"""Strict schemas: what servers take that keep a model strictly to a JSON Schema.

These servers want every property required and no other allowed, and know few keywords. A strict
schema therefore allows more than the declared one where a keyword is not known: the answer is
checked afterwards in any case. A property that may be left out is one that may be null.
"""

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset(
    "type description title enum const pattern minimum maximum exclusiveMinimum exclusiveMaximum "
    "multipleOf minItems maxItems".split()
)
_CHECKED_LATER = frozenset(
    "minLength maxLength uniqueItems minProperties maxProperties default examples readOnly "
    "writeOnly deprecated contains minContains maxContains propertyNames $comment $schema".split()
)
_FORMATS = frozenset("date-time time date duration email hostname ipv4 ipv6 uuid".split())
_NULL = {"type": "null"}


class _NotStrict(Exception):
    """The schema cannot be made strict."""


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a strict schema that accepts what a schema accepts; None if there is none."""
    try:
        return _strict(schema)
    except _NotStrict:
        return None


def accepts_null(schema: Mapping[str, Any]) -> bool:
    """Whether a schema says, where it is written, that its value may be null."""
    if "anyOf" in schema:
        return any(map(accepts_null, schema["anyOf"]))
    types = schema.get("type")
    allowed = types == "null" or (isinstance(types, list) and "null" in types)
    return allowed and ("enum" not in schema or None in schema["enum"])


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case _ if key in _KEPT:
                made[key] = value
            case "format":
                made |= {"format": value} if value in _FORMATS else {}
            case "items":
                made[key] = _strict(_mapping(value))
            case "anyOf" | "oneOf":
                made["anyOf"] = [_strict(one) for one in value]
            case "$ref":
                made[key] = value
            case "$defs" | "definitions":
                made[key] = {name: _strict(one) for name, one in value.items()}
            case "properties" | "required":
                pass  # below
            case "additionalProperties" if value is False:
                pass
            case _ if key not in _CHECKED_LATER:
                raise _NotStrict
    if not made.keys() & {"type", "anyOf", "enum", "const", "$ref"}:
        raise _NotStrict  # any value
    types = made.get("type")
    if types == "object" or (isinstance(types, list) and "object" in types):
        made |= _properties(schema)
    elif types == "array" and "items" not in made:
        raise _NotStrict
    return made


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    declared = schema.get("properties")
    if not declared:
        raise _NotStrict
    required = schema.get("required", ())
    properties = {
        name: _strict(one) if name in required else _or_null(_strict(one))
        for name, one in declared.items()
    }
    return {"properties": properties, "required": [*properties], "additionalProperties": False}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if accepts_null(schema):
        return schema
    if isinstance(schema.get("type"), str) and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, _NULL]}


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _NotStrict
    return value
