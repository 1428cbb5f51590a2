"""Names of models and their servers, and conversations in the form of the conventions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.telemetry.open_telemetry_reply import (
    HISTORY_MAX,
    Model,
    Request,
    request_span,
)
from avr_sts_speechmatics.telemetry.open_telemetry_span import TEXT_MAX, Kind, Span


def make(
    name: str, span_id: str, parent_id: str, began: float, ended: float, kind: Kind = "internal"
) -> Span:
    return Span(name, TraceContext("a" * 32, span_id, 1), parent_id, began, ended, 0, kind)


def messages(history: list[Entry]) -> list[dict[str, object]]:
    request = Request("b" * 16, 1.0, history)
    span = request_span(make, request, 1, Model("m", "openai", "host", 443), "c" * 16, 2.0)
    found: list[dict[str, object]] = json.loads(str(span.attributes["gen_ai.input.messages"]))
    return found


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("https://api.openai.com/v1", Model("m", "openai", "api.openai.com", 443)),
        ("https://eu.openai.azure.com", Model("m", "azure.ai.openai", "eu.openai.azure.com", 443)),
        ("https://api.groq.com/openai/v1", Model("m", "groq", "api.groq.com", 443)),
        ("http://localhost:11434/v1", Model("m", "openai", "localhost", 11434)),
        ("http://[::1]/v1", Model("m", "openai", "::1", 80)),
    ],
)
def test_a_model_is_described_by_its_server(url: str, model: Model) -> None:
    assert Model.at("m", url) == model


def test_a_model_without_a_server_is_no_client() -> None:
    span = request_span(make, Request("b" * 16, 1.0), 1, Model("m", "scripted"), "c" * 16, 2.0)
    assert span.kind == "internal"
    assert "server.address" not in span.attributes


def test_a_conversation_has_the_form_of_the_conventions() -> None:
    assert messages(
        [
            Message("user", "Is it booked?"),
            ToolCall("1", "find", '{"code": 1}'),
            ToolResult("1", "Friday"),
            Message("assistant", "On Friday."),
        ]
    ) == [
        {"role": "user", "parts": [{"type": "text", "content": "Is it booked?"}]},
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "1", "name": "find", "arguments": '{"code": 1}'}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "1", "response": "Friday"}],
        },
        {"role": "assistant", "parts": [{"type": "text", "content": "On Friday."}]},
    ]


@given(st.lists(st.builds(Message, st.just("user"), st.text(max_size=50)), max_size=40))
def test_a_long_conversation_is_bounded(history: list[Message]) -> None:
    found = messages(list(history))
    assert len(found) <= HISTORY_MAX
    assert len(str(messages([Message("user", "x" * 9 * TEXT_MAX)]))) < TEXT_MAX + 100


def test_half_a_character_costs_the_words_only() -> None:
    assert messages([Message("user", "half \ud83d")]) == []
