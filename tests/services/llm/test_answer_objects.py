"""Answers that are JSON objects: the ways to ask for one, and the servers that refuse them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import Stall, Strict
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox, scripted
from avr_sts_speechmatics.services.llm.answer_objects import (
    OBJECTS,
    answer_fields,
    told_in_words,
)
from avr_sts_speechmatics.services.llm.openai import OpenAiLlm
from avr_sts_speechmatics.services.llm.protocol import AnswerForm, Brief, Usage
from avr_sts_speechmatics.values import Secret

SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "minLength": 2}}}
STRICT = {
    "type": "object",
    "properties": {"name": {"type": ["string", "null"]}},
    "required": ["name"],
    "additionalProperties": False,
}
FORM = AnswerForm("outcome", SCHEMA, STRICT, 2000)
BRIEF = Brief("Fill in a form.", answer=FORM)
ASKED = [Message("user", "Anna called.")]
# An object that looks like a tool call is an object.
OBJECT = '{"name": "Anna", "arguments": {"a": "<think>b</think>"}}'


def test_each_way_to_ask_is_looser_than_the_one_before() -> None:
    asked = [answer_fields(FORM, way, {"max_tokens": 300}) for way in OBJECTS]
    assert all(fields["max_tokens"] == 2000 for fields in asked)
    formats = [fields.get("response_format") for fields in asked]
    assert formats == [
        {
            "type": "json_schema",
            "json_schema": {"name": "outcome", "schema": STRICT, "strict": True},
        },
        {
            "type": "json_schema",
            "json_schema": {"name": "outcome", "schema": SCHEMA, "strict": False},
        },
        {"type": "json_object"},
        None,
    ]
    assert [bool(told_in_words(FORM, way)) for way in OBJECTS] == [False, False, True, True]
    assert json.dumps(SCHEMA) in told_in_words(FORM, "words")


def test_limits_of_the_settings_are_raised_and_never_lowered() -> None:
    assert answer_fields(FORM, "words", {"max_completion_tokens": 9000}) == {
        "max_completion_tokens": 9000
    }
    assert answer_fields(FORM, "words", {}) == {}


def test_a_schema_that_cannot_be_strict_is_never_sent_as_strict() -> None:
    form = AnswerForm("outcome", SCHEMA, None, 2000)
    wanted = answer_fields(form, "strict", {})["response_format"]["json_schema"]
    assert (wanted["strict"], wanted["schema"]) == (False, SCHEMA)


@asynccontextmanager
async def client_of(cloud: RunningSandbox, **changes: Any) -> AsyncIterator[OpenAiLlm]:
    llm = OpenAiLlm("a-model", Secret("a-key"), cloud.openai_url, **changes)
    try:
        yield llm
    finally:
        await llm.close()


async def answer_of(llm: OpenAiLlm, brief: Brief = BRIEF, **more: Any) -> str:
    return "".join([str(piece) async for piece in llm.reply(brief, ASKED, **more)])


async def test_an_object_arrives_as_it_was_written_and_its_tokens_are_reported() -> None:
    used: list[Usage] = []
    async with running_sandbox(scripted(outcomes=[OBJECT])) as cloud, client_of(cloud) as llm:
        assert await answer_of(llm, used=used.append) == OBJECT
        body = cloud.received.chats[0].body
        # Answers in words are asked for as before.
        assert await answer_of(llm, Brief("Be brief.")) == "I see."
        assert "response_format" not in cloud.received.chats[1].body
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["max_tokens"] == 2000
    assert len(used) == 1


@pytest.mark.parametrize(
    ("fault", "ways"),
    [
        (Strict(rule="field", field="response_format", count=1), ["strict", "schema"]),
        (
            Strict(rule="field", field="response_format", count=2),
            ["strict", "schema", "object"],
        ),
        (
            Strict(rule="field", field="response_format", count=None),
            ["strict", "schema", "object", "words"],
        ),
        (
            Strict(rule="field", field="response_format", message="Invalid request.", count=None),
            ["strict", "words"],
        ),
    ],
)
async def test_a_refused_way_is_replaced_by_the_next_and_remembered(
    fault: Strict, ways: list[str]
) -> None:
    engines = scripted(answers=[OBJECT], outcomes=[OBJECT])
    async with running_sandbox(engines) as cloud, client_of(cloud) as llm:
        cloud.faults.add(fault)
        assert await answer_of(llm) == OBJECT
        sent = [way_of(chat.body) for chat in cloud.received.chats]
        assert list(dict.fromkeys(sent)) == ways
        assert await answer_of(llm) == OBJECT
        assert way_of(cloud.received.chats[-1].body) == ways[-1]
        assert len(cloud.received.chats) == len(sent) + 1
        assert any("outcomes are asked for by" in change for change in llm.state().adaptations)


async def test_a_long_request_for_an_object_does_not_shorten_later_calls() -> None:
    async with running_sandbox(scripted()) as cloud, client_of(cloud) as llm:
        cloud.faults.add(Strict(rule="context", tokens=1, count=None))
        with pytest.raises(ServiceError, match="maximum context length"):
            await answer_of(llm)
        assert llm.state().adaptations == ()


async def test_an_object_may_take_longer_than_a_caller_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("avr_sts_speechmatics.services.llm.openai.FIRST_S", 0.1)
    async with running_sandbox(scripted(outcomes=[OBJECT])) as cloud, client_of(cloud) as llm:
        cloud.faults.add(Stall(part="llm", seconds=0.4))
        assert await answer_of(llm) == OBJECT


async def test_an_object_without_an_end_is_no_answer() -> None:
    async with running_sandbox(scripted(outcomes=[['{"name": ']])) as cloud:
        async with client_of(cloud) as llm:
            assert await answer_of(llm) == '{"name": '


def way_of(body: dict[str, Any]) -> str:
    wanted = body.get("response_format")
    if wanted is None:
        return "words"
    if wanted["type"] == "json_object":
        return "object"
    return "strict" if wanted["json_schema"]["strict"] else "schema"
