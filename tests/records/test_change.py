"""A change of the records, and its way through a spool file."""

import json

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.records.change import Change

VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()


@given(st.dictionaries(st.text(), VALUES | st.lists(VALUES)), st.booleans())
def test_a_change_of_json_types_survives_a_file(row: dict[str, object], update: bool) -> None:
    change = Change("turns", row, update)
    assert Change(*json.loads(json.dumps(change))) == change


def test_a_row_is_new_unless_it_says_otherwise() -> None:
    assert not Change("calls", {"key": "k"}).update
