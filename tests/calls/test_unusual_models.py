"""Whole calls with models whose servers refuse what others accept, or answer in their own way."""

import json
import logging
from typing import Any

import pytest
from tests.calls.live_call import OWN_TOOLS, asks_for, desk, live_call, live_service, until
from tests.dialogue.simulated_call import SimulatedCall
from tests.support import Serve

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.sandbox.faults import Chunks, Strict
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, running_sandbox, scripted
from avr_sts_speechmatics.services.llm.openai import OpenAiLlm
from avr_sts_speechmatics.services.llm.protocol import Brief
from avr_sts_speechmatics.values import Secret

ANSWER = "It is on Friday."
WELCOME = "Hello, how can I help you?"
FIND = {"name": "find_booking", "arguments": {"code": "KX41"}}


async def test_a_request_ends_with_the_tools_result_whatever_was_said_meanwhile(
    serve: Serve,
) -> None:
    answers: tuple[Thought, ...] = [asks_for("slow_booking")], ANSWER
    changes: dict[str, Any] = {"tools_dir": OWN_TOOLS, "filler_after_ms": 200.0}
    async with live_call(serve, *answers, **changes) as call:
        call.cloud.faults.add(Strict(part="llm", rule="ends_with_user", count=None))
        call.say("When is my booking?")
        await until(lambda: desk().ran == ["slow_booking KX41"])
        before = len(call.heard.transcript)
        # The first of them may have been under way when the model asked for the tool.
        await call.until(lambda heard: len(heard.transcript) >= before + 2)
        desk().may_end.set()
        await call.until(lambda heard: heard.said("agent").endswith(ANSWER))
        assert [chat.status for chat in call.cloud.received.chats] == [200, 200]
        assert call.requests[1][-1]["role"] == "tool"


@pytest.mark.parametrize("rule", ["alternating", "gemma", "no_system"])
async def test_a_welcome_does_not_cost_the_answers_of_a_strict_model(
    serve: Serve, rule: Any
) -> None:
    welcome: dict[str, Any] = {"speechmatics_welcome_message": WELCOME, "tools_dir": OWN_TOOLS}
    async with live_call(serve, ANSWER, **welcome) as call:
        call.cloud.faults.add(Strict(part="llm", rule=rule, count=None))
        await call.until_said(WELCOME)
        call.say("When is my booking?")
        await call.until_said(f"{WELCOME} {ANSWER}")
        refused = len(call.requests)
        call.say("And on Sunday?")
        await call.until_said(f"{WELCOME} {ANSWER} {ANSWER}")
        assert len(call.requests) == refused + 1


async def test_a_model_without_tools_answers_and_health_can_say_so(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_call(serve, ANSWER, tools_dir=OWN_TOOLS) as call:
        call.cloud.faults.add(Strict(part="llm", rule="no_tools", count=None))
        for times in (1, 2):
            call.say("When is my booking?")
            await call.until_said(" ".join([ANSWER] * times))
        assert call.server._parts is not None
        state = call.server._parts.services.llm.state()
        assert not state.tools
        assert "does not support tools" in state.adaptations[0]
    assert caplog.text.count("asked without tools") == 1


async def test_a_tool_call_that_its_server_could_not_read_is_tried_once_more(serve: Serve) -> None:
    failed = Strict(
        part="llm",
        rule="field",
        field="model",
        message="Failed to call a function. Please adjust your prompt.",
        code="tool_use_failed",
    )
    async with live_call(serve, ANSWER, tools_dir=OWN_TOOLS, preemptive=False) as call:
        call.cloud.faults.add(failed)
        call.say("When is my booking?")
        await call.until_said(ANSWER)
        assert len(call.requests) == 2


async def test_a_conversation_that_is_too_long_is_shortened_and_answered(serve: Serve) -> None:
    async with live_call(serve, ANSWER) as call:
        call.say("Hello, this is Anna Miller.")
        await call.until_said(ANSWER)
        for times in range(2, 8):
            call.say("And what about all the others, " * 8)
            await call.until_said(" ".join([ANSWER] * times))
        call.cloud.faults.add(Strict(part="llm", rule="context", tokens=300, count=None))
        call.say("When is my booking?")
        await call.until_said(" ".join([ANSWER] * 8))
        assert "Anna Miller" in str(call.requests[-1])
        assert call.requests[-1][-1]["content"] == "When is my booking?"


async def test_fields_that_the_server_wants_back_come_back_after_a_tool(serve: Serve) -> None:
    answers: tuple[Thought, ...] = [asks_for("find_booking")], ANSWER
    for rule in ("signatures", "reasoning"):
        async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
            call.cloud.faults.add(Strict(part="llm", rule=rule, count=None))
            call.say("When is my booking?")
            await call.until_said(ANSWER)
            assert [chat.status for chat in call.cloud.received.chats] == [200, 200]


async def test_two_tool_calls_with_one_index_both_run(serve: Serve) -> None:
    deltas = [
        {
            "tool_calls": [
                {"index": 0, "id": id, "function": {**FIND, "arguments": json.dumps({"code": id})}}
            ]
        }
        for id in ("A", "B")
    ]
    async with live_call(serve, ANSWER, tools_dir=OWN_TOOLS) as call:
        call.cloud.faults.add(Chunks(deltas=deltas))
        call.say("When are my bookings?")
        await call.until_said(ANSWER)
        assert sorted(desk().ran) == ["find_booking A for None", "find_booking B for None"]


async def test_the_text_parts_of_a_list_are_the_answer(serve: Serve) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "They ask."}]}
    deltas: list[Any] = [
        {"content": [thinking]},
        {"content": [{"type": "text", "text": "It is "}, {"type": "text", "text": "on Friday."}]},
        {"content": {"odd": 1}, "tool_calls": 7},
    ]
    async with live_call(serve) as call:
        call.cloud.faults.add(Chunks(deltas=deltas))
        call.say("When is my booking?")
        await call.until_said(ANSWER)


