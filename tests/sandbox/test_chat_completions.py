"""Chat Completions as values: requests checked, answers built."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.sandbox.chat_completions import Answer, BadRequest, parse
from avr_sts_speechmatics.sandbox.engines import ToolCall

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "found"}


def body(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-6-luna", "messages": [USER], **more}


def test_a_request_with_all_fields_of_a_telephone_agent_is_accepted() -> None:
    request = parse(
        body(
            stream=True,
            stream_options={"include_usage": True},
            tools=[{"type": "function", "function": {"name": "find", "parameters": {}}}],
            reasoning_effort="none",
            verbosity="low",
            max_completion_tokens=300,
            parallel_tool_calls=False,
            service_tier="auto",
            prompt_cache_key="agent",
        )
    )
    assert request.tools == {"find"}
    assert request.include_usage


def test_tool_choice_none_offers_no_tools() -> None:
    tools = [{"type": "function", "function": {"name": "find"}}]
    assert parse(body(tools=tools, tool_choice="none")).tools == frozenset()


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        ([], None),
        (body(temprature=1), "temprature"),
        (body(model=""), "model"),
        (body(messages=[]), "messages"),
        (body(messages=[{"role": "robot", "content": "x"}]), "messages[0]"),
        (body(messages=[{"role": "user"}]), "messages[0]"),
        (body(messages=[USER, RESULT]), "messages[1]"),
        (body(messages=[USER, CALLED]), "messages"),
        (body(messages=[USER, CALLED, USER]), "messages[2]"),
        (body(stream="yes"), "stream"),
        (body(stream_options={"include_usage": True}), "stream_options"),
        (body(tools=[{"name": "find"}]), "tools[0].function.name"),
    ],
)
def test_an_invalid_request_is_refused_with_the_name_of_the_field(
    request_body: object, param: str | None
) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(request_body)
    assert caught.value.param == param


def wanted(schema: object, **more: Any) -> dict[str, Any]:
    form = {"name": "outcome", "schema": schema, **more}
    return body(response_format={"type": "json_schema", "json_schema": form})


STRICT = {
    "type": "object",
    "properties": {"a": {"type": ["string", "null"]}},
    "required": ["a"],
    "additionalProperties": False,
}


def test_a_request_may_want_words_an_object_or_an_object_of_a_schema() -> None:
    assert parse(body()).schema is None
    assert parse(body(response_format={"type": "text"})).schema is None
    said = [{"role": "user", "content": "Answer in JSON."}]
    assert parse(body(messages=said, response_format={"type": "json_object"})).schema == {}
    assert parse(wanted(STRICT, strict=True)).schema == STRICT
    loose = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}
    assert parse(wanted(loose)).schema == loose


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (body(response_format={"type": "json_object"}), "the word 'json'"),
        (body(response_format={"type": "xml"}), "Invalid value"),
        (body(response_format="json"), "Invalid value"),
        (body(response_format={"type": "json_schema"}), "Invalid value"),
        (wanted("x"), "Invalid schema"),
        (wanted({**STRICT, "required": []}, strict=True), "every key in properties"),
        (wanted({**STRICT, "additionalProperties": True}, strict=True), "to be false"),
        (
            wanted(
                {**STRICT, "properties": {"a": {"type": "string", "minLength": 1}}}, strict=True
            ),
            "'minLength' is not permitted",
        ),
    ],
)
def test_a_wish_that_the_cloud_refuses_is_refused(request_: dict[str, Any], error: str) -> None:
    with pytest.raises(BadRequest, match=error):
        parse(request_)


def test_a_tool_call_with_its_result_is_accepted() -> None:
    assert parse(body(messages=[USER, CALLED, RESULT])).messages[2] == RESULT


@given(st.lists(st.text(min_size=1), max_size=5), st.lists(st.text(min_size=1), max_size=3))
def test_the_chunks_of_an_answer_add_up_to_the_whole(texts: list[str], calls: list[str]) -> None:
    answer = Answer(parse(body(stream=True, stream_options={"include_usage": True})))
    chunks = [answer.opening()]
    pieces: list[str | ToolCall] = [*texts, *(ToolCall("find", call) for call in calls)]
    for piece in pieces:
        chunks += answer.add(piece)
    chunks += answer.closing()
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert "".join(delta.get("content", "") for delta in deltas) == "".join(texts)
    arguments = [""] * len(calls)
    for fragment in (f for delta in deltas for f in delta.get("tool_calls", ())):
        arguments[fragment["index"]] += fragment["function"]["arguments"]
    assert arguments == calls
    message = answer.whole()["choices"][0]["message"]
    assert (message["content"] or "") == "".join(texts)
    assert [c["function"]["arguments"] for c in message.get("tool_calls", [])] == calls
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == answer.whole()["usage"]
