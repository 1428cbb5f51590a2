"""Text from strangers: bounded and printable, whatever was sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.transports.untrusted_text import (
    FACT_NAME_MAX,
    FACT_VALUE_MAX,
    FACTS_MAX,
    clean,
    facts_of,
    text_of,
)


@given(query=st.text(max_size=2000))
def test_facts_of_any_path_are_bounded(query: str) -> None:
    facts = facts_of("/?" + query)
    assert len(facts) <= FACTS_MAX
    for name, value in facts.items():
        assert len(name) <= FACT_NAME_MAX
        assert len(value) <= FACT_VALUE_MAX
        assert (name + value).isprintable()


def test_facts_are_decoded_and_the_first_of_a_name_counts() -> None:
    facts = facts_of("/?from=2001&channel=PJSIP%2F2000-00000013&from=666&empty=")
    assert facts == {"from": "2001", "channel": "PJSIP/2000-00000013", "empty": ""}


def test_a_trace_context_is_no_fact_and_takes_no_room() -> None:
    names = "&".join(f"name{n}=x" for n in range(FACTS_MAX))
    facts = facts_of(f"/?TraceParent=00-1&{names}&tracestate=a%3D1")
    assert len(facts) == FACTS_MAX
    assert not [name for name in facts if "trace" in name.lower()]


def test_a_value_without_a_text_is_empty() -> None:
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    assert text_of(deep) == ""
    assert text_of(10**5000) == ""
    assert text_of(5) == "5"


@pytest.mark.parametrize(
    ("more", "used"), [(0, FACTS_MAX), (1, 0)], ids=["as many as allowed", "one too many"]
)
def test_too_many_query_parameters_are_all_ignored_and_logged(
    more: int, used: int, caplog: pytest.LogCaptureFixture
) -> None:
    query = "&".join(f"name{n}=x" for n in range(FACTS_MAX + more))
    assert len(facts_of("/?" + query)) == used
    assert ("query parameters" in caplog.text) is (more > 0)


@given(text=st.text(), longest=st.integers(0, 20))
def test_clean_text_is_printable_and_keeps_its_order(text: str, longest: int) -> None:
    cleaned = clean(text, longest)
    assert cleaned.isprintable()
    assert cleaned == "".join(c for c in text[:longest] if c in cleaned)


def test_control_characters_and_overlong_text_are_cut() -> None:
    assert clean("Ann\r\nforged log line", 8) == "Annfor"


def test_an_address_that_cannot_be_read_has_no_facts() -> None:
    complaints: list[str] = []
    assert facts_of("//[?from=2001", complaints.append) == {}
    assert complaints == ["the address cannot be read: its query parameters are not used"]
