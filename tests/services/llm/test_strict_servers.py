"""Servers that refuse what others accept: one changed request, remembered for the process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult, ToolSpec
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.engines import ToolCall as Calls
from avr_sts_speechmatics.sandbox.faults import Fault, Strict
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox, scripted
from avr_sts_speechmatics.services.llm.history_budget import estimated_tokens
from avr_sts_speechmatics.services.llm.openai import OpenAiLlm
from avr_sts_speechmatics.services.llm.protocol import Brief, Usage
from avr_sts_speechmatics.values import Secret

LOOK = ToolSpec("look", "Looks.", {"type": "object", "properties": {"day": {"type": "string"}}})
BOOK = ToolSpec("book", "Books.", {"type": "object", "properties": {}})
BRIEF = Brief("Be brief.", (LOOK,))
WELCOME, QUESTION = Message("assistant", "Hello."), Message("user", "When do you close?")
ROUND: list[Entry] = [ToolCall("a", "look", '{"day": "Sunday"}'), ToolResult("a", "five")]
AGAIN = Message("user", "And on Monday?")
USUAL: list[Entry] = [WELCOME, QUESTION]
LONG: list[Entry] = [WELCOME, QUESTION, *ROUND, AGAIN]
ANSWER = "At five."


@asynccontextmanager
async def strict(*refused: Fault, answers: Any = (ANSWER,)) -> AsyncIterator[RunningSandbox]:
    async with running_sandbox(scripted(answers=answers)) as cloud:
        cloud.faults.add(*refused)
        yield cloud


@asynccontextmanager
async def client(cloud: RunningSandbox, **options: Any) -> AsyncIterator[OpenAiLlm]:
    model = OpenAiLlm("a-model", Secret("a-key"), cloud.openai_url, **options)
    try:
        yield model
    finally:
        await model.close()


async def answer(
    model: OpenAiLlm, history: Sequence[Entry] = USUAL, brief: Brief = BRIEF
) -> list[str | ToolCall]:
    return [piece async for piece in model.reply(brief, history)]


async def said(model: OpenAiLlm, history: Sequence[Entry] = USUAL, brief: Brief = BRIEF) -> str:
    return "".join(piece for piece in await answer(model, history, brief) if isinstance(piece, str))


@pytest.mark.parametrize("history", [USUAL, LONG], ids=["welcome", "tool and interruption"])
@pytest.mark.parametrize("rule", ["ends_with_user", "alternating", "gemma", "no_system"])
async def test_the_order_of_messages_that_a_server_wants_is_found_and_remembered(
    rule: Any, history: Sequence[Entry], caplog: pytest.LogCaptureFixture
) -> None:
    async with strict(Strict(part="llm", rule=rule, count=None)) as cloud, client(cloud) as model:
        assert await said(model, history) == ANSWER
        refusals = len(cloud.received.chats) - 1
        assert refusals <= 3
        assert await said(model, history) == ANSWER
        assert len(cloud.received.chats) == refusals + 2
        words = str(cloud.received.chats[-1].body["messages"])
        assert "Be brief." in words
        assert "When do you close?" in words
        assert ("five" in words) is (history is LONG)
        assert bool(model.state().adaptations) is bool(refusals)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        (500, "Error rendering prompt with jinja template: Conversation roles must alternate"),
        (400, "The first message must be from the user."),
        (422, "Expected last role User or Tool, got assistant; roles are out of order"),
        (400, "invalid request"),
    ],
)
async def test_an_order_is_changed_whatever_the_server_calls_it(status: int, message: str) -> None:
    fault = Strict(part="llm", rule="alternating", status=status, message=message, count=None)
    async with strict(fault) as cloud, client(cloud) as model:
        assert await said(model) == ANSWER


NO_TOOLS = [
    (400, "registry.ollama.ai/library/gemma3:4b does not support tools"),
    (
        400,
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    ),
    (500, "tools param requires --jinja flag"),
    (404, "No endpoints found that support tool use. To learn more about provider routing, visit"),
    (400, "`tools` is not supported with this model"),
    (400, "tool calling is not supported with this model"),
    (400, "This model does not support function calling"),
    (422, "Extra inputs are not permitted: body.tools"),
    (400, "Unrecognized request argument supplied: tools"),
]


@pytest.mark.parametrize(("status", "message"), NO_TOOLS)
async def test_a_model_without_tools_is_asked_without_them_with_one_warning(
    status: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault = Strict(part="llm", rule="no_tools", status=status, message=message, count=None)
    async with strict(fault) as cloud, client(cloud) as model:
        assert model.state().tools
        assert await said(model, LONG) == ANSWER
        assert await said(model, LONG) == ANSWER
        offered = ["tools" in chat.body for chat in cloud.received.chats]
        assert offered == [True, False, False]
        # What a tool gave before is still known, in words that no template refuses.
        assert "five" in str(cloud.received.chats[-1].body["messages"])
        assert not model.state().tools
        assert message.split(".")[0] in model.state().adaptations[0]
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert ["asked without tools" in r.getMessage() for r in warnings] == [True]


async def test_one_tool_with_a_refused_schema_costs_that_tool_only() -> None:
    message = "Invalid schema for function 'look': 'type' is missing"
    fault = Strict(part="llm", rule="no_tools", message=message)
    async with strict(fault) as cloud, client(cloud) as model:
        assert await said(model, brief=Brief("Be brief.", (LOOK, BOOK))) == ANSWER
        offered = [t["function"]["name"] for t in cloud.received.chats[-1].body["tools"]]
        assert offered == ["book"]
        assert model.state().tools


@pytest.mark.parametrize("rule", ["signatures", "reasoning"])
async def test_fields_that_a_server_wants_back_come_back(rule: Any) -> None:
    answers = ([Calls("look", '{"day": "Sunday"}'), Calls("look", '{"day": "Monday"}')], ANSWER)
    fault = Strict(part="llm", rule=rule, count=None)
    async with strict(fault, answers=answers) as cloud, client(cloud) as model:
        calls = [piece for piece in await answer(model) if isinstance(piece, ToolCall)]
        assert len(calls) == 2
        results = [ToolResult(call.id, "five") for call in calls]
        assert await said(model, [*USUAL, *calls, *results]) == ANSWER
        assert len(cloud.received.chats) == 2


@pytest.mark.parametrize("rule", ["signatures", "reasoning"])
async def test_fields_of_one_server_are_not_sent_to_another(rule: Any) -> None:
    answers = ([Calls("look", "{}")], ANSWER)
    fault = Strict(part="llm", rule=rule, count=None)
    async with strict(fault, answers=answers) as cloud, client(cloud) as model:
        calls = [piece for piece in await answer(model) if isinstance(piece, ToolCall)]
    async with strict() as other, client(other) as model:
        await said(model, [*USUAL, *calls, *(ToolResult(call.id, "five") for call in calls)])
        sent = str(other.received.chats[0].body)
        assert "signature" not in sent
        assert "reasoning" not in sent


async def test_fields_that_a_server_does_not_want_back_are_left_out() -> None:
    answers = ([Calls("look", "{}")], ANSWER)
    reasoning = Strict(part="llm", rule="reasoning")
    refusing = Strict(
        part="llm",
        rule="field",
        field="messages",
        message="property 'reasoning_content' is unsupported",
    )
    async with strict(reasoning, refusing, answers=answers) as cloud, client(cloud) as model:
        calls = [piece for piece in await answer(model) if isinstance(piece, ToolCall)]
        history = [*USUAL, *calls, *(ToolResult(call.id, "five") for call in calls)]
        assert await said(model, history) == ANSWER
        bodies = [str(chat.body) for chat in cloud.received.chats]
        assert ["reasoning_content" in body for body in bodies] == [False, True, False]


async def test_a_tool_call_that_the_server_could_not_read_is_tried_once_more() -> None:
    failed = Strict(
        part="llm",
        rule="field",
        field="model",
        message="Failed to call a function. Please adjust your prompt.",
        code="tool_use_failed",
    )
    async with strict(failed) as cloud, client(cloud) as model:
        assert await said(model) == ANSWER
        assert len(cloud.received.chats) == 2
        assert "tools" in cloud.received.chats[1].body
        cloud.faults.add(failed, failed)
        cloud.faults.waiting()
    async with (
        strict(
            Strict(part="llm", rule="field", field="model", code="tool_use_failed", count=None)
        ) as cloud,
        client(cloud) as model,
    ):
        with pytest.raises(ServiceError):
            await said(model)
        assert len(cloud.received.chats) == 2


TOO_LONG = [
    (400, "This model's maximum context length is 2000 tokens.", "context_length_exceeded"),
    (
        400,
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 300. This model's maximum "
            "context length is 2000 tokens and your request has 1900 input tokens"
        ),
        None,
    ),
    (400, "the request exceeds the available context size, try increasing it", None),
    (500, "the request exceeds the available context size", None),
    (413, "Request too large for model", None),
    (429, "Request too large for model on tokens per minute (TPM): Limit 2000", "rate_limit"),
    (400, "The decoder prompt (length 5000) is longer than the maximum model length of 2000", None),
    (400, "prompt is too long: 5000 tokens > 2000 maximum", None),
    (400, "The input token count (5000) exceeds the maximum number of tokens allowed", None),
    (400, "Prompt contains 5000 tokens, too large for model with 2000 maximum context", None),
]


def long_call(turns: int) -> list[Entry]:
    history: list[Entry] = [WELCOME, Message("user", "Hello, my name is Anna Miller.")]
    for number in range(turns):
        history.append(Message("assistant", f"Certainly. Here is answer {number}, in some words."))
        history.append(
            Message("user", f"And what about the thing number {number}, please tell me?")
        )
        if number % 10 == 0:
            id = f"id{number}"
            history += [ToolCall(id, "look", f'{{"day": "{number}"}}'), ToolResult(id, "five")]
    return history


@pytest.mark.parametrize(("status", "message", "code"), TOO_LONG)
async def test_a_conversation_that_is_too_long_is_shortened_and_asked_again(
    status: int, message: str, code: str | None
) -> None:
    fault = Strict(
        part="llm", rule="context", status=status, message=message, code=code, count=None
    )
    history = long_call(200)
    async with strict(fault) as cloud, client(cloud) as model:
        assert await said(model, history) == ANSWER
        requests = len(cloud.received.chats)
        assert requests <= 5
        messages = cloud.received.chats[-1].body["messages"]
        assert messages[0] == {"role": "system", "content": "Be brief."}
        assert messages[-1]["content"] == history[-1].content  # type: ignore[union-attr]
        assert "Anna Miller" in str(messages)
        assert "max_tokens" in cloud.received.chats[-1].body
        history += [Message("assistant", ANSWER), QUESTION]
        assert await said(model, history) == ANSWER
        assert len(cloud.received.chats) == requests + 1


async def test_a_long_call_stays_within_its_budget_and_knows_the_callers_name() -> None:
    async with strict() as cloud, client(cloud, history_tokens=2000) as model:
        history: list[Entry] = []
        for number, entry in enumerate(long_call(300)):
            history.append(entry)
            if number % 50 == 1 or number == 620:
                assert await said(model, history) == ANSWER
        for chat in cloud.received.chats:
            sent = sum(len(str(m.get("content") or "")) for m in chat.body["messages"][1:])
            assert sent / 4 <= 2000
            assert "Anna Miller" in str(chat.body["messages"])
        assert estimated_tokens(history) > 5 * 2000


@pytest.mark.parametrize("field", ["stream_options", "max_tokens", "temperature"])
async def test_a_field_that_a_server_refuses_is_not_sent_again(field: str) -> None:
    fault = Strict(part="llm", rule="field", field=field, count=None)
    async with strict(fault) as cloud, client(cloud, temperature=0.5) as model:
        assert await said(model) == ANSWER
        assert await said(model) == ANSWER
        assert [field in chat.body for chat in cloud.received.chats] == [True, False, False]


async def test_a_reasoning_effort_becomes_the_smallest_that_the_server_takes() -> None:
    message = (
        "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported "
        "values are: 'minimal', 'low', 'medium', and 'high'."
    )
    fault = Strict(part="llm", rule="field", field="reasoning_effort", message=message)
    async with strict(fault) as cloud, client(cloud, effort="none") as model:
        assert await said(model) == ANSWER
        efforts = [chat.body["reasoning_effort"] for chat in cloud.received.chats]
        assert efforts == ["none", "minimal"]


async def test_a_refusal_that_no_change_cures_is_reported_with_its_reason() -> None:
    fault = Strict(
        part="llm", rule="field", field="model", message="The model does not exist", count=None
    )
    async with strict(fault) as cloud, client(cloud) as model:
        with pytest.raises(ServiceError, match="does not exist") as failed:
            await said(model)
        assert not failed.value.retryable
        assert model.state().adaptations == ()


async def test_the_tokens_of_an_answer_are_reported() -> None:
    used: list[Usage] = []
    async with strict() as cloud, client(cloud) as model:
        async for _ in model.reply(BRIEF, USUAL, used.append):
            pass
    (usage,) = used
    assert usage.prompt > 0
    assert usage.completion > 0
    assert usage.cached == 0


async def test_what_one_call_has_learned_is_not_forgotten_by_another() -> None:
    may_end = asyncio.Event()
    async with strict(answers=(["At ", may_end, "five."], ANSWER)) as cloud, client(cloud) as model:
        first = model.reply(Brief("Be brief."), USUAL)
        assert await anext(first) == "At "
        cloud.faults.add(Strict(part="llm", rule="no_tools", count=None))
        assert await said(model) == ANSWER
        may_end.set()
        assert [piece async for piece in first] == ["five."]
        assert not model.state().tools
        assert await said(model) == ANSWER
        assert len(cloud.received.chats) == 4


async def test_a_rate_limit_of_tokens_is_waited_for_and_changes_nothing() -> None:
    message = "Requests have exceeded token rate limit of your current pricing tier."
    fault = Strict(part="llm", rule="field", field="model", status=429, message=message)
    async with strict(fault) as cloud, client(cloud) as model:
        assert await said(model) == ANSWER
        assert len(cloud.received.chats) == 2
        assert model.state().adaptations == ()
