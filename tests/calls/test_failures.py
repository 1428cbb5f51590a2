"""What the caller hears when something fails: whole calls against parts that misbehave.

`docs/failures.md` has a row for each; rows whose test stands elsewhere name it there.
"""

import asyncio
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from tests.avr_core import dial
from tests.calls.live_call import (
    CHARACTER_S,
    OWN_TOOLS,
    PATIENCE_S,
    LiveCall,
    Rig,
    asks_for,
    desk,
    fake_avr_ami,
    live_call,
    live_service,
    until,
)
from tests.conftest import nothing_left
from tests.support import ROOT, Serve, open_sockets, url_of
from tests.webhook_target import never, nobody_there, webhook_target

from avr_sts_speechmatics.agents.instructions import DEFAULT_INSTRUCTIONS
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.language_packs import pack_for
from avr_sts_speechmatics.pbx import avr_ami
from avr_sts_speechmatics.pbx.dial_patterns import parse
from avr_sts_speechmatics.sandbox.faults import (
    Fault,
    GarbageToolCall,
    Malformed,
    Pass,
    RefuseKey,
    Stall,
    Status,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    ScriptedTts,
    Thought,
    ToneTts,
    running_sandbox,
    scripted,
    tone,
)
from avr_sts_speechmatics.services.llm import openai
from avr_sts_speechmatics.tools.mcp_config import parse_mcp_servers

SORRY, FAREWELL = Manners().sorry, Manners().farewell
ANSWER = "We close at five."
HANG_UP = asks_for("avr_hangup", "{}")
TRANSFER = asks_for("avr_transfer", '{"transfer_extension": "700"}')


async def ask(call: LiveCall, says: str) -> None:
    """Ask something, and be told this."""
    call.say("When do you close?")
    await call.until_said(says)


# --- the model -----------------------------------------------------------------------------------


async def test_a_slow_model_is_bridged_by_a_phrase(serve: Serve) -> None:
    may_answer = asyncio.Event()
    async with live_call(serve, [may_answer, ANSWER], filler_after_ms=300.0) as call:
        filler, another, *_ = Manners().fillers
        await ask(call, filler)
        may_answer.set()
        said = (f"{filler} {ANSWER}", f"{filler} {another} {ANSWER}")
        await call.until(lambda heard: heard.said("agent") in said)


async def test_a_model_that_says_nothing_is_apologised_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(openai, "FIRST_S", 0.3)
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(Stall(part="llm", after=None))
        await ask(call, SORRY)
        await ask(call, f"{SORRY} {ANSWER}")
    assert "llm: no answer" in caplog.text


async def test_a_busy_model_is_asked_again_and_the_caller_notices_nothing(serve: Serve) -> None:
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(Status(part="llm", status=429))
        await ask(call, ANSWER)
        assert len(call.requests) == 2


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (RefuseKey(part="llm"), "llm: .*check OPENAI_API_KEY"),
        (Status(part="llm", status=404), "llm: .*404"),
    ],
    ids=["key", "model"],
)
async def test_a_permanent_error_of_the_model_is_apologised_for_and_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture, fault: Fault, told: str
) -> None:
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(fault)
        await ask(call, SORRY)
        assert len(call.requests) == 1
    assert re.search(told, caplog.text)


async def test_an_empty_answer_is_apologised_for(serve: Serve) -> None:
    async with live_call(serve, "") as call:
        await ask(call, SORRY)


async def test_the_result_of_a_tool_survives_a_failed_answer(serve: Serve) -> None:
    answers: tuple[Thought, ...] = [asks_for("find_booking")], ANSWER
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.cloud.faults.add(Pass(part="llm"), RefuseKey(part="llm"))
        await ask(call, SORRY)
        await ask(call, f"{SORRY} {ANSWER}")
        assert [message["role"] for message in call.requests[2]] == [
            *("user", "assistant", "tool"),
            *("assistant", "user"),
        ]
        assert desk().ran == ["find_booking KX41 for None"]


def raw(*tool_calls: dict[str, Any]) -> Malformed:
    """An answer of nothing but these fragments of tool calls."""
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": tool_calls}}]}
    return Malformed(part="llm", after=0, text=json.dumps(chunk))


