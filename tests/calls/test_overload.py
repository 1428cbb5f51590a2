"""A service that can take no more calls: everybody is told at once, and running calls go on."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets
from tests.avr_core import AvrCore, dial, refused_upgrade
from tests.calls.live_call import fake_avr_ami
from tests.calls.test_direct_calls import calling
from tests.cli.commands import free_port
from tests.support import Serve, until, url_of

from avr_sts_speechmatics.call.busy import MARGIN_S
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox, scripted
from avr_sts_speechmatics.sandbox.scripted_cloud import turn as turn_of
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.services.stt import websocket_session
from avr_sts_speechmatics.speech.sentences import sentences_of

QUESTION = turn_of("When do you close?", start=0.2, end=0.8)
ANSWER = "We close at five every day of the week."
BUSY = "All our lines are busy."


@asynccontextmanager
async def full(
    serve: Serve, *, sessions: int = 4, **settings: object
) -> AsyncIterator[tuple[Server, RunningSandbox, AvrCore]]:
    """A service with the one call that it takes; the call is answered in the end."""
    chosen = {"max_calls": 1, "audiosocket_port": 0, "http_port": 0, "busy_message": BUSY}
    chosen |= settings
    async with (
        running_sandbox(scripted(QUESTION, answers=[ANSWER]), max_calls=sessions) as cloud,
        serve(cloud, **chosen) as server,
    ):
        async with dial(url_of(server)) as core:
            await core.init()
            await cloud.received.session()
            await until(lambda: bool(server._admission.sessions.open))
            yield server, cloud, core
            if core.heard.close_code is None and server.health()["calls"]:
                await core.speak(bytes(32_000))
                await core.until(lambda heard: heard.said("agent") == ANSWER)


def http_url(server: Server, path: str, port: str = "PORT") -> str:
    return "http://{}:{}{}".format(*server.ports[port], path)


def kept(server: Server, text: str, language: str = "en") -> bytes:
    """The kept speech of a text of the default agent."""
    assert server._parts is not None
    services = server._parts.services
    _, phrases = services.voice_of(services.agents.all[0])
    return b"".join(phrases.get(one) or b"" for one in sentences_of(text, language))


# --- refused before anything begins --------------------------------------------------------------


@pytest.mark.parametrize("path", ["/?from=%2B4930123456", "/media?call=a-call"])
async def test_a_websocket_is_refused_before_the_upgrade_while_the_service_is_full(
    serve: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with full(serve) as (server, cloud, core):
        begun = time.monotonic()
        status, headers, body = await refused_upgrade(url_of(server, path))
        assert time.monotonic() - begun < 1
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert "MAX_CALLS" in json.loads(body)["error"]
        health = server.health()
        assert health["calls_refused_by_reason"] == {"full": 1}
        assert health["status"] == "full"
        assert "MAX_CALLS" in health["refusing"]
        assert len(cloud.received.sessions) == 1
        await core.hang_up()
        await until(lambda: server.health()["status"] == "ok")
        async with dial(url_of(server)) as another:
            await another.init()
            await cloud.received.session(1)
    assert "refused: the service has its 1 call (MAX_CALLS)" in caplog.text
    assert "4930" not in caplog.text


async def test_http_is_told_503_and_when_to_try_again(serve: Serve) -> None:
    async with full(serve) as (server, _, core), aiohttp.ClientSession() as http:
        name = str(uuid.uuid4())
        asked = [
            http.post(http_url(server, "/speech-to-speech-stream"), data=b""),
            http.post(http_url(server, "/call", "HTTP_PORT"), json={"uuid": name}),
            http.get(http_url(server, "/ready")),
        ]
        for request in asked:
            async with request as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
                assert "MAX_CALLS" in await response.text()
        assert await server._announced._store.facts_for(name) is None
        await core.hang_up()
        await until(lambda: server.ready)
        async with http.get(http_url(server, "/ready")) as response:
            assert response.status == 200
        async with http.post(http_url(server, "/call", "HTTP_PORT"), json={"uuid": name}) as found:
            assert found.status == 200


async def test_half_more_callers_than_there_is_room_for_are_refused_at_once_and_cost_no_word(
    serve: Serve,
) -> None:
    room, offered = 8, 12
    cloud_of = scripted(*[QUESTION] * room, answers=[ANSWER])
    refusals: list[float] = []
    statuses: set[int] = set()
    calls: list[AvrCore] = []

    async def offer(number: int, server: Server, stack: AsyncExitStack) -> None:
        begun = time.monotonic()
        try:
            core = await stack.enter_async_context(dial(url_of(server)))
        except websockets.InvalidStatus as error:
            statuses.add(error.response.status_code)
            refusals.append(time.monotonic() - begun)
            return
        await core.init(f"call-{number}")
        calls.append(core)

    async with (
        running_sandbox(cloud_of, max_calls=room) as cloud,
        serve(cloud, max_calls=room) as server,
        AsyncExitStack() as stack,
    ):
        for number in range(room):
            await offer(number, server, stack)
        await until(lambda: cloud.received.sessions_open == room)
        talking = [asyncio.create_task(core.speak(bytes(32_000))) for core in calls]
        await asyncio.gather(*(offer(room + more, server, stack) for more in range(offered - room)))
        await asyncio.gather(*talking)
        for core in calls:
            await core.until(lambda heard: heard.said("agent") == ANSWER)
    assert len(refusals) == offered - room
    assert statuses == {503}
    assert max(refusals) < 1


# --- AudioSocket: the phone is answered already --------------------------------------------------


async def test_an_audiosocket_caller_hears_that_all_lines_are_busy_and_is_hung_up(
    serve: Serve,
) -> None:
    async with full(serve) as (server, cloud, _):
        requests = len(cloud.received.speech)
        sentence = kept(server, BUSY)
        assert len(sentence) > 16_000
        async with calling(server) as asterisk:
            await until(lambda: asterisk.hung_up)
        assert sentence.rstrip(b"\0") in bytes(asterisk.heard)
        heard = len(asterisk.heard) / 16_000
        assert heard >= len(sentence) / 16_000 + MARGIN_S - 0.1
        assert len(cloud.received.sessions) == 1
        asked = {str(request.body["text"]) for request in cloud.received.speech[requests:]}
        assert not asked & set(sentences_of(BUSY))
        assert server.health()["calls_refused_by_reason"] == {"full": 1}
        assert not server._busy


async def test_the_sentence_is_that_of_the_agent_who_would_have_answered(
    serve: Serve, tmp_path: Path
) -> None:
    own = "Hier ist gerade besetzt."
    (tmp_path / "support.yaml").write_text(
        f"instructions: Help.\nwelcome: ''\nnumbers: [600]\nmanners:\n  busy_message: {own}\n"
    )
    name = str(uuid.uuid4())
    async with full(serve, agents_dir=tmp_path) as (server, _, _):
        await server._announced.announce(name, {"to": "600"})
        async with calling(server, name) as asterisk:
            await until(lambda: asterisk.hung_up)
        assert kept(server, own).rstrip(b"\0") in bytes(asterisk.heard)


async def test_a_caller_who_leaves_during_the_sentence_leaves_nothing(serve: Serve) -> None:
    async with full(serve) as (server, _, _):
        async with calling(server) as asterisk:
            await until(lambda: len(asterisk.heard) > 3200)
            assert server._busy
        await until(lambda: not server._busy)


async def test_callers_beyond_the_bound_are_hung_up_at_once(serve: Serve) -> None:
    async with full(serve) as (server, _, _):
        assert server._busy is not None
        server._busy._at_once = 1
        async with calling(server) as first:
            await until(lambda: len(server._busy or ()) == 1)
            async with calling(server, str(uuid.uuid4())) as second:
                await until(lambda: second.hung_up)
            assert not second.heard
            assert not first.hung_up


@pytest.mark.parametrize("prepared", [True, False])
async def test_without_a_kept_sentence_the_caller_is_hung_up_in_silence(
    serve: Serve, prepared: bool
) -> None:
    text = "" if prepared else BUSY
    async with full(serve, busy_message=text) as (server, _, _):
        if not prepared:
            assert server._parts is not None
            services = server._parts.services
            _, phrases = services.voice_of(services.agents.all[0])
            phrases._kept.clear()
        async with calling(server) as asterisk:
            await until(lambda: asterisk.hung_up)
        assert not asterisk.heard


async def test_a_busy_caller_may_be_transferred_without_a_word(serve: Serve) -> None:
    name = str(uuid.uuid4())
    async with fake_avr_ami() as ami:
        ami.known.add(name)
        settings: dict[str, Any] = {
            "ami_url": ami.url,
            "on_busy": "transfer:700",
            "transfer_context": "queues",
        }
        async with full(serve, **settings) as (server, _, _):
            async with calling(server, name) as asterisk:
                await until(lambda: bool(ami.asked))
                await until(lambda: asterisk.hung_up)
    ((path, body),) = ami.asked
    assert path == "/transfer"
    assert body["uuid"] == name
    assert body["exten"] == "700"
    assert body["context"] == "queues"
    assert not any(asterisk.heard)


async def test_a_busy_caller_who_cannot_be_transferred_hears_the_sentence(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    nobody_there = f"http://127.0.0.1:{free_port()}"
    async with full(serve, ami_url=nobody_there, on_busy="transfer:700") as (server, _, _):
        async with calling(server) as asterisk:
            await until(lambda: asterisk.hung_up)
        assert kept(server, BUSY).rstrip(b"\0") in bytes(asterisk.heard)
    assert "ON_BUSY: " in caplog.text


async def connects(server: Server) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        _, writer = await asyncio.open_connection(*server.ports["AUDIOSOCKET_PORT"])
        writer.close()
        await writer.wait_closed()
        return True
    return False


async def test_the_audiosocket_port_may_be_closed_while_the_service_is_full(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with full(serve, on_busy="refuse") as (server, cloud, core):
        await until(lambda: "AUDIOSOCKET_PORT is closed: the service has its 1 call" in caplog.text)
        assert not await connects(server)
        await core.hang_up()
        await until(lambda: caplog.text.count("AUDIOSOCKET_PORT is open again") == 2)
        async with calling(server):
            await cloud.received.session(1)


# --- sessions ------------------------------------------------------------------------------------


async def test_a_call_that_would_have_no_session_is_refused(serve: Serve) -> None:
    settings = {"max_calls": 10, "speechmatics_max_sessions": 1}
    async with full(serve, **settings) as (server, _, _):
        status, _, body = await refused_upgrade(url_of(server))
        assert status == 503
        assert "SPEECHMATICS_MAX_SESSIONS" in body
        assert server.health()["status"] == "no_sessions"


async def test_a_vendor_that_is_full_closes_the_door_until_a_call_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(websocket_session, "QUOTA_WAIT_S", 3.0)
    async with full(serve, max_calls=10, sessions=1) as (server, cloud, core):
        async with dial(url_of(server)) as second:
            await second.init()
            # The call that meets the refusal is treated as before.
            await second.until(lambda heard: ("agent", Manners().wait) in heard.transcript)
            status, headers, body = await refused_upgrade(url_of(server))
            assert status == 503
            assert "no session left" in body
            assert 0 < int(headers["retry-after"]) <= 15
            assert len(cloud.received.sessions) == 2
        await until(lambda: server.health()["calls"] == 1)
        assert not server.ready
        await core.hang_up()
        await until(lambda: server.ready)
        async with dial(url_of(server)) as third:
            await third.init()
            await until(lambda: cloud.received.sessions_open == 1)
    assert caplog.text.count("the STT service has no session left (1 in use here)") == 1


# --- overload ------------------------------------------------------------------------------------


async def test_an_overloaded_service_refuses_new_calls_and_running_ones_lose_no_word(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    limit_s = 0.1  # the event loop of a test is late for reasons of its own
    async with full(serve, max_calls=10, overload_lag_ms=limit_s * 1000) as (server, cloud, core):

        async def load() -> None:
            while True:
                time.sleep(3 * limit_s)  # noqa: ASYNC251 - the load
                await asyncio.sleep(2 * limit_s)

        loading = asyncio.create_task(load())
        await until(lambda: server.health()["status"] == "overloaded", timeout=30)
        begun = time.monotonic()
        status, _, body = await refused_upgrade(url_of(server))
        assert time.monotonic() - begun < 5
        assert status == 503
        assert "OVERLOAD_LAG_MS" in body
        talking = asyncio.create_task(core.speak(bytes(32_000)))
        await core.until(lambda heard: heard.said("agent") == ANSWER, timeout=40)
        await talking
        assert server.health()["loop_lag_ms"] > limit_s * 1000
        loading.cancel()
        await until(lambda: server.ready, timeout=20)
        async with dial(url_of(server)) as another:
            await another.init()
            await cloud.received.session(1)
        await core.hang_up()
    assert caplog.text.count("the service is overloaded: its event loop is late by") == 1


async def test_a_refused_caller_may_say_anything(serve: Serve) -> None:
    async with full(serve) as (server, _, _):
        async with calling(server) as asterisk:
            asterisk.press("1")
            await until(lambda: len(asterisk.heard) > 3200)
            asterisk.press("2")
            await until(lambda: asterisk.hung_up)
        assert kept(server, BUSY).rstrip(b"\0") in bytes(asterisk.heard)
