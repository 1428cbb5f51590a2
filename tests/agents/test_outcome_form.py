"""The outcome that an agent file declares: read, checked with file and key, and read back."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.agents.agent_file import read_agent
from avr_sts_speechmatics.agents.outcome_form import (
    ANSWER_MAX,
    FIELDS_MAX,
    NotFilled,
    OutcomeForm,
    outcome_form,
)
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.yaml_text import parse_yaml

SHORT = """
reason: Why the caller called
booked: [yes, no]
callback_number: The number to call back
people: {type: integer, minimum: 1}
vip: {type: [boolean, 'null']}
anything:
"""

WHOLE = """
type: object
required: [reason]
additionalProperties: false
properties:
  reason: {type: string, minLength: 3, maxLength: 200}
  mood: {enum: [good, bad]}
  score: {type: integer, enum: [1, 2, 3]}
  paid: {type: boolean, const: true}
  items:
    type: array
    maxItems: 5
    items:
      type: object
      properties: {name: {type: string}, count: {type: number}}
      required: [name, count]
"""


def form_of(text: str) -> OutcomeForm:
    return outcome_form(parse_yaml(text))


def filled(text: str, **fields: Any) -> dict[str, Any]:
    return form_of(text).read(json.dumps(fields))


def test_the_short_form_declares_fields_that_may_be_null() -> None:
    schema = form_of(SHORT).schema
    assert schema["required"] == [*schema["properties"]]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "reason": {"type": ["string", "null"], "description": "Why the caller called"},
        "booked": {"type": ["string", "null"], "enum": ["yes", "no", None]},
        "callback_number": {"type": ["string", "null"], "description": "The number to call back"},
        "people": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
        "vip": {"type": ["boolean", "null"]},
        "anything": {"type": ["string", "null"]},
    }


def test_a_schema_has_the_types_of_json_though_yaml_has_texts() -> None:
    schema = form_of(WHOLE).schema
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["reason"] == {"type": "string", "minLength": 3, "maxLength": 200}
    assert properties["score"]["enum"] == [1, 2, 3]
    assert properties["paid"]["const"] is True
    assert properties["mood"]["enum"] == ["good", "bad"]


def test_an_answer_that_fits_is_read() -> None:
    answer = {
        "reason": "A table",
        "booked": "yes",
        "callback_number": None,
        "people": 2,
        "vip": None,
        "anything": None,
    }
    assert filled(SHORT, **answer) == answer
    assert filled(WHOLE, reason="A table", items=[{"name": "wine", "count": 2}]) == {
        "reason": "A table",
        "items": [{"name": "wine", "count": 2}],
    }


def test_what_a_model_leaves_out_or_adds_is_put_right() -> None:
    assert filled(SHORT, reason="A table", mood="good") == {
        "reason": "A table",
        "booked": None,
        "callback_number": None,
        "people": None,
        "vip": None,
        "anything": None,
    }
    assert filled(WHOLE, reason="A table", mood=None, paid=None) == {"reason": "A table"}


@pytest.mark.parametrize(
    "text",
    [
        '{"reason": "A table"}',
        'Here it is:\n```json\n{"reason": "A table"}\n```\nBye.',
        '<think>An {object} or {"a": }?</think>{"reason": "A table"}',
        '{"reason": "A table"}{"reason": "no"}',
    ],
)
def test_the_object_is_found_among_other_words(text: str) -> None:
    assert form_of("{type: object, properties: {reason: {type: string}}}").read(text) == {
        "reason": "A table"
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ("They called for a table.", "the answer has no object"),
        ("[1, 2]", "the answer has no object"),
        ('{"reason": "A ta', "the answer has no whole object"),
        ('{"reason": NaN}', "the answer has no whole object"),
        ('{"a":' * 5000, "the answer has no whole object"),
        ("x" * (ANSWER_MAX + 1), "the answer is too long"),
        ('{"reason": 5}', "reason does not fit the schema (type)"),
        ('{"mood": "bad"}', "the answer does not fit the schema (required)"),
        ('{"reason": "SECRET", "mood": "SECRET"}', "mood does not fit the schema (enum)"),
        ('{"reason": "SECRET", "items": [{"name": 1}]}', "items.0"),
    ],
)
def test_any_other_answer_is_refused_without_its_words(text: str, why: str) -> None:
    with pytest.raises(NotFilled) as caught:
        form_of(WHOLE).read(text)
    assert str(caught.value).startswith(why)
    assert "SECRET" not in str(caught.value)


def test_characters_that_no_database_takes_are_left_out() -> None:
    read = form_of("reason: Why").read('{"reason": "a\\u0000b"}')
    assert read == {"reason": "ab"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.one_of(st.text(), JSON.map(json.dumps)))
def test_no_answer_of_a_model_does_more_than_fit_or_not(text: str) -> None:
    form = form_of(SHORT)
    try:
        fields = form.read(text)
    except NotFilled:
        return
    assert fields.keys() == form.schema["properties"].keys()
    json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("outcome:", "write under it one or more fields"),
        ("outcome: [reason]", "write under it one or more fields"),
        ("outcome: {my reason: Why}", "my reason: name a field in letters"),
        ("outcome: {booked: []}", "booked: give the values"),
        ("outcome: {booked: [[a]]}", "booked: give the values"),
        ("outcome: {type: object}", "properties: write at least one field"),
        ("outcome: {type: array, properties: {a: {type: string}}}", "an outcome is an object"),
        ("outcome: {properties: {a: {type: words}}}", "properties.a.type: 'words' is not valid"),
        ("outcome: {people: {type: integer, minimum: one}}", "people.minimum: give a number"),
        ("outcome: {people: {type: array, uniqueItems: maybe}}", "people.uniqueItems: give true"),
        ("outcome: {a: {$ref: 'https://example.com/x'}}", "$ref https://example.com/x: give"),
        ("outcome: {a: {$ref: '#/$defs/b'}}", "$ref #/$defs/b: give a place in this schema"),
        ("outcome: {a: {$id: x, type: string}}", "a.$id: not supported here"),
        ("outcome: {a: {type: string, pattern: '('}}", "'(' is not a 'regex'"),
        ("outcome: {a: {anyOf: x}}", "a.anyOf: write a list of JSON Schemas"),
        ("outcome: {a: {properties: x}}", "a.properties: write names"),
        ("outcome: {a: " + "{not: " * 14 + "{type: string}" + "}" * 15, "nested more than"),
        ("outcome: {" + ", ".join(f"f{n}: x" for n in range(FIELDS_MAX + 1)) + "}", "at most 40"),
        ("outcome: {a: " + "x" * 21_000 + "}", "give at most 20000 characters"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_line_and_key(
    tmp_path: Path, text: str, why: str
) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(f"voice: theo\n{text}\n")
    mistakes: list[str] = []
    read_agent(path, mistakes)
    (mistake,) = mistakes
    assert mistake.startswith(f"{path}, line 2: outcome: ")
    assert why in mistake


def test_only_mappings_declare_an_outcome() -> None:
    nothing: tuple[object, ...] = ({}, [], "reason", None)
    for value in nothing:
        with pytest.raises(InvalidValue):
            outcome_form(value)
