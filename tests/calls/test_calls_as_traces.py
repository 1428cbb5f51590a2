"""Whole calls as OpenTelemetry's traces: a collector receives them over real sockets."""

import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from tests.calls.live_call import (
    OWN_TOOLS,
    LiveCall,
    asks_for,
    desk,
    fake_avr_ami,
    live_call,
    live_service,
    until,
)
from tests.otlp_receiver import Collector, otlp_collector
from tests.support import Serve
from tests.webhook_target import webhook_target

from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.sandbox.faults import RefuseKey, Status
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought
from avr_sts_speechmatics.telemetry.log import JsonLines

WELCOME = "Welcome to the restaurant, how can I help you today?"
LONG = "We are open from nine in the morning until eleven in the evening, on every day of the week."
NUMBER = "5550142001"
ANSWERS: tuple[Thought, ...] = (
    LONG,
    ["Let me look.", asks_for("slow_booking")],
    "It is on Friday.",
    "That was five.",
    ["Goodbye.", asks_for("avr_hangup", "{}")],
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
ABOVE = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{ABOVE}-01"


@asynccontextmanager
async def whole_call(serve: Serve, **changes: Any) -> AsyncIterator[tuple[Collector, LiveCall]]:
    """A call with an interruption, a tool, keys and a farewell, and its spans."""
    query = changes.pop("query", f"?from={NUMBER}")
    async with otlp_collector() as collector, fake_avr_ami() as ami:
        chosen: dict[str, Any] = {
            "otel_exporter_otlp_endpoint": collector.url,
            "tools_dir": OWN_TOOLS,
            "speechmatics_welcome_message": WELCOME,
            "filler_after_ms": 300.0,
            "ami_url": ami.url,
        }
        async with live_call(serve, *ANSWERS, query=query, **(chosen | changes)) as call:
            await call.until(lambda heard: heard.said("agent") == WELCOME)
            call.begin_to_speak()
            call.say_partly("When are")
            call.say("you open?")
            await call.until(lambda heard: len(heard.frames) > 40)
            call.say("Is my table booked?")  # an interruption
            await until(lambda: bool(desk().ran))
            await call.until(lambda heard: "Let me look." in heard.said("agent"))
            desk().may_end.set()
            await call.until(lambda heard: "Friday." in heard.said("agent"))
            await call.core.send({"type": "dtmf_digit", "digit": "5"})
            await call.core.send({"type": "dtmf_digit", "digit": "#"})
            await call.until(lambda heard: "That was five." in heard.said("agent"))
            call.say("Thank you.")
            await until(lambda: bool(ami.asked))
            await call.core.hang_up()
            await until(lambda: call.server.health()["calls"] == 0)
            await collector.ended()
            yield collector, call


async def test_a_whole_call_is_one_tree(serve: Serve) -> None:
    begun = time.time()
    async with whole_call(serve) as (collector, call):
        root = collector.one("call")
        spans = collector.spans
    assert {span.trace for span in spans} == {root.trace}
    ids = {span.id for span in spans}
    assert len(ids) == len(spans)
    assert [span for span in spans if span.parent not in ids] == [root]
    assert root.parent == ""
    assert root.kind == 2  # SERVER
    assert begun <= root.began < root.ended <= time.time()
    for span in spans:
        assert root.began <= span.began <= span.ended <= root.ended + 0.001, span.name
        for event in span.events:
            assert span.began - 0.001 <= event.at <= span.ended + 0.001, (span.name, event)
    about = root.attributes
    assert about["gen_ai.agent.name"] == "default"
    assert about["avr.call.transport"] == "avr-websocket"
    assert about["avr.call.uuid"] == call.uuid
    assert about["avr.call.key"] == root.trace
    assert about["avr.call.reason"] == "agent"
    assert about["avr.call.ended_by"] == "agent"
    assert about["avr.call.duration_s"] == pytest.approx(root.seconds, abs=0.1)
    assert about["avr.call.turns"] == 4
    assert about["avr.call.interruptions"] == 1
    assert root.error is None
    assert [event.name for event in root.events if event.name == "key"] == ["key", "key"]
    names = {event.name for event in root.events}
    assert {"agent answered", "interruption"} <= names


async def test_each_turn_has_its_parts(serve: Serve) -> None:
    async with whole_call(serve) as (collector, _):
        below = collector.below(collector.one("call"))
        assert [span.name for span in below] == ["say", *(4 * ["turn"])]
        first, tools, keys, farewell = below[1:]
        parts = {span.name: span for span in reversed(collector.below(first))}  # the first of each
        assert {"hearing", "chat gpt-6-luna", "voice", "playout"} <= set(parts)
        chat, voice, playout = parts["chat gpt-6-luna"], parts["voice"], parts["playout"]
        assert parts["hearing"].ended >= parts["hearing"].began
        assert chat.began <= chat.event("first text").at <= voice.began
        assert voice.ended <= playout.began + 0.001
        assert first.began <= chat.began
        assert first.ended >= playout.ended - 0.001
        assert first.attributes["avr.turn.interrupted"] is True
        assert first.attributes["avr.turn.words_heard"] < first.attributes["avr.turn.words_said"]
        assert first.event("interruption").at <= first.ended
        tool = collector.one("execute_tool slow_booking")
        assert tool.parent == tools.id
        # The tool ran between the two requests of its turn.
        chats = [s for s in collector.below(tools) if s.name.startswith("chat ")]
        rounds = [s for s in chats if not s.attributes.get("avr.request.dropped")]
        assert [s.attributes.get("avr.request.round", 1) for s in rounds] == [1, 2]
        assert rounds[0].began < tool.began < tool.ended <= rounds[1].began
        assert tool.attributes["gen_ai.tool.name"] == "slow_booking"
        assert tool.attributes["gen_ai.operation.name"] == "execute_tool"
        # A turn of keys has nobody's voice before it.
        assert "hearing" not in {span.name for span in collector.below(keys)}
        assert collector.one("execute_tool avr_hangup").parent == farewell.id


async def test_model_spans_follow_the_conventions(serve: Serve) -> None:
    async with whole_call(serve) as (collector, call):
        chats = [span for span in collector.spans if span.name.startswith("chat ")]
    assert chats
    for chat in chats:
        about = chat.attributes
        assert chat.kind == 3  # CLIENT
        assert about["gen_ai.operation.name"] == "chat"
        assert about["gen_ai.provider.name"] == "openai"
        assert about["gen_ai.request.model"] == "gpt-6-luna"
        assert about["gen_ai.conversation.id"] == call.uuid
        assert about["server.address"] == "127.0.0.1"
        assert isinstance(about["server.port"], int)
    answered = [chat for chat in chats if not chat.attributes.get("avr.request.dropped")]
    assert all(chat.attributes["gen_ai.usage.input_tokens"] > 0 for chat in answered)


@pytest.mark.parametrize("words", [False, True])
async def test_words_and_numbers_are_there_only_if_the_log_may_have_them(
    serve: Serve, words: bool
) -> None:
    async with whole_call(serve, log_transcripts=words) as (collector, _):
        says = " ".join(span.says() for span in collector.spans)
    for text in ("open?", "morning", "Friday", "KX41", NUMBER, "restaurant", "'avr.key': '5'"):
        assert (text in says) is words, text
    assert "another-key" not in says


async def test_a_request_that_was_dropped_is_seen(serve: Serve) -> None:
    async with (
        otlp_collector() as collector,
        live_call(serve, "Yes.", "It is.", otel_exporter_otlp_endpoint=collector.url) as call,
    ):
        call.say_partly("Is it")
        await call.asked(1)
        call.say_partly("open today?")
        await call.asked(2)
        call.end_turn()
        await call.until(lambda heard: bool(heard.said("agent")))
        await call.core.hang_up()
        await collector.ended()
        turn = collector.one("turn")
        chats = [span for span in collector.below(turn) if span.name.startswith("chat ")]
        assert [chat.attributes.get("avr.request.dropped") for chat in chats] == [True, None]
        assert turn.began <= chats[0].began
        assert turn.attributes["avr.turn.requests"] == 2
        assert chats[1].attributes["avr.request.ahead_ms"] >= 0


async def test_the_end_of_a_call_ends_what_is_under_way(serve: Serve) -> None:
    async with (
        otlp_collector() as collector,
        live_call(serve, LONG, otel_exporter_otlp_endpoint=collector.url) as call,
    ):
        call.say("When are you open?")
        await call.until(lambda heard: len(heard.frames) > 5)
        await call.core.hang_up()
        await collector.ended()
        turn, root = collector.one("turn"), collector.one("call")
        assert turn.ended <= root.ended + 0.001
        assert root.attributes["avr.call.reason"] == "caller"
        assert {span.parent for span in collector.named("voice")} <= {turn.id}


async def test_a_recogniser_that_was_lost_is_seen(serve: Serve) -> None:
    async with (
        otlp_collector() as collector,
        live_call(serve, otel_exporter_otlp_endpoint=collector.url) as call,
    ):
        call.lose_stt()
        await call.cloud.received.session(1)
        await call.core.hang_up()
        await collector.ended()
        lost, root = collector.one("recogniser lost"), collector.one("call")
        assert lost.parent == root.id
        assert root.began < lost.began < lost.ended <= root.ended


async def test_failures_are_errors_of_their_spans(serve: Serve) -> None:
    async with (
        otlp_collector() as collector,
        live_service(serve, otel_exporter_otlp_endpoint=collector.url) as rig,
    ):
        rig.cloud.faults.add(RefuseKey(part="llm"))
        async with rig.call() as call:
            call.say("Hello?")
            await collector.until(lambda: bool(collector.named("turn")))
            await call.core.hang_up()
        await collector.ended()
        chat, turn, root = (
            next(span for span in collector.spans if span.name == "chat gpt-6-luna"),
            collector.one("turn"),
            collector.one("call"),
        )
        assert chat.error is not None
        assert "401" in chat.error
        assert chat.attributes["error.type"]
        assert turn.error == "the reply failed"
        assert root.error is None  # the caller heard an apology, and the call went on
        assert root.attributes["avr.call.failures"] == 1
        assert root.event("service failed").attributes["avr.service"] == "llm"


async def test_a_voice_that_fails_is_an_error_of_its_sentence(serve: Serve) -> None:
    async with (
        otlp_collector() as collector,
        live_service(serve, otel_exporter_otlp_endpoint=collector.url) as rig,
    ):
        rig.cloud.faults.add(Status(part="tts", status=500, count=None))
        async with rig.call() as call:
            call.say("Hello?")
            await collector.until(lambda: bool(collector.named("turn")))
            await call.core.hang_up()
        await collector.ended()
        voice = collector.named("voice")[0]
        assert voice.error is not None
        assert voice.error.startswith("tts")
        assert voice.kind == 3  # CLIENT: the voice is a service


# --- the context of other programs ---------------------------------------------------------------


async def test_a_call_continues_the_trace_of_its_address(serve: Serve) -> None:
    query = f"?from={NUMBER}&traceparent={PARENT}&tracestate=congo%3D1"
    async with (
        webhook_target() as hooks,
        whole_call(serve, query=query, webhook_url=hooks.url, log_transcripts=True) as (
            collector,
            call,
        ),
    ):
        root = collector.one("call")
        assert {span.trace for span in collector.spans} == {TRACE}
        assert {span.state for span in collector.spans} == {"congo=1"}
        assert root.parent == ABOVE
        assert root.flags & 0x200  # the parent is remote
        assert root.attributes["avr.call.key"] != TRACE
        # It is no fact of the call: neither a webhook nor a span has it as one.
        await hooks.until(lambda: hooks.events[-1]["type"] == "call_ended")
        assert hooks.events[0]["payload"] == {"from": NUMBER}
        assert not [name for name in root.attributes if "trace" in name]
        # Requests to other services name the span that they belong to.
        assert {r.headers["traceparent"] for r in hooks.requests} == {f"00-{TRACE}-{root.id}-01"}
        assert {r.headers["tracestate"] for r in hooks.requests} == {"congo=1"}
        asked = [chat.headers["traceparent"] for chat in call.cloud.received.chats]
        chats = [span for span in collector.spans if span.name.startswith("chat ")]
        # A request may be dropped before it has reached the server.
        assert len(set(asked)) == len(asked) > 4
        assert set(asked) <= {f"00-{TRACE}-{chat.id}-01" for chat in chats}


async def test_a_wrong_context_is_ignored(serve: Serve) -> None:
    async with whole_call(serve, query=f"?traceparent=00-{'0' * 32}-{ABOVE}-01") as (collector, _):
        root = collector.one("call")
    assert root.parent == ""
    assert root.trace == root.attributes["avr.call.key"]


async def test_a_call_that_is_not_sampled_is_not_recorded_and_names_its_trace(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        otlp_collector() as collector,
        live_service(serve, otel_exporter_otlp_endpoint=collector.url) as rig,
    ):
        async with rig.call(f"?traceparent=00-{TRACE}-{ABOVE}-00") as call:
            call.say("Hello?")
            await call.asked(1)
            await call.core.hang_up()
        async with rig.call() as call:
            await call.core.hang_up()
        await collector.ended()
        assert TRACE not in {span.trace for span in collector.spans}
        assert rig.cloud.received.chats[0].headers["traceparent"].startswith(f"00-{TRACE}-")
        assert rig.cloud.received.chats[0].headers["traceparent"].endswith("-00")


async def test_lines_of_a_call_name_its_trace(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lines = JsonLines((), current_call.get)
    logged: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(json.loads(lines.format(record)))

    keeping = Keeping()
    logging.getLogger().addHandler(keeping)
    try:
        async with whole_call(serve) as (collector, _):
            root = collector.one("call")
            ids = {span.id for span in collector.spans}
    finally:
        logging.getLogger().removeHandler(keeping)
    of_call = [line for line in logged if "call" in line]
    begin, end = (
        next(line for line in of_call if line["message"].startswith(words))
        for words in ("call begins", "call ends")
    )
    assert begin["trace_id"] == end["trace_id"] == root.trace
    assert begin["span_id"] == end["span_id"] == root.id
    # The line of a tool belongs to the span of the tool.
    tool = next(line for line in of_call if line["message"].startswith("tool slow_booking took"))
    assert tool["span_id"] == collector.one("execute_tool slow_booking").id
    assert {line["span_id"] for line in of_call if "span_id" in line} <= ids


async def test_the_record_of_a_call_names_its_trace(serve: Serve, tmp_path: Path) -> None:
    async with whole_call(
        serve, query=f"?traceparent={PARENT}", history="calls", data_dir=tmp_path
    ):
        pass
    with closing(sqlite3.connect(tmp_path / "calls.db")) as database:
        assert database.execute("select trace_id from calls").fetchall() == [(TRACE,)]


# --- the service ---------------------------------------------------------------------------------


async def test_the_service_names_itself(serve: Serve) -> None:
    async with whole_call(
        serve,
        otel_service_name="reception",
        otel_resource_attributes={"deployment.environment": "test"},
    ) as (collector, _):
        resource = collector.one("call").resource
    assert resource["service.name"] == "reception"
    assert resource["deployment.environment"] == "test"
    assert resource["service.instance.id"]


async def test_the_health_counts_spans(serve: Serve) -> None:
    async with whole_call(serve) as (collector, call):
        sent = {"sent": len(collector.spans), "waiting": 0, "lost": 0}
        await until(lambda: call.server.health()["spans"] == sent)
    async with live_service(serve) as rig:
        assert rig.server.health()["spans"] is None
