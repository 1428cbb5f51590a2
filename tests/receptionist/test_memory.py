"""What the messages of a call say about where the conversation stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.receptionist.memory import Conversation, ToolResult

Messages = list[dict[str, Any]]


def user(text: object) -> dict[str, Any]:
    return {"role": "user", "content": text}


def agent(text: str | None, **more: object) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def so_far(*messages: dict[str, Any]) -> Conversation:
    return Conversation.of(messages, frozenset())


def test_what_was_said_since_the_last_answer_is_one_text() -> None:
    call = so_far(
        {"role": "system", "content": "Be brief."},
        user("Hello?"),
        agent("Good morning."),
        user("It's Anna."),
        user([{"type": "text", "text": "When are"}, {"type": "text", "text": "you open?"}]),
    )
    assert call.text == "It's Anna. When are you open?"
    assert call.last_answer == "Good morning."
    assert (call.turns, len(call.earlier)) == (1, 3)


def test_an_answer_the_caller_never_heard_was_never_given() -> None:
    call = so_far(user("Hello?"), agent(None), agent(""), user("Are you there?"))
    assert (call.turns, call.last_answer) == (0, "")
    assert not call.asked("Good morning")


def test_keys_are_kept_apart_from_words() -> None:
    call = so_far(user("My number is [keys: 553#]"))
    assert "553" in call.text
    assert "553" not in call.said


ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
CONTENT = st.none() | st.text(max_size=20) | st.lists(st.fixed_dictionaries({"text": st.text()}))
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": CONTENT}), max_size=12)


@given(MESSAGES)
def test_any_messages_are_a_conversation_and_the_same_ones_the_same(messages: Messages) -> None:
    call = Conversation.of(messages, frozenset())
    assert call == Conversation.of(messages, frozenset())
    assert call.turns <= sum(message["role"] == "assistant" for message in messages)
    assert all(text for text in call.earlier)
    if messages and messages[-1]["role"] in ("assistant", "tool"):
        assert call.text == ""
    if call.text:
        assert call.text.endswith(call.earlier[-1])


def test_the_last_name_given_counts() -> None:
    assert so_far(user("This is Anna speaking.")).caller_name == "Anna"
    corrected = so_far(user("My name is Anna."), agent("Anna."), user("No, my name is Hannah."))
    assert corrected.caller_name == "Hannah"
    assert so_far(user("When are you open?")).caller_name is None


def test_an_appointment_is_gathered_from_several_turns() -> None:
    call = so_far(
        user("Are you open on Monday?"),
        agent("Yes."),
        user("I'd like an appointment."),
        agent("Which day?"),
        user("On Friday."),
        agent("At what time?"),
        user("At half past nine."),
    )
    assert call.appointment_day == "Friday"
    assert call.appointment_time == "half past nine"
    assert call.appointment == "an appointment for Friday at half past nine"


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("The call has been transferred.", False),
        ("It could not be done.", True),
        ("Timed out", True),
        (json.dumps({"ok": True, "message": "no error"}), False),
        (json.dumps({"success": False}), True),
        (json.dumps({"error": "busy"}), True),
        (json.dumps({"message": "unavailable"}), True),
        (json.dumps([1, 2]), False),
    ],
)
def test_a_tools_result_has_its_name_and_whether_it_failed(text: str, failed: bool) -> None:
    function = {"name": "avr_transfer", "arguments": "{}"}
    call = so_far(
        user("Sales, please."),
        agent("One moment.", tool_calls=[{"id": "a", "function": function}]),
        {"role": "tool", "tool_call_id": "a", "content": text},
    )
    assert call.result == ToolResult("avr_transfer", failed)
    assert so_far(user("Hello?")).result is None


def test_a_cancellation_is_remembered_while_its_number_is_asked_for() -> None:
    asked = [user("I want to cancel my order."), agent("Which number?"), user("553 882")]
    assert so_far(*asked).cancelling
    assert not so_far(*asked, *(user("Something else.") for _ in range(6))).cancelling
