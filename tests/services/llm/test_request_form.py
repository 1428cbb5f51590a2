"""The form of requests, and how a refusal changes it. Against servers: test_strict_servers."""

from typing import Any

import pytest

from avr_sts_speechmatics.conversation import GO_ON, Entry, Message, ToolCall, ToolResult, ToolSpec
from avr_sts_speechmatics.services.llm.refusals import Refusal
from avr_sts_speechmatics.services.llm.request_form import Asked, RequestForm

LOOK = ToolSpec("look", "Looks.", {"type": "object"})
QUESTION = Message("user", "When do you close?")
HISTORY: list[Entry] = [
    Message("assistant", "Hello."),
    QUESTION,
    ToolCall("call_0123456789", "look", "{}"),
    ToolResult("call_0123456789", "five"),
]
ASKED = Asked("Be brief.", (LOOK,), HISTORY)
FORM = RequestForm({"model": "m", "max_tokens": 300, "temperature": 0.5})


def refused(message: str, status: int = 400, param: str = "") -> Refusal:
    return Refusal(status, "", param, message.lower(), message)


def cured(message: str, form: RequestForm = FORM, **refusal: Any) -> RequestForm:
    found = form.cured(refused(message, **refusal), ASKED)
    assert found is not None
    return found


def test_a_request_never_ends_with_the_agents_words() -> None:
    history = [QUESTION, Message("assistant", "We close at")]
    messages = FORM.body(Asked("", (), history))["messages"]
    assert messages[-1] == {"role": "user", "content": GO_ON}
    assert FORM.body(ASKED)["messages"][-1]["role"] == "tool"


def test_identifiers_become_short_where_a_server_wants_them_so() -> None:
    form = cured("Tool call id was call_0123456789 but must be a-z, A-Z, 0-9, with a length of 9.")
    messages = form.body(ASKED)["messages"]
    (call,) = messages[-2]["tool_calls"]
    assert len(call["id"]) == 9
    assert call["id"].isalnum()
    assert messages[-1]["tool_call_id"] == call["id"]


def test_a_message_without_text_gets_an_empty_text_where_none_is_refused() -> None:
    form = cured("messages.2.content: Input should be a valid string")
    assert form.body(ASKED)["messages"][-2]["content"] == ""


def test_each_message_is_made_stricter_until_nothing_is_left_to_change() -> None:
    form, changes = FORM, 0
    while (found := form.cured(refused("roles must alternate"), ASKED)) is not None:
        form, changes = found, changes + 1
        assert changes < 5
    messages = form.body(ASKED)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"].startswith("Be brief.")
    assert "five" in messages[-1]["content"]


def test_a_developer_message_is_tried_before_a_user_message() -> None:
    message = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
    form = cured(message)
    assert form.body(ASKED)["messages"][0]["role"] == "developer"
    form = cured("Unexpected role 'developer'", form)
    assert form.body(ASKED)["messages"][0]["role"] == "user"


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_wrong_key_or_a_busy_server_changes_nothing(status: int) -> None:
    assert FORM.cured(refused("tools are not supported", status=status), ASKED) is None


def test_a_change_is_told_with_the_servers_reason() -> None:
    (change,) = cured("temperature is not supported").changes
    assert change == "temperature is not sent (the server: temperature is not supported)"


def test_the_longest_answer_has_two_names() -> None:
    official = RequestForm({"model": "m", "max_completion_tokens": 300})
    form = cured("Unrecognized request argument: max_completion_tokens", official)
    assert form.parameters == {"model": "m", "max_tokens": 300}
    form = cured("Use 'max_completion_tokens' instead of 'max_tokens'.")
    assert form.parameters["max_completion_tokens"] == 300
    form = cured("Unknown field max_completion_tokens", form)
    assert "max_tokens" not in form.parameters or form.parameters["max_tokens"] == 300


def test_an_unnamed_reason_costs_what_is_only_nice_to_have() -> None:
    form = RequestForm({"model": "m", "stream_options": {"include_usage": True}})
    asked = Asked("", (), [QUESTION])
    found = form.cured(refused("Bad request"), asked)
    assert found is not None
    assert found.parameters == {"model": "m"}
    assert found.cured(refused("Bad request"), asked) is None
    assert form.cured(refused("no such model", param="model"), asked) is None
