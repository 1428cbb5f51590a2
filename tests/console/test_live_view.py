"""A view changes by events as the call itself does."""

from typing import get_args

from avr_sts_speechmatics.console.live_view import STATES, TurnState, applied


def test_states_are_declared_once_more_in_the_schema_only() -> None:
    assert get_args(TurnState) == STATES


def test_events_change_what_they_name_and_nothing_else() -> None:
    view = {"agent": "a", "state": "arriving", "caller_says": None, "agent_says": None}
    applied(view, "state", {"state": "speaking", "agent": "b"})
    applied(view, "words", {"speaker": "caller", "text": "Hello?", "final": False})
    applied(view, "key", {"digit": "7"})
    assert view == {
        "agent": "b",
        "state": "speaking",
        "caller_says": {"text": "Hello?", "final": False},
        "agent_says": None,
    }
