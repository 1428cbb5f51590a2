"""Whole calls in which the model uses tools: what runs, when, how often, and who learns of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.calls.live_call import OWN_TOOLS, asks_for, desk, fake_avr_ami, live_call, until
from tests.support import Serve

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.pbx.dial_patterns import parse
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, ToneTts

ANSWER = "It is on Friday."


async def test_a_tool_runs_once_and_its_result_reaches_the_model(serve: Serve) -> None:
    answers: tuple[Thought, ...] = [asks_for("find_booking")], ANSWER
    async with live_call(serve, *answers, query="?from=4711", tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await call.until_said(ANSWER)
        assert desk().ran == ["find_booking KX41 for 4711"]
        first, second = call.cloud.received.chats
        offered = {tool["function"]["name"]: tool["function"] for tool in first.body["tools"]}
        assert offered["find_booking"]["description"] == "Look up a booking by its code."
        assert offered["find_booking"]["parameters"]["required"] == ["code"]
        question, request, result = second.body["messages"][1:]
        assert question == {"role": "user", "content": "When is my booking?"}
        assert request["role"] == "assistant"
        assert [
            (asked["type"], asked["function"]["name"], json.loads(asked["function"]["arguments"]))
            for asked in request["tool_calls"]
        ] == [("function", "find_booking", {"code": "KX41"})]
        id_ = request["tool_calls"][0]["id"]
        assert result == {"role": "tool", "tool_call_id": id_, "content": "KX41 is on Friday."}


async def test_text_before_a_tool_is_heard_while_the_tool_runs(serve: Serve) -> None:
    answers: tuple[Thought, ...] = ["Let me look that up.", asks_for("slow_booking")], ANSWER
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await call.until_said("Let me look that up.")
        await until(lambda: desk().ran == ["slow_booking KX41"])
        assert len(call.requests) == 1
        desk().may_end.set()
        await call.until_said(f"Let me look that up. {ANSWER}")
        assistant = call.requests[1][1]
        assert assistant["content"] == "Let me look that up."
        assert len(assistant["tool_calls"]) == 1


async def test_text_before_a_tool_is_heard_while_the_model_still_writes_the_arguments(
    serve: Serve,
) -> None:
    written = asyncio.Event()
    answers: tuple[Thought, ...] = ["Let me look", ".", written, asks_for("find_booking")], ANSWER
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await call.until_said("Let me look.")
        assert not written.is_set()
        written.set()
        await call.until_said(f"Let me look. {ANSWER}")


async def test_several_tools_asked_for_together_are_answered_together(serve: Serve) -> None:
    both = [asks_for("slow_booking", '{"code": "A"}'), asks_for("find_booking", '{"code": "B"}')]
    async with live_call(serve, both, ANSWER, tools_dir=OWN_TOOLS) as call:
        call.say("When are my bookings?")
        await until(lambda: len(desk().ran) == 2)
        desk().may_end.set()
        await call.until_said(ANSWER)
        _, request, *results = call.requests[1]
        assert [r["tool_call_id"] for r in results] == [c["id"] for c in request["tool_calls"]]
        assert [r["content"] for r in results] == ["A is on Friday.", "B is on Friday."]


async def test_a_slow_tool_is_bridged_by_a_phrase(serve: Serve) -> None:
    answers: tuple[Thought, ...] = [asks_for("slow_booking")], ANSWER
    changes: dict[str, Any] = {"tools_dir": OWN_TOOLS, "filler_after_ms": 200.0}
    async with live_call(serve, *answers, **changes) as call:
        call.say("When is my booking?")
        one, another, *_ = Manners().fillers
        await call.until_said(f"{one} {another}")
        desk().may_end.set()
        await call.until_said(f"{one} {another} {ANSWER}")
        assert desk().ran == ["slow_booking KX41"]


async def test_a_tool_that_exceeds_its_time_is_reported_to_the_model(serve: Serve) -> None:
    answers: tuple[Thought, ...] = [asks_for("slow_booking")], "I cannot find it."
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS, tool_timeout_s=0.1) as call:
        call.say("When is my booking?")
        await call.until_said("I cannot find it.")
        assert "did not finish within 0.1 seconds" in call.requests[1][-1]["content"]
        assert (desk().ran, desk().stopped) == (["slow_booking KX41"], ["KX41"])


async def test_a_model_that_asks_for_tools_endlessly_is_offered_none(serve: Serve) -> None:
    again = [asks_for("find_booking")]
    changes: dict[str, Any] = {"tools_dir": OWN_TOOLS, "tool_rounds": 2}
    async with live_call(serve, again, again, again, ANSWER, **changes) as call:
        call.say("When is my booking?")
        await call.asked(3)
        offered = [len(chat.body.get("tools", ())) for chat in call.cloud.received.chats]
        assert offered == [4, 4, 0]
        await call.asked(4)  # this server gives a tool call to whom it offered none: it is told so
        assert call.requests[3][-1]["content"].startswith("Not done: too many tools")
        assert len(desk().ran) == 2
        await call.until_said(ANSWER)


@pytest.mark.parametrize("shown", [True, False])
async def test_arguments_of_tools_are_logged_only_with_transcripts(
    serve: Serve, caplog: pytest.LogCaptureFixture, shown: bool
) -> None:
    caplog.set_level("DEBUG", "avr_sts_speechmatics")
    answers: tuple[Thought, ...] = [asks_for("find_booking"), asks_for("broken_booking")], ANSWER
    async with live_call(
        serve, *answers, query="?from=4711", tools_dir=OWN_TOOLS, log_transcripts=shown
    ) as call:
        call.say("When is my booking?")
        await call.until_said(ANSWER)
        await until(lambda: any(hasattr(record, "turn") for record in caplog.records))
    assert "tool find_booking took" in caplog.text
    assert "tool broken_booking failed" in caplog.text
    words = "KX41", "When is my booking?", ANSWER
    assert [word in caplog.text for word in words] == [shown] * 3


async def test_an_interrupted_tool_runs_once_and_its_result_reaches_the_model_later(
    serve: Serve,
) -> None:
    answers: tuple[Thought, ...] = [asks_for("slow_booking")], "On Friday, and yes."
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.say("When is my booking?")
        await until(lambda: desk().ran == ["slow_booking KX41"])
        call.say("And is it for two?")
        await call.until(lambda heard: len(heard.transcript) == 2)
        desk().may_end.set()
        await call.until_said("On Friday, and yes.")
        asked, request, result, more = call.requests[1]
        assert (asked["content"], more["content"]) == ("When is my booking?", "And is it for two?")
        assert request["tool_calls"][0]["id"] == result["tool_call_id"]
        assert result["content"] == "KX41 is on Friday."
        assert desk().ran == ["slow_booking KX41"]
        assert len(call.requests) == 2


async def test_an_answer_to_half_a_turn_runs_no_tool(serve: Serve) -> None:
    answers: tuple[Thought, ...] = (
        [asks_for("find_booking", '{"code": "A"}')],
        [asks_for("find_booking")],
        ANSWER,
    )
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.say_partly("When is")
        await call.asked(1)
        # All of that answer has come, with its tool, and nobody confirmed it.
        await call.until_came(lambda: call.cloud.received.chats[0].done)
        call.say_partly("my booking?")
        await call.asked(2)
        await call.until_came(lambda: call.cloud.received.chats[1].done)
        assert desk().ran == []
        call.end_turn()
        await call.until_said(ANSWER)
        assert desk().ran == ["find_booking KX41 for None"]
        assert [messages[0]["content"] for messages in call.requests] == [
            "When is",
            "When is my booking?",
            "When is my booking?",
        ]


async def test_a_tool_runs_for_a_turn_that_ends_as_it_was_guessed(serve: Serve) -> None:
    answers: tuple[Thought, ...] = [asks_for("find_booking")], ANSWER
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.say_partly("When is my booking?")
        await call.asked(1)
        await call.until_came(lambda: call.cloud.received.chats[0].done)
        assert desk().ran == []
        call.end_turn()
        await call.until_said(ANSWER)
        assert desk().ran == ["find_booking KX41 for None"]
        assert len(call.requests) == 2


# --- hanging up ----------------------------------------------------------------------------------


async def test_the_agent_hangs_up_after_its_farewell_was_heard_to_its_end(serve: Serve) -> None:
    farewell = "Thank you, and goodbye."
    async with (
        fake_avr_ami() as ami,
        live_call(
            serve,
            [farewell, asks_for("avr_hangup", "{}")],
            ami_url=ami.url,
            farewell_margin_ms=300.0,
            voice=ToneTts(seconds_per_character=0.02),
        ) as call,
    ):
        call.say("That was all.")
        await until(lambda: bool(ami.asked))
        assert ami.asked == [("/hangup", {"uuid": call.uuid})]
        assert call.heard.said("agent") == farewell
        whole = len(farewell)  # a frame for each character
        assert len(call.heard.frames) in (whole, whole + 1)  # the resampler ends a little later
        last_frame = max(at for at, message in call.heard.messages if message["type"] == "audio")
        assert 0.29 <= ami.times[0] - last_frame < 2.0
        await call.core.hang_up()  # as the exchange makes avr-core do
        await until(lambda: call.server.health()["calls"] == 0)
    assert len(ami.asked) == 1


async def test_a_hangup_without_a_word_is_given_one(serve: Serve) -> None:
    async with (
        fake_avr_ami() as ami,
        live_call(
            serve, [asks_for("avr_hangup", "{}")], ami_url=ami.url, farewell_margin_ms=0.0
        ) as call,
    ):
        call.say("That was all.")
        await until(lambda: bool(ami.asked))
        assert call.heard.said("agent") == Manners().goodbye


async def test_a_caller_who_speaks_over_the_farewell_keeps_the_call(serve: Serve) -> None:
    goodbye: Thought = [
        "Goodbye, and thank you for your call, which was a pleasure.",
        asks_for("avr_hangup", "{}"),
    ]
    async with (
        fake_avr_ami() as ami,
        live_call(serve, goodbye, "At five.", ami_url=ami.url, farewell_margin_ms=100.0) as call,
    ):
        call.say("That was all.")
        await call.until(lambda heard: len(heard.frames) > 10)
        call.say("When do you close?")
        await call.until(lambda heard: heard.transcript[-1] == ("agent", "At five."))
        *_, request, result, asked = call.requests[1]
        assert request["tool_calls"][0]["function"]["name"] == "avr_hangup"
        assert result["content"].startswith("Not done: the caller spoke")
        assert asked["content"] == "When do you close?"
        assert len(call.heard.of("interruption")) == 1
        assert ami.asked == []


async def test_a_caller_who_speaks_just_after_the_farewell_keeps_the_call(serve: Serve) -> None:
    goodbye: Thought = ["Goodbye.", asks_for("avr_hangup", "{}")]
    async with (
        fake_avr_ami() as ami,
        live_call(serve, goodbye, "At five.", ami_url=ami.url) as call,
    ):
        call.say("That was all.")
        await call.until_said("Goodbye.")
        call.begin_to_speak()  # holds the hangup up, until there are words or none
        call.say("When do you close?")
        await call.until_said("Goodbye. At five.")
        assert ami.asked == []


async def test_a_silent_caller_is_prompted_and_then_hung_up_by_the_pbx(
    serve: Serve,
) -> None:
    async with (
        fake_avr_ami() as ami,
        live_call(
            serve, ami_url=ami.url, no_input_s=0.1, no_input_max=1, farewell_margin_ms=0.0
        ) as call,
    ):
        await until(lambda: bool(ami.asked))
        assert ami.asked == [("/hangup", {"uuid": call.uuid})]
        manners = Manners()
        assert call.heard.said("agent") == f"{manners.prompts[0]} {manners.goodbye}"
        assert (await call.until_closed()).close_code == 1000


# --- transferring --------------------------------------------------------------------------------


async def test_a_transfer_uses_context_and_priority_of_the_settings(
    serve: Serve,
) -> None:
    wish = {"transfer_extension": "700", "transfer_context": "secret", "transfer_priority": 9}
    async with (
        fake_avr_ami() as ami,
        live_call(
            serve,
            ["I'm putting you through.", asks_for("avr_transfer", json.dumps(wish))],
            ami_url=ami.url,
            transfer_allow=parse("700, _2XX"),
            transfer_context="from-agent",
            transfer_priority=3,
            farewell_margin_ms=0.0,
        ) as call,
    ):
        call.say("A person, please.")
        await until(lambda: bool(ami.asked))
        assert ami.asked == [
            (
                "/transfer",
                {"uuid": call.uuid, "exten": "700", "context": "from-agent", "priority": 3},
            )
        ]
        assert call.heard.said("agent") == "I'm putting you through."
        (offer,) = [
            tool["function"]
            for tool in call.cloud.received.chats[0].body["tools"]
            if tool["function"]["name"] == "avr_transfer"
        ]
        assert list(offer["parameters"]["properties"]) == ["transfer_extension"]


async def test_a_transfer_outside_transfer_allow_is_rejected_with_the_allowed_extensions(
    serve: Serve,
) -> None:
    wish = asks_for("avr_transfer", '{"transfer_extension": "0190"}')
    async with (
        fake_avr_ami() as ami,
        live_call(
            serve, [wish], "I cannot do that.", ami_url=ami.url, transfer_allow=parse("700")
        ) as call,
    ):
        call.say("Put me through to that line.")
        await call.until_said("I cannot do that.")
        told = call.requests[1][-1]["content"]
        assert told == "Not done: calls may not be transferred to that extension, only to: 700."
        assert ami.asked == []


async def test_without_transfer_allow_no_transfer_is_offered(serve: Serve) -> None:
    async with fake_avr_ami() as ami, live_call(serve, ami_url=ami.url) as call:
        call.say("Hello.")
        await call.until_said("I see.")
        tools = call.cloud.received.chats[0].body["tools"]
        assert [tool["function"]["name"] for tool in tools] == ["avr_hangup"]


async def test_without_a_pbx_neither_hangup_nor_transfer_is_offered(serve: Serve) -> None:
    async with live_call(serve, transfer_allow=parse("700")) as call:
        call.say("Hello.")
        await call.until_said("I see.")
        assert "tools" not in call.cloud.received.chats[0].body


@pytest.mark.parametrize("wish", ["avr_hangup", "avr_transfer"])
async def test_an_agent_without_hangup_and_transfer_tools_cannot_use_them(
    serve: Serve, tmp_path: Path, wish: str
) -> None:
    (tmp_path / "default.yaml").write_text("tools: [find_booking]\n")
    answers: tuple[Thought, ...] = [asks_for(wish, '{"transfer_extension": "700"}')], "I stay."
    async with (
        fake_avr_ami() as ami,
        live_call(
            serve,
            *answers,
            ami_url=ami.url,
            transfer_allow=parse("700"),
            agents_dir=tmp_path,
            tools_dir=OWN_TOOLS,
            farewell_margin_ms=0.0,
        ) as call,
    ):
        call.say("That was all.")
        await call.until_said("I stay.")
        tools = call.cloud.received.chats[0].body["tools"]
        assert [tool["function"]["name"] for tool in tools] == ["find_booking"]
        assert "no tool of this name" in call.requests[1][-1]["content"]
        assert ami.asked == []
