"""Calls as CSV: what is written is what is read, and no cell is a formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.console.csv_export import heading, lines

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(TEXTS, TEXTS)))
def test_what_is_written_is_what_is_read(rows: list[tuple[str, str]]) -> None:
    given_rows = [{"a": a, "b": b} for a, b in rows]
    text = (heading(["a", "b"]) + lines(["a", "b"], given_rows)).decode()
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(read) == len(rows)
    for row, (a, b) in zip(read, rows, strict=True):
        assert row["a"].removeprefix("'") == a.removeprefix("'")
        assert row["b"].removeprefix("'") == b.removeprefix("'")
        assert not row["a"].startswith(("=", "@"))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "true"),
        (0.5, "0.5"),
        (-3, "-3"),
        ("+49 228 (0) 123-45", "+49 228 (0) 123-45"),
        ("=1+1", "'=1+1"),
        ("-2+cmd|' /C calc'!A0", "'-2+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("+1+cmd", "'+1+cmd"),
        ({"booked": True}, '{"booked": true}'),
    ],
)
def test_each_kind_of_value_has_its_form(value: object, cell: str) -> None:
    written = lines(["a", "b"], [{"a": value, "b": "x"}]).decode()
    assert next(csv.reader([written])) == [cell, "x"]
