"""The cells of a CSV file: no cell is a formula, and no telephone number is changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.records.csv_cells import cell


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (-0.5, "-0.5"),
        ("+49 (228) 123-45", "+49 (228) 123-45"),
        ("-", "-"),
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("\t=1+1", "'\t=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("a\0b", "ab"),
        ({"booked": True}, '{"booked": true}'),
        (["ä"], '["ä"]'),
    ],
)
def test_a_value_as_a_cell(value: object, shown: str) -> None:
    assert cell(value) == shown


@given(st.text(alphabet=" =+-@\t\r1a(\0"))
def test_what_begins_like_a_formula_is_a_number_or_gets_an_apostrophe(text: str) -> None:
    shown = cell(text)
    if shown.lstrip(" \n")[:1] in ("=", "+", "-", "@", "\t", "\r"):
        assert "a" not in shown
        assert not set("=@") & set(shown)
