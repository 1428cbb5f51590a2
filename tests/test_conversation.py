"""A conversation's entries are values: what the dialogue wrote down cannot be changed later."""

from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from avr_sts_speechmatics.conversation import (
    HANG_UP,
    TRANSFER,
    Entry,
    Message,
    ToolCall,
    ToolResult,
    ToolSpec,
)

ENTRIES = [
    Message("user", "Sales, please."),
    ToolCall("a", TRANSFER, '{"transfer_extension": "700"}'),
    ToolResult("a", "The call has been transferred."),
]


def test_every_kind_of_entry_is_here() -> None:
    assert {type(entry) for entry in ENTRIES} == set(get_args(Entry))


@pytest.mark.parametrize("entry", [*ENTRIES, ToolSpec(HANG_UP, "End the call.", {})])
def test_no_entry_can_be_changed(entry: object) -> None:
    for field in fields(entry):  # type: ignore[arg-type]
        with pytest.raises(FrozenInstanceError):
            setattr(entry, field.name, "changed")
    with pytest.raises((AttributeError, TypeError)):
        entry.more = 1  # type: ignore[attr-defined]


def test_entries_with_the_same_words_are_equal_and_can_be_counted() -> None:
    assert Message("user", "Yes.") == Message("user", "Yes.")
    assert Message("user", "Yes.") != Message("assistant", "Yes.")
    assert len({*ENTRIES, *ENTRIES}) == 3


def test_the_calls_own_tools_have_the_names_all_avr_connectors_give_them() -> None:
    assert (HANG_UP, TRANSFER) == ("avr_hangup", "avr_transfer")
