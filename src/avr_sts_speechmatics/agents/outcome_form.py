"""The outcome of a call: the fields that an agent file declares, and the check of their values.

    outcome:                          # the short form
      reason: Why the caller called, in one sentence
      booked: [yes, no]               # one of these
      callback_number: The number to call back, with country code
      people: {type: integer, minimum: 1}

    outcome:                          # or a JSON Schema of an object
      type: object
      properties: {...}
      required: [...]

In the short form a field without a value is null. Values of the file are texts (see `yaml_text`);
where JSON Schema wants numbers and booleans they are converted here. References leave no schema:
nothing is fetched.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from avr_sts_speechmatics.agents.strict_schema import accepts_null, strict_schema
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.network.untrusted_json import decode

FIELDS_MAX = 40
"""Most fields of an outcome."""

SCHEMA_MAX = 20_000
"""Longest schema (characters of JSON)."""

ANSWER_MAX = 100_000
"""Longest answer of a model that is read (characters)."""

OBJECTS_MAX = 20
"""Most places in an answer at which its object is looked for."""

DEPTH_MAX = 12
"""Deepest schema (mappings and lists within each other)."""

_BEGINNING = re.compile(r'\{\s*["}]')
_NAME = re.compile(r"[A-Za-z_][\w-]{0,63}")
_NUMBERS = frozenset(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems "
    "maxItems minProperties maxProperties minContains maxContains".split()
)
_BOOLEANS = frozenset("uniqueItems readOnly writeOnly deprecated".split())
_BY_NAME = frozenset("properties patternProperties $defs definitions dependentSchemas".split())
_LISTS = frozenset("anyOf oneOf allOf prefixItems".split())
_SCHEMAS = frozenset(
    "items additionalProperties unevaluatedProperties unevaluatedItems not if then else contains "
    "propertyNames".split()
)
_ELSEWHERE = frozenset("$id $anchor $dynamicRef $dynamicAnchor $vocabulary".split())
_WORDS = {"true": True, "false": False}


class NotFilled(Exception):
    """An answer is no outcome. The message says why, without the caller's words."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeForm:
    """The fields of an outcome.

    schema: JSON Schema of the outcome.
    strict: a schema for servers that keep strictly to a schema; None if these cannot have it.
    """

    schema: Mapping[str, Any]
    strict: Mapping[str, Any] | None

    def read(self, text: str) -> dict[str, Any]:
        """Return the outcome that a model wrote. Raises NotFilled.

        text: the answer; words and marks around the object are ignored.
        """
        fields = self._completed(_object_in(text), self.schema)
        try:
            wrong = next(Draft202012Validator(self.schema).iter_errors(fields), None)
        except Exception as error:  # a reference that leads nowhere, or back to itself
            raise NotFilled(f"the schema cannot be used: {type(error).__name__}") from error
        if wrong is not None:
            place = ".".join(map(str, wrong.absolute_path)) or "the answer"
            raise NotFilled(f"{place} does not fit the schema ({wrong.validator})")
        return fields

    def _completed(self, fields: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object as the schema means it: a strict answer writes null for nothing.

        A field that may be null and was left out is null, a null that may be left out is left out,
        and a field that nobody declared is dropped if the schema forbids it.
        """
        declared = schema.get("properties", {})
        required = schema.get("required", ())
        made = {}
        for name, value in fields.items():
            one = declared.get(name)
            if one is None and schema.get("additionalProperties") is False:
                continue
            if value is None and one is not None and name not in required:
                if not accepts_null(one):
                    continue
            elif isinstance(value, dict) and isinstance(one, Mapping):
                value = self._completed(value, one)
            made[name] = value
        missing = (name for name in required if name not in made)
        return made | {
            name: None for name in missing if name in declared and accepts_null(declared[name])
        }


def outcome_form(value: object) -> OutcomeForm:
    """Read the key `outcome` of an agent file. Raises InvalidValue."""
    if not isinstance(value, Mapping) or not value:
        raise InvalidValue("write under it one or more fields, such as `reason: Why they called`")
    whole = isinstance(value.get("properties"), Mapping) or value.get("type") == "object"
    schema = _schema(value, "", 0) if whole else _short(value)
    if not isinstance(schema.get("properties"), dict) or not schema["properties"]:
        raise InvalidValue("properties: write at least one field")
    if schema.setdefault("type", "object") != "object":
        raise InvalidValue("type: an outcome is an object")
    if len(schema["properties"]) > FIELDS_MAX:
        raise InvalidValue(f"give at most {FIELDS_MAX} fields")
    if len(json.dumps(schema)) > SCHEMA_MAX:
        raise InvalidValue(f"give at most {SCHEMA_MAX} characters")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path)) or "the schema"
        raise InvalidValue(f"{place}: {error.message[:200]}") from None
    _check_references(schema, schema)
    return OutcomeForm(schema, strict_schema(schema))


def _short(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return the schema of the short form."""
    properties: dict[str, Any] = {}
    for name, about in fields.items():
        if not _NAME.fullmatch(name):
            raise InvalidValue(f"{name[:40]}: name a field in letters, digits and _")
        properties[name] = _field(name, about)
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field(name: str, about: object) -> dict[str, Any]:
    if isinstance(about, str):
        described = {"description": about.strip()} if about.strip() else {}
        return {"type": ["string", "null"], **described}
    if isinstance(about, list):
        if not about or not all(isinstance(one, str) and one.strip() for one in about):
            raise InvalidValue(f"{name}: give the values that it can have, as [one, another]")
        return {"type": ["string", "null"], "enum": [*dict.fromkeys(about), None]}
    schema = _schema(about, name, 1)
    return schema if accepts_null(schema) else {"anyOf": [schema, {"type": "null"}]}


# --- from texts to JSON --------------------------------------------------------------------------


def _schema(value: object, where: str, depth: int) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidValue(f"{where or 'outcome'}: write a JSON Schema")
    if depth > DEPTH_MAX:
        raise InvalidValue(f"{where}: nested more than {DEPTH_MAX} levels deep")
    made: dict[str, Any] = {}
    for key, one in value.items():
        at = f"{where}.{key}" if where else key
        if key in _ELSEWHERE:
            raise InvalidValue(f"{at}: not supported here")
        made[key] = _keyword(key, one, at, depth, _typed(value.get("type")))
    return made


def _keyword(
    key: str, value: object, at: str, depth: int, typed: Callable[[object], Any]
) -> object:
    """Convert the value of a keyword.

    typed: function that converts a value of the schema's own type.
    """
    if key in _BY_NAME:
        if not isinstance(value, Mapping):
            raise InvalidValue(f"{at}: write names with a JSON Schema each")
        return {name: _schema(one, f"{at}.{name}", depth + 1) for name, one in value.items()}
    if key in _LISTS:
        if not isinstance(value, list):
            raise InvalidValue(f"{at}: write a list of JSON Schemas")
        return [_schema(one, f"{at}.{number}", depth + 1) for number, one in enumerate(value)]
    if key in _SCHEMAS and isinstance(value, Mapping):
        return _schema(value, at, depth + 1)
    if key in _BOOLEANS or key in _SCHEMAS:
        if value not in _WORDS:
            raise InvalidValue(f"{at}: give true or false")
        return _WORDS[str(value)]
    if key in _NUMBERS:
        return _number(value, at)
    if key in ("enum", "examples"):
        return [typed(one) for one in value] if isinstance(value, list) else value
    return typed(value) if key in ("const", "default") else value


def _number(value: object, at: str) -> int | float:
    for kind in (int, float):
        try:
            number = kind(str(value))
        except ValueError:
            continue
        if number == number and abs(number) != float("inf"):
            return number
    raise InvalidValue(f"{at}: give a number")


def _typed(types: object) -> Callable[[object], Any]:
    """Return a function that converts a text to one of the types of a schema."""
    names = types if isinstance(types, list) else [types]

    def convert(value: object) -> Any:
        if not isinstance(value, str):
            return value
        if "null" in names and value == "null":
            return None
        if "boolean" in names and value in _WORDS:
            return _WORDS[value]
        if {"integer", "number"} & set(map(str, names)):
            try:
                return _number(value, "")
            except InvalidValue:
                return value
        return value

    return convert


def _check_references(schema: object, whole: Mapping[str, Any]) -> None:
    """Raise InvalidValue for a reference that leads out of the schema, or nowhere."""
    for reference in _references(schema):
        target: object = whole
        steps = reference.removeprefix("#").split("/")[1:]
        for step in steps:
            target = target.get(step) if isinstance(target, Mapping) else None
        if not reference.startswith("#/") or not isinstance(target, Mapping):
            raise InvalidValue(f"$ref {reference[:60]}: give a place in this schema, #/$defs/...")


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "$ref":
                yield str(value)
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


# --- answers -------------------------------------------------------------------------------------


def _object_in(text: str) -> dict[str, Any]:
    """Return the JSON object in the answer of a model. Raises NotFilled."""
    if len(text) > ANSWER_MAX:
        raise NotFilled("the answer is too long")
    if not text.strip():
        raise NotFilled("the answer is empty")
    starts = [found.start() for found in _BEGINNING.finditer(text)][:OBJECTS_MAX]
    for start in starts:
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
            return _clean(decode(text[start:end]))  # type: ignore[no-any-return]
        except (ValueError, RecursionError):  # BadJson is a ValueError
            continue
    raise NotFilled("the answer has no whole object" if starts else "the answer has no object")


def _clean(value: Any) -> Any:
    """Return a value without characters that no database takes."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(one) for name, one in value.items()}
    return value
