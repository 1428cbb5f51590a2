"""Strict schemas: made of what servers take, and never narrower than the declared schema."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.agents.test_outcome_form import SHORT, WHOLE, form_of

from avr_sts_speechmatics.agents.strict_schema import accepts_null, strict_schema
from avr_sts_speechmatics.sandbox import chat_completions


def taken(schema: dict[str, Any]) -> None:
    """The sandbox's server takes what OpenAI's takes."""
    form = {"name": "outcome", "strict": True, "schema": schema}
    chat_completions.parse(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "response_format": {"type": "json_schema", "json_schema": form},
        }
    )


@pytest.mark.parametrize("text", [SHORT, WHOLE])
def test_a_strict_schema_is_taken_by_a_strict_server(text: str) -> None:
    strict = form_of(text).strict
    assert strict is not None
    taken(dict(strict))


def test_what_may_be_left_out_may_be_null_instead() -> None:
    strict = form_of(WHOLE).strict
    assert strict is not None
    properties = strict["properties"]
    assert properties["reason"] == {"type": "string"}
    assert properties["mood"] == {"anyOf": [{"enum": ["good", "bad"]}, {"type": "null"}]}
    answer = {
        "reason": "A table",
        "mood": None,
        "score": None,
        "paid": None,
        "items": [{"name": "wine", "count": 1}],
    }
    Draft202012Validator(strict).validate(answer)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "object"}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": True}}},
        {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "allOf": []},
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "additionalProperties": True,
        },
    ],
)
def test_a_schema_that_strict_servers_cannot_have_is_none(schema: dict[str, Any]) -> None:
    assert strict_schema(schema) is None


def test_references_within_the_schema_are_kept() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/name"}},
        "$defs": {"name": {"type": "string", "minLength": 2}},
    }
    strict = strict_schema(schema)
    assert strict is not None
    assert strict["properties"]["a"] == {"anyOf": [{"$ref": "#/$defs/name"}, {"type": "null"}]}
    taken(strict)
    Draft202012Validator(strict).validate({"a": None})


def test_null_is_accepted_where_the_schema_says_so() -> None:
    assert accepts_null({"type": "null"})
    assert accepts_null({"type": ["string", "null"]})
    assert accepts_null({"anyOf": [{"type": "string"}, {"type": "null"}]})
    assert not accepts_null({"type": ["string", "null"], "enum": ["a"]})
    assert not accepts_null({"type": "string"})
