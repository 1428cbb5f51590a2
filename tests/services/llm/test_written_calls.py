"""Tool calls that a model wrote as text. How a stream is searched for them: test_visible_text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.services.llm.written_calls import end_of_value, parse

BOOK = ToolSpec(
    "book",
    "Books.",
    {"type": "object", "properties": {"people": {"type": "integer"}, "day": {"type": "string"}}},
)
TOOLS = {"book": BOOK}


@pytest.mark.parametrize(
    ("block", "arguments"),
    [
        ("<function=book><parameter=people>3</parameter><parameter=day>5</parameter>", (3, "5")),
        ('<invoke name="book"><parameter name="people">3</parameter></invoke>', (3, None)),
        ("book<arg_key>people</arg_key><arg_value>3</arg_value>", (3, None)),
        ("book(people=3, day='5')", (3, "5")),
        ('book({"people": 3})', (3, None)),
        ("{'name': 'book', 'arguments': {'people': 3, 'day': None}}", (3, None)),
        ('{"recipient_name": "functions.book", "parameters": {"people": 3}}', (3, None)),
        ('{"function_call": {"name": "book", "arguments": "{\\"people\\": 3}"}}', (3, None)),
    ],
)
def test_arguments_have_the_types_of_the_schema(block: str, arguments: tuple[int, str]) -> None:
    ((name, written),) = parse(block, TOOLS)
    found = json.loads(written)
    assert name == "book"
    assert (found.get("people"), found.get("day")) == arguments


def test_several_calls_keep_their_order() -> None:
    block = '[{"name": "book", "arguments": {"people": 1}}, {"name": "wait", "arguments": null}]'
    assert parse(block, TOOLS) == [("book", '{"people": 1}'), ("wait", "{}")]
    lines = '{"name": "book", "arguments": {"people": 1}}\n{"name": "wait", "arguments": {}}'
    assert parse(lines, TOOLS) == [("book", '{"people": 1}'), ("wait", "{}")]


def test_a_marked_block_that_cannot_be_read_is_a_call_that_the_model_is_told_of() -> None:
    assert parse('<tool_call>{"name": "book", "argu', TOOLS) == [
        ("book", '<tool_call>{"name": "book", "argu')
    ]
    assert parse("<tool_call>hm</tool_call>", TOOLS)[0][0] == ""


@pytest.mark.parametrize(
    "block", ['{"hours": "nine to five"}', '{"name": "Anna"}', "[1, 2]", "print(5)", "json\n{}", ""]
)
def test_what_has_not_the_form_of_a_call_is_none(block: str) -> None:
    assert parse(block, TOOLS, certain=False) == []


@given(st.text(st.sampled_from("book(){}[]<>=\"':, namergut_\\5"), max_size=60), st.booleans())
def test_any_block_can_be_read(block: str, certain: bool) -> None:
    for name, arguments in parse(block, TOOLS, certain=certain):
        assert isinstance(name, str)
        assert isinstance(arguments, str)


def test_a_deep_block_can_be_read() -> None:
    parse('{"a":' * 5_000, TOOLS)
    parse("[" * 5_000 + "]" * 5_000, TOOLS)
    # Python 3.13 parses what is nested as deeply as this.
    (name,) = [*TOOLS][:1]
    deep = '{"a":' * 3_000 + "1" + "}" * 3_000
    assert parse(f'{{"name": "{name}", "arguments": {deep}}}', TOOLS)


@pytest.mark.parametrize(
    ("text", "end"), [('{"a": "}"} x', 10), ('["]", {}]', 9), ("{", -1), ('{"a\\"}', -1)]
)
def test_the_end_of_a_value_is_found(text: str, end: int) -> None:
    assert end_of_value(text) == end
