"""Parameters: what is read is what the document says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.parameters import (
    Kind,
    OneOf,
    Parameter,
    Text,
    When,
    Whole,
    YesNo,
    value_of,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# 2026-11-28T00:00:00Z
MIDNIGHT = 1_795_824_000_000


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (When(), "2026-11-28", MIDNIGHT),
        (When(until=True), "2026-11-28", MIDNIGHT + DAY_MS),
        (When(until=True), "2026-11-28T00:00", MIDNIGHT),
        (When(), "2026-11-28T10:42:00Z", MIDNIGHT + 10 * HOUR_MS + 42 * 60_000),
        (When(), "2026-11-28T01:00:00+01:00", MIDNIGHT),
        (Whole(1, 9), "9", 9),
        (OneOf(("a", "b")), "b", "b"),
        (YesNo(), "false", False),
        (Text(3), "äöü", "äöü"),
        (Text(9, "[0-9]+", "digits"), "12", "12"),
    ],
)
def test_a_text_has_its_value(kind: Kind, text: str, value: object) -> None:
    assert value_of(Parameter("x", kind, "about"), text) == value


@given(st.text(max_size=50))
def test_a_text_is_a_value_or_a_sentence(text: str) -> None:
    for kind in (When(), When(until=True), Whole(1, 9), OneOf(("a",)), YesNo(), Text(9, "a+", "a")):
        sentence = ""
        try:
            value = value_of(Parameter("x", kind, "about"), text)
        except Refused as no:
            sentence = no.why
        else:
            assert value is not None
        if sentence:
            assert sentence.startswith("x=")
            assert sentence.isprintable()
            assert len(sentence) < 200


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        (Whole(1, 9), 5, 10),
        (OneOf(("a", "b")), "a", "c"),
        (YesNo(), True, "x"),
        (Text(3), "abc", "abcd"),
        (Text(9, "[0-9]+", "digits"), "12", "12a"),
    ],
)
def test_the_schema_allows_what_is_read(kind: Kind, good: Any, wrong: Any) -> None:
    schema = Parameter("x", kind, "about").described()["schema"]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert not validator.is_valid(wrong)