async def test_half_a_character_in_an_answer_does_not_cost_the_call(serve: Serve) -> None:
    half = Malformed(part="llm", after=0, text=r'{"choices": [{"delta": {"content": "\ud83d"}}]}')
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(half)
        call.say("When do you close?")
        await call.until(lambda heard: ANSWER in heard.said("agent"))
        call.say("And on Sundays?")
        await call.until(lambda heard: heard.said("agent").count(ANSWER) == 2)


FUNCTION = {"name": "find_booking", "arguments": '{"code": "KX41"}'}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (GarbageToolCall(name="no_such_tool", arguments="{}"), "There is no tool of this name."),
        (GarbageToolCall(name="no such tool!"), "There is no tool of this name."),
        (GarbageToolCall(name="find_booking"), "its arguments are not a JSON object"),
        (GarbageToolCall(name="find_booking", arguments='["KX41"]'), "are not a JSON object"),
        (GarbageToolCall(name="find_booking", arguments='{"cod": 1}'), "code"),
        (GarbageToolCall(name="avr_transfer", arguments='{"to": 1}'), "give transfer_extension"),
        (raw({"index": 0, "id": "a"}), "There is no tool of this name."),
    ],
    ids=["unknown", "unspeakable", "half", "list", "schema", "transfer", "nameless"],
)
async def test_an_invalid_tool_call_is_answered_to_the_model_unnoticed_by_the_caller(
    serve: Serve, fault: Fault, told: str
) -> None:
    answers: tuple[Thought, ...] = [], ANSWER
    if isinstance(fault, GarbageToolCall):
        answers = (ANSWER,)
    async with live_call(serve, *answers, tools_dir=OWN_TOOLS) as call:
        call.cloud.faults.add(fault)
        await ask(call, ANSWER)
        request, result = call.requests[1][1:]
        assert told in result["content"]
        assert desk().ran == []
        # The cloud refuses what is otherwise, in every request that follows.
        assert [
            re.fullmatch(r"[A-Za-z0-9_-]{1,64}", asked["function"]["name"]) is not None
            and isinstance(json.loads(asked["function"]["arguments"]), dict)
            for asked in request["tool_calls"]
        ] == [True]


@pytest.mark.parametrize(
    "fault",
    [
        raw({"function": FUNCTION}, {"function": FUNCTION}),
        raw({"id": "a", "function": FUNCTION}, {"id": "a", "function": FUNCTION}),
        raw({"index": 0, "id": "", "function": FUNCTION}, {"index": 1, "function": FUNCTION}),
    ],
    ids=["no id or index", "the same id", "empty id"],
)
async def test_tool_calls_without_id_or_index_are_run_and_answered(
    serve: Serve, fault: Fault
) -> None:
    async with live_call(serve, [], ANSWER, tools_dir=OWN_TOOLS) as call:
        call.cloud.faults.add(fault)
        await ask(call, ANSWER)
        request, *results = call.requests[1][1:]
        ids = [asked["id"] for asked in request["tool_calls"]]
        assert ids == [result["tool_call_id"] for result in results]
        assert len(set(ids)) == len(desk().ran) == 2


# --- the voice -----------------------------------------------------------------------------------


async def test_a_voice_that_is_busy_once_is_asked_again_and_the_caller_notices_nothing(
    serve: Serve,
) -> None:
    async with live_call(serve, ANSWER) as call:
        call.cloud.faults.add(Status(part="tts"))
        await ask(call, ANSWER)


