"""avr-core's HTTP service as dialplans use it, over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.nasty_json import NASTY
from tests.webhook_target import Answer, never, nobody_there, ok, replies, webhook_target

from avr_sts_speechmatics.errors import CallerError, StoreError
from avr_sts_speechmatics.telemetry.webhooks import Webhooks
from avr_sts_speechmatics.transports import avr_core_http
from avr_sts_speechmatics.transports.announced_calls import (
    AnnouncedCalls,
    AnnouncedHere,
    Announcements,
    Facts,
)
from avr_sts_speechmatics.transports.avr_core_http import (
    BODY_MAX,
    AvrCoreHttp,
    announced,
    chosen_by,
)
from avr_sts_speechmatics.transports.untrusted_text import FACTS_MAX, facts_of

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
STS_PORT = 6040


@dataclass
class Service:
    """The service under test, and whoever calls it."""

    url: str
    announced: AnnouncedCalls
    http: aiohttp.ClientSession

    async def post(self, body: object, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(f"{self.url}/call", data=data, headers=headers) as response:
            return response.status, await response.json()

    async def announce(self, payload: object, **headers: str) -> dict[str, Any]:
        status, answer = await self.post({"uuid": UUID, "payload": payload}, **headers)
        assert status == 200
        assert set(answer) == {"sts_url", "override"}
        return dict(answer)


@asynccontextmanager
async def service(
    webhooks: Webhooks | None = None, store: Announcements | None = None
) -> AsyncIterator[Service]:
    announced = AnnouncedCalls(required=True, store=store)
    core = AvrCoreHttp(announced, webhooks.ask if webhooks else None, STS_PORT)
    runner = web.AppRunner(core.application(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http:
            url = "http://{}:{}".format(*runner.addresses[0][:2])
            yield Service(url, announced, http)
    finally:
        await runner.cleanup()
        if webhooks is not None:
            await webhooks.close()


def webhooks_at(url: str, *, timeout_s: float = 2, retries: int = 0) -> Webhooks:
    return Webhooks(url, None, timeout_s=timeout_s, retries=retries)


@asynccontextmanager
async def service_with_webhook(answer: Answer) -> AsyncIterator[Service]:
    async with webhook_target(answer) as target, service(webhooks_at(target.url)) as it:
        yield it


# --- health ------------------------------------------------------------------------------------


async def test_health_has_the_form_of_avr_core() -> None:
    async with service() as it, it.http.get(f"{it.url}/health") as response:
        assert response.status == 200
        assert await response.json() == {"status": "ok"}


# --- announcing --------------------------------------------------------------------------------


async def test_announced_facts_are_known_when_the_call_arrives() -> None:
    async with service() as it:
        await it.announce({"from": "2001", "lang": "it"})
        assert await it.announced.facts_for(UUID) == {"from": "2001", "lang": "it"}


async def test_the_answer_is_our_own_address_with_the_payload_as_query() -> None:
    payload = {"from": "2001", "channel": "PJSIP/2000-00000013", "name": "Zoë & Co"}
    async with service() as it:
        answer = await it.announce(payload, Host="avr-sts-speechmatics:6001")
    assert answer == {
        "sts_url": "ws://avr-sts-speechmatics:6040/"
        "?from=2001&channel=PJSIP%2F2000-00000013&name=Zo%C3%AB%20%26%20Co",
        "override": False,
    }
    assert facts_of(answer["sts_url"]) == payload  # read as the WebSocket transports read it


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("pbx", "ws://pbx:6040/"),
        ("[::1]:6001", "ws://[::1]:6040/"),
        ("[::1", "ws://127.0.0.1:6040/"),
        (":6001", "ws://127.0.0.1:6040/"),
    ],
)
async def test_the_address_is_one_the_caller_can_reach(host: str, address: str) -> None:
    async with service() as it:
        assert (await it.announce({}, Host=host))["sts_url"] == address


async def test_asterisk_s_curl_may_call_json_a_form_and_leave_the_payload_out() -> None:
    async with service() as it:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _ = await it.post({"uuid": UUID.upper()}, **form)
        assert status == 200
        assert await it.announced.facts_for(UUID) == {}


async def test_a_name_in_another_encoding_does_not_cost_the_caller_the_call() -> None:
    body = b'{"uuid": "%s", "payload": {"name": "Jos\xe9", "from": "2001"}}' % UUID.encode()
    async with service() as it:
        status, _ = await it.post(body)
        assert status == 200
        facts = await it.announced.facts_for(UUID)
    assert facts is not None
    assert facts["from"] == "2001"
    assert facts["name"].startswith("Jos")


@pytest.mark.parametrize("body", NASTY, ids=range(len(NASTY)))
async def test_a_nasty_body_is_answered(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with service() as it:
        status, answer = await it.post(body)
    assert status in (200, 400, 413)
    assert status == 200 or answer["error"]
    assert "Traceback" not in caplog.text


class Unshared(AnnouncedHere):
    """A store that keeps announcements, and cannot share them."""

    async def announce(self, uuid: str, facts: Facts) -> None:
        await super().announce(uuid, facts)
        raise StoreError("Redis is away")

    async def amend(self, uuid: str, facts: Facts) -> None:
        await super().amend(uuid, facts)
        raise StoreError("Redis is still away")


async def test_a_dialplan_learns_that_its_announcement_reached_only_one_instance() -> None:
    body = {"uuid": UUID, "payload": {"from": "2001"}}
    async with webhook_target(replies(200, '{"agent": "sales"}')) as target:
        async with service(webhooks_at(target.url), Unshared()) as it:
            status, answer = await it.post(body)
            assert status == 503
            assert answer["error"] == "Redis is still away"
            assert facts_of(answer["sts_url"]) == {"from": "2001", "agent": "sales"}
            # A dialplan that dials all the same may be lucky.
            assert await it.announced.facts_for(UUID) == {"from": "2001", "agent": "sales"}
    async with service(store=Unshared()) as it:
        status, answer = await it.post(body)
        assert (status, answer["error"]) == (503, "Redis is away")


# --- what cannot be used -----------------------------------------------------------------------


def body_with(payload: str) -> bytes:
    return b'{"uuid": "%s", "payload": %s}' % (UUID.encode(), payload.encode())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "JSON"),
        (b"uuid=1", "JSON"),
        (b'{"uuid": "', "JSON"),
        (b"[" * BODY_MAX, "JSON"),
        (body_with('{"name": "Ann "Bo" Lee"}'), "quotes"),
        (body_with('{"n": NaN}'), "JSON"),
        (body_with('{"n": 1e999}'), "JSON"),
        (body_with(f'{{"n": {"1" * 5000}}}'), "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b"{}", '"uuid"'),
        (b'{"uuid": 7}', '"uuid"'),
        (b'{"uuid": "1718208000.13"}', "UNIQUEID"),
        (body_with("[]"), '"payload"'),
        (body_with("null"), '"payload"'),
        (body_with('"from"'), '"payload"'),
        (body_with('{"a": ' + "[" * 50 + "]" * 50 + "}"), "levels"),
    ],
)
async def test_an_unusable_request_is_rejected_with_a_sentence(body: bytes, named: str) -> None:
    async with service() as it:
        status, answer = await it.post(body)
        assert status == 400
        assert named in answer["error"]
        assert await it.announced.facts_for(UUID) is None


async def test_too_long_a_body_is_refused_with_a_sentence() -> None:
    async with service() as it:
        status, answer = await it.post({"uuid": UUID, "payload": {"x": "x" * BODY_MAX}})
        assert status == 413
        assert str(BODY_MAX) in answer["error"]
        assert await it.announced.facts_for(UUID) is None


async def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(avr_core_http, "BODY_S", 0.1)
    head = b"POST /call HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    async with service() as it:
        address = urlsplit(it.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head)
        async with asyncio.timeout(2):
            assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_body_is_at_worst_rejected(body: bytes) -> None:
    with pytest.raises(CallerError):
        announced(body)


# --- what a webhook may choose -----------------------------------------------------------------


async def test_the_webhook_receives_the_payload_unchanged() -> None:
    payload = {"from": "2001", "queue": {"at": [1, 2]}, "n": 10**30}
    async with webhook_target(ok) as target, service(webhooks_at(target.url)) as it:
        status, answer = await it.post({"uuid": UUID.upper(), "payload": payload})
        assert status == 200
        assert answer["override"] is False
        assert await it.announced.facts_for(UUID) == {
            "from": "2001",
            "queue": '{"at":[1,2]}',
            "n": "1" + "0" * 30,
        }
    (event,) = target.events
    assert event["type"] == "call_initiated"
    assert event["uuid"] == UUID
    assert event["payload"] == payload


async def test_a_webhook_picks_the_agent_by_name() -> None:
    async with service_with_webhook(replies(200, '{"agent": "sales"}')) as it:
        answer = await it.announce({"from": "2001", "agent": "desk"})
        assert answer["override"] is True
        assert facts_of(answer["sts_url"]) == {"from": "2001", "agent": "sales"}
        assert await it.announced.facts_for(UUID) == {"from": "2001", "agent": "sales"}


async def test_a_webhook_made_for_avr_core_picks_by_an_address() -> None:
    reply = json.dumps({"sts_url": "ws://some-where:6033/x?agent=sales&lang=it"})
    async with service_with_webhook(replies(200, reply)) as it:
        answer = await it.announce({"from": "2001", "lang": "en"}, Host="pbx:6001")
        assert answer["override"] is True
        assert answer["sts_url"].startswith("ws://pbx:6040/?")
        expected = {"agent": "sales", "lang": "it", "from": "2001"}
        assert facts_of(answer["sts_url"]) == expected
        assert await it.announced.facts_for(UUID) == expected


async def test_facts_chosen_by_the_webhook_survive_the_limit_of_facts() -> None:
    async with service_with_webhook(replies(200, '{"agent": "sales"}')) as it:
        answer = await it.announce({f"fact-{n}": "x" for n in range(FACTS_MAX)})
        facts = await it.announced.facts_for(UUID)
    assert facts is not None
    assert facts["agent"] == "sales"
    assert len(facts) == FACTS_MAX
    assert facts_of(answer["sts_url"]) == facts


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"message": "ok"},
        {"sts_url": None, "agent": None},
        {"sts_url": ""},
        {"sts_url": "hello"},
        {"sts_url": "ws://["},
        {"sts_url": "javascript:alert(1)"},
        {"sts_url": 7, "agent": ["sales"]},
        {"agent": ""},
        {"agent": "\n"},
    ],
)
def test_a_reply_that_chooses_nothing_usable_changes_nothing(reply: dict[str, Any]) -> None:
    assert chosen_by(reply) is None


def test_an_agent_named_beside_an_address_wins() -> None:
    reply = {"sts_url": "ws://x?agent=desk&lang=it", "agent": "sales"}
    assert chosen_by(reply) == {"agent": "sales", "lang": "it"}
    assert chosen_by({"sts_url": "ws://x"}) == {}  # an address without a query is a choice too


@pytest.mark.parametrize("text", ["", "OK", "<html>", '{"agent":'])
async def test_a_garbled_reply_costs_nothing(text: str) -> None:
    async with service_with_webhook(replies(200, text)) as it:
        assert (await it.announce({"from": "2001"}))["override"] is False
        assert await it.announced.facts_for(UUID) == {"from": "2001"}


async def test_a_dead_webhook_delays_the_call_no_longer_than_the_settings_say() -> None:
    async with webhook_target(never) as target:
        async with service(webhooks_at(target.url, timeout_s=0.2, retries=1)) as it:
            begun = time.monotonic()
            assert (await it.announce({}))["override"] is False
            assert time.monotonic() - begun < 1
    with nobody_there() as url:
        async with service(webhooks_at(url, timeout_s=0.3)) as it:
            begun = time.monotonic()
            await it.announce({})
            assert time.monotonic() - begun < 1


async def test_a_call_that_comes_before_the_webhook_has_answered_is_let_in_once() -> None:
    gate = asyncio.Event()

    async def slow(event: dict[str, Any]) -> web.StreamResponse:
        await gate.wait()
        return web.Response(text='{"agent": "sales"}')

    async with webhook_target(slow) as target:
        async with service(webhooks_at(target.url, timeout_s=10)) as it:
            announcing = asyncio.create_task(it.announce({"from": "2001"}))
            await target.came(1)
            assert await it.announced.facts_for(UUID) == {"from": "2001"}
            gate.set()
            assert (await announcing)["override"] is True
            assert await it.announced.facts_for(UUID) is None


async def test_a_dialplan_that_stops_waiting_is_still_expected() -> None:
    async with webhook_target(never) as target:
        async with service(webhooks_at(target.url, timeout_s=10)) as it:
            announcing = asyncio.create_task(it.announce({"from": "2001"}))
            await target.came(1)
            announcing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await announcing
            assert await it.announced.facts_for(UUID) == {"from": "2001"}
