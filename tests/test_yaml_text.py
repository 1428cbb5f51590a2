"""YAML as text: nothing is made of a value, and mistakes have their line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.yaml_text import YamlError, YamlMapping, parse_yaml, shown

# YAML folds the ends of lines, to which Unicode has added two.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")))
CONTENT = st.recursive(
    TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20
)


def test_a_value_stays_what_was_written() -> None:
    text = "{language: no, extension: 0100, time: 12:30, half: 1e3, nothing: ~, empty: }"
    assert parse_yaml(text) == {
        "language": "no",
        "extension": "0100",
        "time": "12:30",
        "half": "1e3",
        "nothing": "~",
        "empty": "",
    }


@given(CONTENT)
def test_whatever_is_written_in_quotes_comes_back(content: object) -> None:
    # JSON's strings are YAML's, but for characters beyond 16 bits, which it writes in halves.
    assert parse_yaml(json.dumps(content, ensure_ascii=False)) == content


def test_every_key_knows_its_line() -> None:
    found = parse_yaml("a: 1\n\nb:\n  c: |\n    long\n    text\n  d: 2\ne: {f: 3}\n")
    assert isinstance(found, YamlMapping)
    assert found.lines == {"a": 1, "b": 3, "e": 8}
    assert found["b"].lines == {"c": 4, "d": 7}
    assert found["e"].lines == {"f": 8}


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("a: 'b", "line 1: found unexpected end of stream", 1),
        ("a: b\nc: *", "line 2: expected alphabetic or numeric character", 2),
        ("a: b\n[c]: d", "line 2: found unhashable key", 2),
        ("a: 1\nb: 2\na: 3", "line 1: 'a' stands twice in one agent, again in line 3", 1),
        ("{a: 1, a: 1}", "line 1: 'a' stands twice in one agent, again in line 1", 1),
        ("a: \x07", "cannot be read as YAML", None),
        ("[" * 5000, "cannot be read as YAML", None),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(text: str, error: str, line: int | None) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text, mapping="agent")
    assert str(caught.value).startswith(error)
    assert caught.value.line == line


def test_an_empty_document_is_nothing() -> None:
    assert parse_yaml("# only a comment\n") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\nlines", "'two lines'"),
        ("x" * 41, f"'{'x' * 40}…'"),
        (["a"], "a list"),
        ({"a": "b"}, "a mapping"),
    ],
)
def test_a_value_in_a_message_is_short_and_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text
