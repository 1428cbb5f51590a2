"""Webhooks: in order for each call, in nobody's way, and bounded whatever the receiver does."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from aiohttp import web
from tests.support import until
from tests.webhook_target import Answer, never, nobody_there, ok, replies, webhook_target

from avr_sts_speechmatics.telemetry.webhooks import (
    CLOSE_S,
    CONNECTIONS,
    QUEUED_MAX,
    QUEUED_PER_CALL,
    EventName,
    Webhooks,
)

EVENTS: tuple[EventName, ...] = get_args(EventName)


@asynccontextmanager
async def webhooks_at(
    url: str, *, timeout_s: float = 2, retries: int = 0
) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(url, None, timeout_s=timeout_s, retries=retries)
    try:
        yield webhooks
    finally:
        await webhooks.close()


def slow_for(uuid: str, gate: asyncio.Event) -> Answer:
    """Answers at once, but for one call only when the gate is open."""

    async def answer(event: dict[str, Any]) -> web.StreamResponse:
        if event["uuid"] == uuid:
            await gate.wait()
        return web.Response()

    return answer


# --- what arrives ------------------------------------------------------------------------------


async def test_each_of_the_seven_events_has_the_published_envelope() -> None:
    async with webhook_target() as target, webhooks_at(target.url) as webhooks:
        for name in EVENTS:
            webhooks.send("a-call", name, {"text": "Grüß dich", "n": 1})
        await target.came(7)
    assert [event["type"] for event in target.events] == list(EVENTS)
    for event in target.events:
        assert set(event) == {"uuid", "type", "timestamp", "payload"}
        assert event["uuid"] == "a-call"
        assert event["payload"] == {"text": "Grüß dich", "n": 1}
        at = datetime.fromisoformat(event["timestamp"])
        assert event["timestamp"].endswith("Z")
        assert timedelta(0) <= datetime.now(UTC) - at < timedelta(seconds=10)


async def test_an_event_is_as_it_was_when_it_was_sent() -> None:
    payload = {"digit": "1"}
    async with webhook_target() as target, webhooks_at(target.url) as webhooks:
        webhooks.send("a", "dtmf_digit", payload)
        payload["digit"] = "2"
        await target.came(1)
    assert target.events[0]["payload"] == {"digit": "1"}


@pytest.mark.parametrize("value", ["\ud800", "\x00", {1, 2}, 10**400, ["deep", [["er"]]]])
async def test_no_payload_can_harm_the_call_that_sends_it(value: object) -> None:
    async with webhook_target() as target, webhooks_at(target.url) as webhooks:
        webhooks.send("a", "error", {"message": value})
        await target.came(1)
    assert webhooks.dropped == 0


async def test_a_receiver_that_often_fails_gets_each_event_once_and_in_its_call_s_order() -> None:
    taken: list[tuple[str, int]] = []
    chance = random.Random(7)

    async def moody(event: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(chance.choice((0, 0.001, 0.005)))
        if chance.random() < 0.1:
            return web.Response(status=503)
        taken.append((event["uuid"], event["payload"]["n"]))
        return web.Response()

    async with webhook_target(moody) as target, webhooks_at(target.url, retries=10) as webhooks:
        for n in range(5):
            for call in range(40):
                webhooks.send(f"call-{call}", "transcription", {"n": n})
        await target.until(lambda: len(taken) == 200)
    for call in range(40):
        assert [n for uuid, n in taken if uuid == f"call-{call}"] == list(range(5))
    assert target.most_under_way <= CONNECTIONS
    assert webhooks.dropped == 0


# --- one call does not wait for another --------------------------------------------------------


async def test_a_slow_answer_for_one_call_holds_up_only_that_call() -> None:
    gate = asyncio.Event()
    async with webhook_target(slow_for("slow", gate)) as target:
        async with webhooks_at(target.url, timeout_s=10) as webhooks:
            for n in range(3):
                webhooks.send("slow", "transcription", {"n": n})
                webhooks.send("quick", "transcription", {"n": n})
            await target.until(lambda: len(target.of("quick")) == 3)
            assert len(target.of("slow")) == 1
            gate.set()
            await target.until(lambda: len(target.of("slow")) == 3)
    assert [event["payload"]["n"] for event in target.of("slow")] == [0, 1, 2]


async def test_a_call_that_waits_to_try_again_takes_no_connection_from_others() -> None:
    async def refuses_many(event: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=200 if event["uuid"] == "good" else 503)

    async with webhook_target(refuses_many) as target:
        async with webhooks_at(target.url, retries=10) as webhooks:
            for call in range(2 * CONNECTIONS):
                webhooks.send(f"bad-{call}", "call_started", {})
            await target.came(2 * CONNECTIONS)
            begun = time.monotonic()
            webhooks.send("good", "call_started", {})
            await target.until(lambda: bool(target.of("good")))
            assert time.monotonic() - begun < 2


async def test_a_call_whose_events_are_delivered_costs_no_task() -> None:
    async with webhook_target() as target, webhooks_at(target.url) as webhooks:
        webhooks.send("first", "call_started", {})
        await target.came(1)

        def deliveries() -> list[str]:
            coroutines = (str(task.get_coro()) for task in asyncio.all_tasks())
            return [coroutine for coroutine in coroutines if "Webhooks" in coroutine]

        await until(lambda: not deliveries())
        for n in range(3):
            webhooks.send("first", "transcription", {"n": n})
            webhooks.send("second", "transcription", {"n": n})
        assert len(deliveries()) == 2
        await target.came(7)
        await until(lambda: not deliveries())


# --- trying again ------------------------------------------------------------------------------


async def test_an_event_is_tried_again_until_it_is_taken_and_those_behind_it_wait() -> None:
    answers = [replies(500), replies(429), ok, ok]

    async def answer(event: dict[str, Any]) -> web.StreamResponse:
        return await answers.pop(0)(event)

    async with webhook_target(answer) as target, webhooks_at(target.url, retries=2) as webhooks:
        webhooks.send("a", "call_started", {})
        webhooks.send("a", "call_ended", {})
        await target.came(4)
    assert [event["type"] for event in target.events] == ["call_started"] * 3 + ["call_ended"]
    assert len({event["timestamp"] for event in target.events[:3]}) == 1
    assert webhooks.dropped == 0


async def test_without_retries_a_lost_event_is_lost_and_the_next_one_is_sent() -> None:
    answers = [replies(500), ok]

    async def answer(event: dict[str, Any]) -> web.StreamResponse:
        return await answers.pop(0)(event)

    async with webhook_target(answer) as target, webhooks_at(target.url) as webhooks:
        webhooks.send("a", "call_started", {})
        webhooks.send("a", "call_ended", {})
        await target.came(2)
    assert [event["type"] for event in target.events] == ["call_started", "call_ended"]
    assert webhooks.dropped == 1


async def test_a_permanently_rejected_event_is_not_retried() -> None:
    async with webhook_target(replies(400)) as target:
        async with webhooks_at(target.url, retries=5) as webhooks:
            webhooks.send("a", "call_started", {})
            webhooks.send("a", "call_ended", {})
            await target.came(2)
    assert len(target.events) == 2
    assert webhooks.dropped == 2


async def test_a_recovered_receiver_gets_later_events() -> None:
    async with webhook_target(never) as target:
        async with webhooks_at(target.url, timeout_s=0.2) as webhooks:
            webhooks.send("a", "call_started", {})
            await target.came(1)
            target.answer = ok
            webhooks.send("a", "call_ended", {})
            await target.came(2)
    assert webhooks.dropped == 1


# --- a receiver that is slow or gone costs nothing but the event -------------------------------


async def test_the_queue_of_a_call_is_bounded_and_always_accepts_its_end() -> None:
    gate = asyncio.Event()
    async with webhook_target(slow_for("a", gate)) as target:
        async with webhooks_at(target.url, timeout_s=10) as webhooks:
            for n in range(QUEUED_PER_CALL + 50):
                webhooks.send("a", "transcription", {"n": n})
            webhooks.send("a", "call_ended", {})
            webhooks.send("b", "call_started", {})  # it has a queue of its own
            assert webhooks.dropped == 50
            gate.set()
            await target.came(QUEUED_PER_CALL + 2)
    assert [event["payload"].get("n") for event in target.of("a")] == [
        *range(QUEUED_PER_CALL),
        None,
    ]


async def test_all_queues_together_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with webhook_target(never) as target, webhooks_at(target.url) as webhooks:
        begun = time.process_time()
        for n in range(QUEUED_MAX + 1000):
            webhooks.send(f"call-{n}", "call_ended", {})
        assert time.process_time() - begun < 2
        assert webhooks.dropped == 1000
        assert len(caplog.records) == 1  # however many there are
    assert webhooks.dropped == QUEUED_MAX + 1000
    assert target.most_under_way <= CONNECTIONS


async def test_a_receiver_that_is_not_there_is_counted_and_logged_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "avr_sts_speechmatics")
    with nobody_there() as url:
        async with webhooks_at(f"{url}?token=abc", timeout_s=0.3) as webhooks:
            for n in range(20):
                webhooks.send(f"call-{n}", "transcription", {"text": "my card number is"})
            async with asyncio.timeout(5):
                while webhooks.dropped < 20:  # noqa: ASYNC110 - nobody announces a lost event
                    await asyncio.sleep(0.01)
            assert len(caplog.records) == 1
    assert len(caplog.records) == 2  # the end tells how many were not told yet
    assert "webhook events lost: 19" in caplog.text
    assert "card" not in caplog.text
    assert "abc" not in caplog.text


async def test_a_log_line_about_all_calls_names_no_call() -> None:
    current: ContextVar[str] = ContextVar("current", default="")
    seen: list[str] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(current.get())

    log, watch = logging.getLogger("avr_sts_speechmatics.telemetry.webhooks"), Watch()
    log.addHandler(watch)
    try:
        async with webhook_target(replies(400)) as target:
            async with webhooks_at(target.url) as webhooks:
                current.set("a-call")
                webhooks.send("a-call", "call_started", {})
                await target.came(1)
    finally:
        log.removeHandler(watch)
    assert seen == [""]


# --- asking ------------------------------------------------------------------------------------


async def test_ask_sends_call_initiated_and_returns_the_reply() -> None:
    async with webhook_target(replies(200, '{"agent": "sales"}')) as target:
        async with webhooks_at(target.url) as webhooks:
            assert await webhooks.ask("a", {"from": "2001"}) == {"agent": "sales"}
    assert target.events[0]["type"] == "call_initiated"
    assert target.events[0]["payload"] == {"from": "2001"}


@pytest.mark.parametrize("text", ["", "OK", "[1]", '"agent"', "{", "[" * 16_000, '{"a": NaN}'])
async def test_a_reply_that_is_not_an_object_is_ignored(text: str) -> None:
    async with webhook_target(replies(200, text)) as target:
        async with webhooks_at(target.url) as webhooks:
            assert await webhooks.ask("a", {}) is None
    assert webhooks.dropped == 0


async def test_an_answer_after_a_failure_still_counts() -> None:
    answers = [replies(500), replies(200, '{"agent": "sales"}')]

    async def answer(event: dict[str, Any]) -> web.StreamResponse:
        return await answers.pop(0)(event)

    async with webhook_target(answer) as target, webhooks_at(target.url, retries=1) as webhooks:
        assert await webhooks.ask("a", {}) == {"agent": "sales"}


@pytest.mark.parametrize("retries", [0, 2])
async def test_ask_waits_no_longer_than_the_settings_allow(retries: int) -> None:
    async with webhook_target(never) as target:
        async with webhooks_at(target.url, timeout_s=0.2, retries=retries) as webhooks:
            begun = time.monotonic()
            assert await webhooks.ask("a", {}) is None
            # Three seconds are for a busy machine; without the limit there is no answer at all.
            assert time.monotonic() - begun < 0.2 * (retries + 1) + 3
    assert webhooks.dropped == 1


async def test_events_of_a_call_are_sent_after_call_initiated() -> None:
    gate = asyncio.Event()
    async with webhook_target(slow_for("a", gate)) as target:
        async with webhooks_at(target.url, timeout_s=10) as webhooks:
            asking = asyncio.create_task(webhooks.ask("a", {}))
            await target.came(1)
            webhooks.send("a", "call_started", {})
            webhooks.send("b", "call_started", {})
            await target.until(lambda: bool(target.of("b")))
            assert [event["type"] for event in target.of("a")] == ["call_initiated"]
            gate.set()
            await asking
            await target.until(lambda: len(target.of("a")) == 2)
    assert [event["type"] for event in target.of("a")] == ["call_initiated", "call_started"]


async def test_a_backlog_does_not_delay_ask() -> None:
    async def stuck(event: dict[str, Any]) -> web.StreamResponse:
        if event["type"] != "call_initiated":
            await asyncio.Event().wait()
        return web.Response(text='{"agent": "sales"}')

    async with webhook_target(stuck) as target, webhooks_at(target.url, timeout_s=30) as webhooks:
        for n in range(3 * CONNECTIONS):
            webhooks.send(f"call-{n}", "transcription", {})
        await target.came(CONNECTIONS)
        assert await webhooks.ask("new", {}) == {"agent": "sales"}


async def test_a_cancelled_ask_still_delivers_its_event_and_later_events() -> None:
    gate = asyncio.Event()
    async with webhook_target(slow_for("a", gate)) as target:
        async with webhooks_at(target.url, timeout_s=10) as webhooks:
            asking = asyncio.create_task(webhooks.ask("a", {}))
            await target.came(1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            webhooks.send("a", "call_started", {})
            gate.set()
            await target.came(2)
    assert webhooks.dropped == 0


# --- the end -----------------------------------------------------------------------------------


async def test_waiting_events_are_delivered_before_the_end() -> None:
    async with webhook_target() as target:
        async with webhooks_at(target.url) as webhooks:
            for n in range(QUEUED_PER_CALL):
                webhooks.send(f"call-{n % 7}", "transcription", {"n": n})
        assert len(target.events) == QUEUED_PER_CALL
    assert webhooks.dropped == 0


async def test_an_event_that_waits_for_a_retry_is_tried_once_more_at_the_end() -> None:
    async with webhook_target(replies(503)) as target:
        webhooks = Webhooks(target.url, None, timeout_s=2, retries=10)
        webhooks.send("a", "call_started", {})
        webhooks.send("a", "call_ended", {})
        await target.came(3)
        await asyncio.sleep(0.2)  # the answer is back; the fourth try is most of a second away
        target.answer = ok
        begun = time.monotonic()
        await webhooks.close()
        assert time.monotonic() - begun < CLOSE_S
        assert target.events[-1]["type"] == "call_ended"
    assert webhooks.dropped == 0


async def test_at_the_end_each_event_that_waits_is_tried_once_and_no_more() -> None:
    async with webhook_target(replies(503)) as target:
        async with webhooks_at(target.url, retries=10) as webhooks:
            for name in EVENTS:
                webhooks.send("a", name, {})
        assert [event["type"] for event in target.events] == list(EVENTS)
    assert webhooks.dropped == len(EVENTS)


async def test_the_end_does_not_wait_for_a_receiver_that_hangs() -> None:
    async with webhook_target(never) as target:
        webhooks = Webhooks(target.url, None, timeout_s=60, retries=10)
        for n in range(100):
            webhooks.send(f"call-{n}", "call_ended", {})
        asking = asyncio.create_task(webhooks.ask("another", {}))
        await target.until(lambda: bool(target.of("another")))
        begun = time.monotonic()
        await webhooks.close()
        assert time.monotonic() - begun < CLOSE_S + 1
        assert await asking is None
        assert webhooks.dropped == 101


async def test_after_the_end_events_are_only_counted() -> None:
    async with webhook_target() as target:
        async with webhooks_at(target.url) as webhooks:
            pass
        webhooks.send("a", "call_ended", {})
        assert await webhooks.ask("a", {}) is None
        assert webhooks.dropped == 2
        assert not target.events


async def test_without_events_no_connection_is_opened() -> None:
    with nobody_there() as url:
        async with webhooks_at(url) as webhooks:
            pass
    assert webhooks.dropped == 0
