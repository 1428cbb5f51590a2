"""Telephone numbers in reverse order, and which two numbers are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.records.numbers import backwards, is_same, significant


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("+49 228 123-45", "54321822" + "94"),
        ('"Ann 7" <sip:4711@pbx.example>', "1174"),
        ("sip:Alice@pbx;user=phone", "ecila"),
        ("*97#", "79"),
        ("anonymous", "suomynona"),
        ("", None),
        (" - ", None),
        (None, None),
    ],
)
def test_only_letters_and_digits_of_a_number_count(written: str | None, kept: str | None) -> None:
    assert backwards(written) == kept


@pytest.mark.parametrize("written", ["+4922812345", "0049 228 12345", "4922812345"])
def test_one_number_is_the_same_however_it_is_written(written: str) -> None:
    kept = backwards("+49 228 12345")
    assert kept is not None
    assert is_same(kept, significant(written))
    other = backwards(written)
    assert other is not None
    assert is_same(other, significant("0049 (228) 12345"))


@pytest.mark.parametrize("wanted", ["12345", "22812345", "1", ""])
def test_the_end_of_a_number_is_another_number(wanted: str) -> None:
    kept = backwards("+4922812345")
    assert kept is not None
    assert not is_same(kept, significant(wanted))


def test_a_zero_counts_in_an_extension() -> None:
    assert significant("007") == "700"
    assert not is_same("7", significant("007"))


@given(st.text(max_size=80))
def test_any_text_has_a_form_that_every_database_takes(text: str) -> None:
    kept = backwards(text)
    assert kept is None or (kept.isascii() and kept.isalnum() and kept == kept.lower())
    assert significant(text).isascii()
