"""Values of a call in the form in which they are kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.records.kept_values import (
    ARGUMENTS_MAX,
    arguments_of,
    clean,
    fact_of,
    kinds_of,
)

NAMES = {"from": "From", "clid": "clid"}


def test_the_first_wanted_fact_with_a_value_counts() -> None:
    facts = {"From": " 4711 ", "clid": "Ann"}
    assert fact_of(facts, NAMES, ("from", "clid")) == ("From", "4711")
    assert fact_of({"From": " ", "clid": "Ann"}, NAMES, ("from", "clid")) == ("clid", "Ann")
    assert fact_of({}, {}, ("from",)) == ("", None)


def test_phrases_have_the_names_of_an_agent_file() -> None:
    kinds = kinds_of(Manners(welcome="Hello.", sorry="Hello.", prompts=("One?", "Two?")))
    assert (kinds["Hello."], kinds["One?"], kinds["Two?"]) == ("welcome", "prompts", "prompts")
    assert {"sorry", "goodbye", "fillers"} - {"sorry"} <= set(kinds.values())


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", {}),
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("no JSON", "no JSON"),
        ('{"a": NaN}', '{"a": NaN}'),
        ('"\\u0000"', "\ufffd"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_arguments_are_kept_as_json_or_as_they_were_written(text: str, kept: Any) -> None:
    assert arguments_of(text) == kept


def test_long_arguments_are_cut() -> None:
    kept = arguments_of("x" * (ARGUMENTS_MAX + 1))
    assert kept == "x" * ARGUMENTS_MAX + "…"


ANY = st.recursive(
    st.text(st.characters(codec=None), max_size=20) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(ANY)
def test_clean_values_can_be_written_and_stay_clean(value: Any) -> None:
    kept = clean(value)
    written = json.dumps(kept, ensure_ascii=False)
    written.encode()
    assert "\\u0000" not in written
    assert clean(kept) == kept


@given(st.text())
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text.replace("\0", "\ufffd")