WRITTEN = [
    f"<tool_call>{json.dumps(FIND)}</tool_call>",
    '<function=find_booking>{"code": "KX41"}</function>',
    f"[TOOL_CALLS][{json.dumps(FIND)}]",
    f"```json\n{json.dumps(FIND)}\n```",
    f"<|python_tag|>{json.dumps(FIND)}",
    'find_booking(code="KX41")',
]


@pytest.mark.parametrize("text", WRITTEN)
async def test_a_tool_call_written_as_text_runs_and_is_never_said(serve: Serve, text: str) -> None:
    async with live_call(serve, text, ANSWER, tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await call.until_said(ANSWER)
        assert desk().ran == ["find_booking KX41 for None"]
        _, request, result = call.requests[1]
        assert request["content"] is None
        assert request["tool_calls"][0]["function"]["name"] == "find_booking"
        assert result["content"] == "KX41 is on Friday."
        spoken = [speech.body["text"] for speech in call.cloud.received.speech]
        assert not [words for words in spoken if "find" in words or "KX41" in words]


async def test_a_written_call_of_no_tool_is_reported_to_the_model(serve: Serve) -> None:
    answers = '<tool_call>{"name": "no_such_tool", "arguments": {}}</tool_call>', ANSWER
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await call.until_said(ANSWER)
        assert "There is no tool of this name." in call.requests[1][-1]["content"]


@pytest.mark.parametrize("tag", ["think", "thinking", "thought", "reasoning"])
async def test_reasoning_in_the_answer_is_not_said(serve: Serve, tag: str) -> None:
    async with live_call(serve, f"<{tag}>They ask. I know.</{tag}> {ANSWER}") as call:
        call.say("When is my booking?")
        await call.until_said(ANSWER)
        call.say("Again, please.")
        await call.until_said(f"{ANSWER} {ANSWER}")
        assert "They ask" not in str(call.requests[1])


async def test_reasoning_without_its_beginning_is_known_after_the_first_answer(
    serve: Serve,
) -> None:
    reasoned = f"They ask for a booking. I know that.</think> {ANSWER}"
    async with live_service(serve, [reasoned], reasoned) as rig:
        for _ in range(2):
            async with rig.call() as call:
                call.say("When is my booking?")
                await call.until_said(ANSWER)
                call.say("Again, please.")
                await call.until_said(f"{ANSWER} {ANSWER}")


async def test_the_tokens_of_a_turn_are_in_its_log_line(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "avr_sts_speechmatics")
    async with live_call(serve, ANSWER) as call:
        call.say("When is my booking?")
        await call.until_said(ANSWER)
        await until(lambda: any(hasattr(record, "turn") for record in caplog.records))
    (turn,) = [record.turn for record in caplog.records if hasattr(record, "turn")]
    assert turn["prompt_tokens"] > 0
    assert turn["completion_tokens"] > 0
    assert "tokens asked (0 cached)" in caplog.text


async def test_three_hundred_turns_stay_within_the_budget_and_the_name_is_known() -> None:
    call = SimulatedCall()
    async with running_sandbox(scripted(answers=["Yes, on weekdays."])) as cloud:
        model = OpenAiLlm("a-model", Secret("a-key"), cloud.openai_url, history_tokens=1000)
        call.says("Hello, my name is Anna Miller and I would like to know a few things.")
        for turn in range(2, 302):
            asked = [command for command in call.commands if isinstance(command, ev.StartReply)]
            assert asked[-1].history is not None
            reply = model.reply(Brief("Be brief."), asked[-1].history)
            call.agent_says("".join([str(piece) async for piece in reply]))
            call.passes(10)
            call.says(f"And what about the thing number {turn}, is that open as well?")
        await model.close()
        requests = [chat.body["messages"] for chat in cloud.received.chats]
    assert len(requests) == 300
    for messages in requests:
        assert sum(len(message["content"]) for message in messages[1:]) / 4 <= 1000
        assert "Anna Miller" in str(messages)
        assert messages[-1]["role"] == "user"
    assert len(call.dialogue.history.messages()) == 601
