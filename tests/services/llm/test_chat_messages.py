"""A conversation as Chat Completions has it: what a server reads, whatever a model once wrote."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import (
    Entry,
    Message,
    Opaque,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from avr_sts_speechmatics.sandbox import chat_completions
from avr_sts_speechmatics.services.llm.chat_messages import (
    MessageForm,
    chat_messages,
    chat_tools,
)

QUESTION = Message("user", "When is my booking?")


def asked(name: str = "find_booking", arguments: str = "{}", id: str = "a") -> ToolCall:
    return ToolCall(id, name, arguments)


def test_instructions_come_first_and_only_if_there_are_any() -> None:
    said = {"role": "user", "content": "When is my booking?"}
    assert chat_messages("", [QUESTION]) == [said]
    assert chat_messages("Be brief.", [QUESTION]) == [
        {"role": "system", "content": "Be brief."},
        said,
    ]


def test_tools_asked_for_together_are_one_message_with_the_text_before_them() -> None:
    history: list[Entry] = [
        QUESTION,
        Message("assistant", "One moment."),
        asked(arguments='{"code": "KX41"}'),
        asked("opening_hours", id="b"),
        ToolResult("a", "Friday"),
        ToolResult("b", "nine to six"),
        Message("assistant", "On Friday."),
    ]
    _, request, *results, answer = chat_messages("", history)
    assert (request["role"], request["content"]) == ("assistant", "One moment.")
    assert request["tool_calls"] == [
        {
            "id": "a",
            "type": "function",
            "function": {"name": "find_booking", "arguments": '{"code": "KX41"}'},
        },
        {"id": "b", "type": "function", "function": {"name": "opening_hours", "arguments": "{}"}},
    ]
    assert results == [
        {"role": "tool", "tool_call_id": "a", "content": "Friday"},
        {"role": "tool", "tool_call_id": "b", "content": "nine to six"},
    ]
    assert answer == {"role": "assistant", "content": "On Friday."}


def test_tools_asked_for_after_results_are_a_message_of_their_own() -> None:
    history: list[Entry] = [QUESTION, asked(), ToolResult("a", "none")]
    history += [asked(id="b"), ToolResult("b", "none")]
    roles = [message["role"] for message in chat_messages("", history)]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]


def sent(call: ToolCall) -> tuple[str, str]:
    """Name and arguments as a server would read them of a call asked for earlier."""
    (request,) = chat_messages("", [call])
    function = request["tool_calls"][0]["function"]
    return function["name"], function["arguments"]


DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


@pytest.mark.parametrize(
    "arguments",
    ['{"to": ', "", "KX41", '["KX41"]', "null", "7", pytest.param(DEEP, id="deep")],
)
def test_arguments_that_are_no_object_are_left_out_afterwards(arguments: str) -> None:
    assert sent(asked(arguments=arguments)) == ("find_booking", "{}")


@pytest.mark.parametrize(
    ("name", "as_sent"),
    [
        ("find_booking", "find_booking"),
        ("functions.find booking", "functions_find_booking"),
        ("", "unknown"),
        ("a" * 65, "a" * 64),
        ("büchen", "b_chen"),
    ],
)
def test_a_name_that_no_function_may_have_is_not_repeated(name: str, as_sent: str) -> None:
    assert sent(asked(name))[0] == as_sent


CALLS = st.builds(lambda name, arguments: (name, arguments), st.text(), st.text())


@given(st.lists(st.tuples(st.text(min_size=1), st.lists(CALLS, max_size=3)), max_size=4))
def test_whatever_a_model_wrote_the_next_request_is_one_a_server_takes(
    rounds: list[tuple[str, list[tuple[str, str]]]],
) -> None:
    history: list[Entry] = [QUESTION]
    for number, (text, calls) in enumerate(rounds):
        history.append(Message("assistant", text))
        ids = [f"{number}.{place}" for place in range(len(calls))]
        history += [ToolCall(id, *call) for id, call in zip(ids, calls, strict=True)]
        history += [ToolResult(id, "done") for id in ids]
    messages = chat_messages("Be brief.", history)
    chat_completions.parse({"model": "any", "messages": messages})
    for message in messages:
        for call in message.get("tool_calls", ()):
            assert isinstance(json.loads(call["function"]["arguments"]), dict)


def test_tools_are_offered_with_name_description_and_schema() -> None:
    schema = {"type": "object", "properties": {}}
    assert chat_tools([ToolSpec("look", "Looks.", schema)]) == [
        {
            "type": "function",
            "function": {"name": "look", "description": "Looks.", "parameters": schema},
        }
    ]


STRICT = MessageForm(system="user", alternate=True, tool_messages=False)
SAID: st.SearchStrategy[Entry] = st.builds(
    Message, st.sampled_from(("user", "assistant")), st.text(min_size=1, max_size=5)
)


@given(st.lists(SAID, min_size=1, max_size=8), st.booleans())
def test_in_the_strictest_form_roles_alternate_and_nothing_is_lost(
    history: list[Entry], with_tool: bool
) -> None:
    if with_tool:
        history = [*history, asked(), ToolResult("a", "nine to six")]
    messages = chat_messages("Be brief.", history, STRICT)
    roles = [message["role"] for message in messages]
    assert roles == [("user", "assistant")[place % 2] for place in range(len(roles))]
    words = "\n".join(message["content"] for message in messages)
    assert "Be brief." in words
    for entry in history:
        assert isinstance(entry, ToolCall) or entry.content in words


@given(st.lists(SAID | st.just(asked()), min_size=1, max_size=8))
def test_alternating_messages_are_ones_a_server_takes(history: list[Entry]) -> None:
    entries: list[Entry] = []
    for number, entry in enumerate(history):
        if isinstance(entry, ToolCall):
            entries += [ToolCall(f"{number}", "look", "{}"), ToolResult(f"{number}", "done")]
        else:
            entries.append(entry)
    messages = chat_messages("", entries, MessageForm(alternate=True))
    chat_completions.parse({"model": "any", "messages": messages})
    assert messages[0]["role"] == "user"
    counted = [
        m["role"]
        for m in messages
        if m["role"] == "user" or (m["role"] == "assistant" and not m.get("tool_calls"))
    ]
    pairs = itertools.pairwise(counted)
    assert all(pair != ("user", "user") for pair in pairs)


def test_opaque_fields_go_to_their_server_and_never_replace_ours() -> None:
    opaque = Opaque(
        "here",
        {"extra_content": {"a": 1}, "function": {"strict": True, "name": "x"}},
        {"reasoning_content": "hm", "content": "no"},
    )
    call = ToolCall("a", "find_booking", "{}", opaque)
    (message,) = chat_messages("", [call], server="here")
    assert message["reasoning_content"] == "hm"
    assert message["content"] is None
    (sent,) = message["tool_calls"]
    assert sent["extra_content"] == {"a": 1}
    assert sent["function"] == {"strict": True, "name": "find_booking", "arguments": "{}"}
    (message,) = chat_messages("", [call], server="elsewhere")
    assert set(message) == {"role", "content", "tool_calls"}
    assert set(message["tool_calls"][0]) == {"id", "type", "function"}
