"""The rows by which outcomes of calls are searched."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.records.outcomes import ROWS_MAX, outcome_changes

KEY = "01a31857bc20" + "0" * 20


def rows(outcome: dict[str, Any]) -> list[tuple[str, str]]:
    changes = list(outcome_changes(KEY, outcome))
    assert changes[0].row == {"key": KEY, "outcome": outcome}
    assert changes[0].update
    found = [change.row for change in changes[1:]]
    assert [row["number"] for row in found] == list(range(1, len(found) + 1))
    assert all(row["call"] == KEY and row["began_ms"] == 0x01A31857BC20 for row in found)
    return [(row["name"], row["value"]) for row in found]


def test_a_field_with_a_value_is_a_row() -> None:
    assert rows({"Reason": " New  Booking ", "booked": True, "guests": 4, "note": None}) == [
        ("reason", "new booking"),
        ("booked", "true"),
        ("guests", "4"),
    ]


def test_each_item_of_a_list_is_a_row() -> None:
    assert rows({"tags": ["A", "b", None], "none": []}) == [("tags", "a"), ("tags", "b")]


def test_an_object_is_found_as_it_is_written() -> None:
    assert rows({"place": {"Town": "Bonn"}}) == [("place", '{"town": "bonn"}')]


def test_an_outcome_without_end_has_a_bounded_number_of_rows() -> None:
    assert len(rows({"tags": ["x"] * 1000})) == ROWS_MAX


@given(st.dictionaries(st.text(max_size=300), st.text(st.characters(codec=None), max_size=300)))
def test_every_row_fits_every_database(outcome: dict[str, Any]) -> None:
    for name, value in rows(outcome):
        assert len(name) <= 100
        assert len(value) <= 200
        assert "\0" not in name + value
        (name + value).encode()