async def test_a_voice_that_stalls_in_mid_sentence_is_cut_there_and_the_next_is_said(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_call(serve, "We close at five every day. Goodbye.") as call:
        call.cloud.faults.add(Stall(part="tts", after=6400))
        call.say("When do you close?")
        await call.until(lambda heard: heard.said("agent").endswith(" Goodbye."))
        assert call.heard.said("agent") != "We close at five every day. Goodbye."
    assert "tts: the audio stalled" in caplog.text


async def test_a_voice_that_is_late_each_time_is_heard_and_not_apologised_for(
    serve: Serve,
) -> None:
    async with live_call(serve, ANSWER, filler_after_ms=0.0) as call:
        call.cloud.faults.add(Stall(part="tts", after=None, seconds=2.6, count=None))
        begun = asyncio.get_running_loop().time()
        await ask(call, ANSWER)
        assert asyncio.get_running_loop().time() - begun < 4
        frames = len(call.heard.frames)
        assert abs(frames * 20 - len(ANSWER) * 10) <= 60  # once, and nothing twice


async def test_a_call_right_after_the_start_has_the_phrases_of_the_last_start(
    serve: Serve, tmp_path: Path
) -> None:
    voice = ToneTts(seconds_per_character=CHARACTER_S)
    may_answer = asyncio.Event()
    engines = scripted(answers=[[may_answer, ANSWER]], voice=voice)
    kept = {"phrase_cache_dir": tmp_path, "filler_after_ms": 300.0}
    filler, *_ = Manners().fillers
    async with running_sandbox(engines) as cloud:
        async with serve(cloud, **kept):
            pass
        asked = len(cloud.received.speech)
        assert asked > 0
        cloud.faults.add(Stall(part="tts", after=None, count=None))  # no voice from now on
        async with serve(cloud, prepared=False, **kept) as server:
            rig = Rig(cloud, server)
            assert server.health()["phrases_missing"] == 0
            async with rig.call() as call:
                await ask(call, filler)
        assert len(cloud.received.speech) == asked


async def test_an_unknown_voice_ends_the_call_and_names_its_setting(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_call(serve, ANSWER, prepared=False, speechmatics_voice="nobody") as call:
        call.say("When do you close?")
        heard = await call.until_closed()
        assert (heard.frames, heard.close_code) == ([], 1011)
        assert call.server.health()["phrases_missing"] > 0
    assert "there is no such voice (404); check SPEECHMATICS_VOICE" in caplog.text


def paths(call: LiveCall, after: int = 0) -> list[str]:
    """Which voices were asked."""
    return [request.path for request in call.cloud.received.speech[after:]]


async def test_the_second_voice_takes_over_in_mid_call(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_call(serve, ANSWER, "At nine.", voice_fallback="openai") as call:
        await ask(call, ANSWER)
        prepared = len(call.cloud.received.speech)
        call.cloud.faults.add(Status(part="tts", count=None))
        frames = len(call.heard.frames)
        call.say("And when do you open?")
        await call.until_said(f"{ANSWER} At nine.")
        assert len(call.heard.frames) - frames >= 4
        assert paths(call, prepared)[-1] == "/v1/audio/speech"
        call.cloud.faults.clear()
        asked = len(call.cloud.received.speech)
        call.say("And on Sundays?")
        await call.until_said(f"{ANSWER} At nine. At nine.")
        assert paths(call, asked) == ["/v1/audio/speech"]  # a call that changed its voice keeps it
    assert "the second voice speaks instead" in caplog.text


async def test_a_second_voice_that_fails_too_is_apologised_for(serve: Serve) -> None:
    async with live_call(serve, ANSWER, voice_fallback="openai") as call:
        gone = (
            RefuseKey(part="tts", count=None),
            RefuseKey(part="openai_tts", count=None),
        )
        call.cloud.faults.add(*gone)
        await ask(call, SORRY)


async def test_another_language_is_spoken_by_the_second_voice(serve: Serve) -> None:
    changes: dict[str, Any] = {
        "voice_fallback": "openai",
        "speechmatics_language": "de",
    }
    async with live_service(serve, **changes) as rig, dial(url_of(rig.server)) as core:
        await core.init()
        heard = await core.until_closed(timeout=PATIENCE_S)  # the sandbox hears English
        pack = pack_for("de")
        assert pack is not None
        assert heard.said("agent") == pack.farewell
        assert len(heard.frames) >= len(pack.farewell) // 2
        assert {request.path for request in rig.cloud.received.speech} == {"/v1/audio/speech"}
        assert rig.server.health()["phrases_missing"] == 0


# --- what the operator runs ----------------------------------------------------------------------


async def test_instructions_that_cannot_be_had_are_replaced_by_the_next_source(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "instructions.txt"
    file.write_text("Sell bread.")
    with nobody_there() as url:
        for path, text in ((file, "Sell bread."), (None, DEFAULT_INSTRUCTIONS)):
            changes: dict[str, Any] = {
                "speechmatics_url_instructions": url,
                "speechmatics_file_instructions": path,
            }
            async with live_call(serve, ANSWER, **changes) as call:
                await ask(call, ANSWER)
                system = call.cloud.received.chats[0].body["messages"][0]["content"]
                assert system.startswith(text)
    assert "this call has SPEECHMATICS_FILE_INSTRUCTIONS" in caplog.text
    assert "this call has the default text" in caplog.text


@pytest.mark.parametrize("wish", [HANG_UP, TRANSFER], ids=["hangup", "transfer"])
async def test_without_the_pbx_the_caller_stays_and_the_model_says_so(
    serve: Serve, caplog: pytest.LogCaptureFixture, wish: Any
) -> None:
    with nobody_there() as url:
        async with live_call(
            serve,
            ["One second.", wish],
            "That did not work.",
            ami_url=url,
            transfer_allow=parse("700"),
            farewell_margin_ms=0.0,
        ) as call:
            await ask(call, "One second. That did not work.")
            assert "cannot be reached; the call goes on" in call.requests[1][-1]["content"]
            await ask(call, "One second. That did not work. That did not work.")
    assert "avr-ami cannot be reached" in caplog.text


@pytest.mark.parametrize("wish", [HANG_UP, TRANSFER], ids=["hangup", "transfer"])
async def test_a_call_unknown_to_the_pbx_is_explained_to_the_model(serve: Serve, wish: Any) -> None:
    async with fake_avr_ami() as ami:
        ami.known.clear()
        async with live_call(
            serve,
            ["One second.", wish],
            "That did not work.",
            ami_url=ami.url,
            transfer_allow=parse("700"),
            farewell_margin_ms=0.0,
        ) as call:
            await ask(call, "One second. That did not work.")
            assert "phone system does not know this call" in call.requests[1][-1]["content"]
            assert len(ami.asked) == 1


async def test_a_pbx_that_does_not_answer_is_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avr_ami, "DEED_S", 0.3)
    async with fake_avr_ami() as ami:
        ami.silent = True
        async with live_call(
            serve,
            ["One second.", TRANSFER],
            "I don't know whether that worked.",
            ami_url=ami.url,
            transfer_allow=parse("700"),
            farewell_margin_ms=0.0,
        ) as call:
            await ask(call, "One second. I don't know whether that worked.")
            assert "not known whether the call was transferred" in call.requests[1][-1]["content"]


async def test_a_failed_tool_is_reported_to_the_model_and_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_call(
        serve, [asks_for("broken_booking")], "I cannot find it.", tools_dir=OWN_TOOLS
    ) as call:
        await ask(call, "I cannot find it.")
        told = call.requests[1][-1]["content"]
        assert told == "The tool failed. It is not known whether it did its work."
        assert desk().ran == ["broken_booking KX41"]
    assert "tool broken_booking failed" in caplog.text
    assert "LookupError" in caplog.text


async def test_tools_of_a_server_that_is_down_are_not_offered_and_calls_go_on(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with nobody_there() as url:
        text = json.dumps({"weather": {"url": url, "allow": ["forecast"]}})
        servers = parse_mcp_servers(text)
        async with live_call(serve, ANSWER, mcp_servers=servers, tools_dir=OWN_TOOLS) as call:
            await ask(call, ANSWER)
            tools = call.cloud.received.chats[0].body["tools"]
            assert {tool["function"]["name"] for tool in tools} == {
                "find_booking",
                "make_booking",
                "slow_booking",
                "broken_booking",
            }
    assert "MCP server weather cannot be used" in caplog.text


async def test_a_dead_receiver_of_webhooks_costs_the_call_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with nobody_there() as url:
        async with live_call(serve, ANSWER, webhook_url=url) as call:
            await ask(call, ANSWER)
            await until(lambda: "webhook events lost" in caplog.text)


async def test_a_receiver_of_webhooks_that_never_answers_costs_the_call_nothing(
    serve: Serve,
) -> None:
    async with webhook_target(never) as target:
        async with live_call(serve, ANSWER, webhook_url=target.url, webhook_timeout=200.0) as call:
            await ask(call, ANSWER)
            assert target.under_way == 1


# --- what follows the apology --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_failure", "deeds"),
    [
        ("hangup", [("/hangup", {})]),
        ("transfer:800", [("/transfer", {"exten": "800", "context": "people", "priority": 2})]),
        ("close", []),
    ],
)
async def test_on_failure_is_carried_out_after_the_apology(
    serve: Serve, on_failure: str, deeds: list[tuple[str, dict[str, Any]]]
) -> None:
    async with fake_avr_ami() as ami:
        async with live_call(
            serve,
            ami_url=ami.url,
            on_failure=on_failure,
            transfer_context="people",
            transfer_priority=2,
        ) as call:
            call.fail_stt()
            heard = await call.until_closed()
            assert heard.said("agent") == FAREWELL
            assert len(heard.frames) >= len(FAREWELL) // 2
            assert heard.close_code == 1011
            assert "not available" in heard.of("error")[0]["message"]
            assert ami.asked == [(path, {"uuid": call.uuid, **body}) for path, body in deeds]


async def test_a_call_that_cannot_be_moved_after_the_apology_is_closed(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with nobody_there() as url:
        async with live_call(serve, ami_url=url, on_failure="transfer:800") as call:
            call.fail_stt()
            heard = await call.until_closed()
            assert (heard.said("agent"), heard.close_code) == (FAREWELL, 1011)
    assert "the call is only closed" in caplog.text


@pytest.mark.parametrize(
    ("on_drain", "deeds"),
    [
        ("hangup", [("/hangup", {})]),
        ("transfer:800", [("/transfer", {"exten": "800", "context": "people", "priority": 2})]),
        ("close", []),
    ],
)
async def test_on_drain_is_carried_out_after_the_apology(
    serve: Serve, on_drain: str, deeds: list[tuple[str, dict[str, Any]]]
) -> None:
    async with fake_avr_ami() as ami:
        async with live_call(
            serve,
            ami_url=ami.url,
            drain_s=0.01,
            on_drain=on_drain,
            transfer_context="people",
            transfer_priority=2,
        ) as call:
            await call.server.drain(replaced=False)
            heard = await call.until_closed()
            assert heard.said("agent") == FAREWELL
            assert heard.of("error") == []
            assert ami.asked == [(path, {"uuid": call.uuid, **body}) for path, body in deeds]


# --- the line ------------------------------------------------------------------------------------


async def test_a_line_that_is_reset_in_the_middle_of_a_frame_leaves_nothing(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        socket_ = await websockets.connect(url_of(server), compression=None)
        await socket_.send(json.dumps({"type": "init", "uuid": "a"}))
        session = await cloud.received.session()
        transport = socket_.transport
        transport.write(b"\x81\xfe\x01\xc8\x00\x00\x00\x00" + b'{"type":"audio"')  # of 456 bytes
        await asyncio.sleep(0.05)  # it is read, as far as it came
        assert server.health()["calls"] == 1
        linger = struct.pack("ii", 1, 0)  # closing sends a reset
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        await until(lambda: server.health()["calls"] == 0)
        await until(lambda: not session.open)


Busy = Callable[[LiveCall], Awaitable[object]]


@asynccontextmanager
async def with_a_tool(serve: Serve) -> AsyncIterator[tuple[Rig, Busy]]:
    answers: tuple[Thought, ...] = "Yes.", [asks_for("slow_booking")]
    async with live_service(serve, *answers, tools_dir=OWN_TOOLS) as rig:
        yield rig, lambda _: until(lambda: len(desk().ran) == 1)


@asynccontextmanager
async def with_the_model(serve: Serve) -> AsyncIterator[tuple[Rig, Busy]]:
    async with live_service(serve, "Yes.", ["Well, ", asyncio.Event()]) as rig:
        came = rig.cloud.received

        def streams() -> bool:
            return len(came.chats) == 2 and came.chats[1].status == 200

        yield rig, lambda call: call.until_came(streams)


@asynccontextmanager
async def with_the_voice(serve: Serve) -> AsyncIterator[tuple[Rig, Busy]]:
    voice = ScriptedTts({ANSWER: (tone(ANSWER), asyncio.Event())})
    async with live_service(serve, "Yes.", ANSWER, voice=voice) as rig:
        yield rig, lambda call: call.until(lambda heard: len(heard.frames) > 2)


@asynccontextmanager
async def with_the_pbx(serve: Serve) -> AsyncIterator[tuple[Rig, Busy]]:
    async with fake_avr_ami() as ami:
        ami.silent = True
        answers: tuple[Thought, ...] = "Yes.", ["Bye.", HANG_UP]
        async with live_service(serve, *answers, ami_url=ami.url, farewell_margin_ms=0.0) as rig:
            yield rig, lambda _: until(lambda: len(ami.asked) == 1)


@asynccontextmanager
async def with_a_webhook(serve: Serve) -> AsyncIterator[tuple[Rig, Busy]]:
    async with webhook_target() as target:
        async with live_service(serve, webhook_url=target.url, webhook_timeout=200.0) as rig:

            async def wait(call: LiveCall) -> None:
                target.answer = never
                await target.until(lambda: target.under_way == 1)

            yield rig, wait


@asynccontextmanager
async def with_hearing(serve: Serve) -> AsyncIterator[tuple[Rig, Busy]]:
    async with live_service(serve) as rig:

        async def lose(call: LiveCall) -> None:
            rig.cloud.faults.add(Stall(part="stt", after=None))
            call.lose_stt()
            await rig.cloud.received.session(2)

        yield rig, lose


@pytest.mark.parametrize(
    "busy_with",
    [with_a_tool, with_the_model, with_the_voice, with_the_pbx, with_a_webhook, with_hearing],
)
async def test_nothing_of_a_call_is_left_a_second_after_the_caller_went(
    serve: Serve, busy_with: Callable[[Serve], AbstractAsyncContextManager[tuple[Rig, Busy]]]
) -> None:
    async with busy_with(serve) as (rig, until_busy):
        async with rig.call() as call:  # what is kept for the next call is there after one
            call.say("Can you hear me?")
            await call.until(lambda heard: bool(heard.said("agent")))
        await until(lambda: rig.server.health()["calls"] == 0)
        tasks, sockets = asyncio.all_tasks(), open_sockets()
        async with AsyncExitStack() as line:
            call = await line.enter_async_context(rig.call())
            call.say("When do you close?")
            await until_busy(call)
            assert rig.server.health()["calls"] == 1
            call.core.vanish()
            await line.aclose()
            assert await nothing_left(tasks, sockets) == ""
            assert rig.server.health()["calls"] == rig.cloud.received.sessions_open == 0


async def test_a_booking_that_has_begun_is_made_though_the_caller_hangs_up(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with live_service(serve, [asks_for("make_booking")], tools_dir=OWN_TOOLS) as rig:
        async with rig.call() as call:
            call.say("Book it, please.")
            await until(lambda: desk().ran == ["make_booking KX41"])
            call.core.vanish()
        await until(lambda: rig.server.health()["calls"] == 0)
        desk().may_end.set()
        await until(lambda: desk().ran == ["make_booking KX41", "made KX41"])
    assert "the call is over; tool make_booking is finished all the same" in caplog.text


# --- the table -----------------------------------------------------------------------------------

TABLE = (ROOT / "docs" / "failures.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.splitlines()
    if line.startswith("| ") and "<!--" in line
]
"""The rows; the last cell ends in a comment with the names of tests, which readers do not see."""


def names_in(*files: Path) -> set[str]:
    return {
        name
        for file in files
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }


def test_every_row_names_tests_that_exist() -> None:
    there = names_in(*(ROOT / "tests").rglob("test_*.py"))
    for row in ROWS:
        comment = row[-1].partition("<!--")[2]
        named = re.findall(r"\b(test_\w+)", comment)
        assert named or "the same" in comment, row
        assert set(named) <= there, row


def test_every_test_of_a_failure_is_in_the_table() -> None:
    ours = names_in(Path(__file__))
    ours -= {name for name in ours if "row" in name or "table" in name}
    assert ours <= set(re.findall(r"\b(test_\w+)", TABLE))


def test_no_row_lacks_its_tests_and_no_reader_sees_them() -> None:
    tables = [line for line in TABLE.splitlines() if line.startswith("| ")]
    heads = [line for line in tables if "<!--" not in line]
    assert all("what fails" in line or "what happens" in line for line in heads), heads
    assert "test_" not in re.sub(r"<!--.*?-->", "", TABLE, flags=re.DOTALL)


def test_every_log_text_in_a_row_is_in_the_source() -> None:
    source = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    # A sentence may stand in several literals, and holds what is filled in.
    said = re.sub(r'"\s*\n\s*f?"', "", source)
    for row in ROWS:
        if len(row) == 4:
            for sentence in re.findall(r"`([^`]+)`", row[2]):
                for piece in filter(str.strip, re.split("…", sentence)):
                    assert piece.strip() in said, sentence
