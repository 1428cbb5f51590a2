"""What the refusals of servers mean. How each is cured: test_strict_servers, test_request_form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.services.llm.api_error import ApiError
from avr_sts_speechmatics.services.llm.refusals import Refusal


def refused(message: str, status: int = 400, code: str = "", param: str = "") -> Refusal:
    return Refusal(status, code, param, message.lower(), message)


@pytest.mark.parametrize(
    "message",
    [
        "Failed to call a function. Please adjust your prompt. See 'failed_generation'",
        "tool_use_failed",
        "Tool call validation failed: attempted to call tool 'x' which was not in request.tools",
    ],
)
def test_a_call_that_failed_is_no_refusal_of_tools(message: str) -> None:
    assert refused(message).failed_call


@pytest.mark.parametrize(
    "message",
    [
        "Tool call IDs should be alphanumeric strings with length 9!",
        "Unexpected role 'user' after role 'tool'",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to it",
        "Unsupported role: 'tool'",
        "Function call is missing a thought_signature in functionCall parts.",
        "Invalid value for temperature",
        "This model's maximum context length is 4096 tokens",
        "Conversation roles must alternate user/assistant/user/assistant/...",
    ],
)
def test_a_refused_message_is_no_refusal_of_tools(message: str) -> None:
    assert not refused(f"{message} invalid_request_error").tools


@pytest.mark.parametrize(
    "message",
    [
        "Conversation roles must alternate user/assistant/user/assistant/...",
        'Error rendering prompt with jinja template: "TemplateError: roles must alternate"',
        "First message must be from user",
        "last message must have role 'user'",
        "Cannot set add_generation_prompt to True when the last message is from the assistant",
        "Assistant response prefill is incompatible with enable_thinking.",
        "No user query found in messages.",
        "Only user and assistant roles are supported!",
    ],
)
def test_an_order_of_messages_is_recognised(message: str) -> None:
    assert refused(message).roles


@pytest.mark.parametrize(
    "message",
    [
        "System role not supported",
        "Only user and assistant roles are supported!",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Unexpected role 'system'",
        "System messages are not supported",
        "does not support 'developer'",
    ],
)
def test_a_refused_system_message_is_recognised(message: str) -> None:
    assert refused(message).system


@pytest.mark.parametrize(
    ("status", "message", "cured"),
    [
        (400, "anything", True),
        (401, "wrong key", False),
        (403, "forbidden", False),
        (404, "the model does not exist", False),
        (404, "No endpoints found that support tool use", True),
        (429, "too many requests", False),
        (429, "Request too large for model", True),
        (503, "overloaded", False),
    ],
)
def test_only_some_refusals_may_be_cured(status: int, message: str, cured: bool) -> None:
    assert refused(message, status).may_be_cured is cured


def test_a_tool_is_found_by_its_place_or_its_name() -> None:
    assert refused("bad", param="tools[2].function.parameters").tool_place == 2
    assert refused("GenerateContentRequest.tools[0].function_declarations[1]: bad").tool_place == 0
    assert refused("bad").tool_place is None
    named = refused("Invalid schema for function 'find_booking': no type")
    assert named.tool_named("find_booking")
    assert not named.tool_named("find")


@pytest.mark.parametrize(
    ("field", "holds"), [("max_tokens", False), ("max_completion_tokens", True)]
)
def test_a_field_is_named_as_a_whole_word(field: str, holds: bool) -> None:
    assert refused("Unsupported parameter: 'max_completion_tokens'").names(field) is holds


@given(st.text(), st.none() | st.text() | st.dictionaries(st.text(), st.text()))
def test_any_error_of_a_server_is_read(message: str, body: object) -> None:
    found = Refusal.of(ApiError(message, body))
    assert found.status == 0
    for ask in ("failed_call", "too_long", "tools", "roles", "system", "ids", "content"):
        assert getattr(found, ask) in (True, False)
