"""The outcome of a call without a model: what the receptionist remembers of it."""

import json
from typing import Any

import pytest

from avr_sts_speechmatics.receptionist import filled, messages_of


def schema(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


TEXT = {"type": ["string", "null"]}
BOOKING = [
    {"role": "assistant", "content": "Hello, how can I help you?"},
    {"role": "user", "content": "My name is Anna Smith, I would like to book an appointment."},
    {"role": "assistant", "content": "For which day?"},
    {"role": "user", "content": "Next Tuesday at half past three please."},
    {"role": "user", "content": "My number is five five three eight eight two."},
]


def test_fields_are_filled_by_what_their_names_ask_for() -> None:
    wanted = schema(
        caller_name=TEXT,
        callback_number=TEXT,
        day=TEXT,
        appointment_time=TEXT,
        booked={"type": ["string", "null"], "enum": ["yes", "no", None]},
        appointment={"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        order_number=TEXT,
        mood=TEXT,
        people={"type": "integer"},
    )
    assert filled(wanted, BOOKING) == {
        "caller_name": "Anna Smith",
        "callback_number": "553882",
        "day": "next Tuesday",
        "appointment_time": "half past three",
        "booked": "yes",
        "appointment": True,
    }


@pytest.mark.parametrize("said", ["What are your opening hours?", "I want to cancel my booking."])
def test_nothing_is_booked_that_was_not_asked_for_with_day_and_time(said: str) -> None:
    wanted = schema(booked={"type": "boolean"}, reserved={"enum": ["maybe"]}, name=TEXT)
    assert filled(wanted, [{"role": "user", "content": said}]) == {"booked": False}


def test_an_empty_conversation_fills_nothing_but_what_did_not_happen() -> None:
    assert filled(schema(name=TEXT, phone=TEXT), []) == {}
    assert filled({}, []) == {}


def test_the_transcript_is_found_in_a_request() -> None:
    lines = [{"speaker": "caller", "said": "Hi [there] {you}"}, {"speaker": "agent", "said": "Hi"}]
    text = f"It is over.\nFacts: {{}}\nTranscript:\n{json.dumps(lines)}"
    assert messages_of(text) == [
        {"role": "user", "content": "Hi [there] {you}"},
        {"role": "assistant", "content": "Hi"},
    ]
    for other in ("", "[]", "[1]", "[{}]", "[{]", '[{"speaker": "caller"}]', "[" * 9000):
        assert messages_of(other) == []
