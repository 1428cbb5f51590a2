"""The service as an operator sees it: ports, readiness, health, warnings, and how it ends."""

import asyncio
import json
import socket
import time

import aiohttp
import pytest
import websockets
from aiohttp.test_utils import make_mocked_request
from tests.avr_core import dial, refused_upgrade
from tests.support import Serve, until, url_of

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.sandbox.faults import Status
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import Secret

QUESTION = turn("When do you close?", start=0.2, end=0.8)


def http_url(server: Server, path: str) -> str:
    return "http://{}:{}{}".format(*server.addresses[0], path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_health_says_what_is_in_use_and_no_secrets(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        aiohttp.ClientSession() as http,
        http.get(http_url(server, "/health")) as response,
    ):
        assert response.status == 200
        text = await response.text()
    health = json.loads(text)
    assert health["status"] == "ok"
    assert health["engine"] == "cloud"
    assert health["calls"] == 0
    assert health["gc_stops"] == health["gc_longest_stop_ms"] == 0, "only `serve` starts to count"
    assert health["services"]["stt"] == cloud.rt_url + "/agent"
    assert health["services"]["tts"] == cloud.tts_url
    assert cloud.openai_url in health["services"]["llm"]
    assert health["versions"]["picows"]
    assert "a-key" not in text
    assert "another-key" not in text


async def test_ready_is_503_until_calls_can_be_taken_and_calls_are_refused_with_a_reason() -> None:
    async with running_sandbox() as cloud:
        server = Server(
            Settings(
                port=0,
                extra_ports=(),
                speechmatics_rt_url=cloud.rt_url,
                speechmatics_tts_url=cloud.tts_url,
            )
        )
        try:
            await server.listen()
            async with aiohttp.ClientSession() as http:
                async with http.get(http_url(server, "/ready")) as response:
                    assert response.status == 503
                async with http.get(http_url(server, "/health")) as response:
                    assert (await response.json())["status"] == "starting"
                status, _, body = await refused_upgrade(url_of(server))
                assert status == 503
                assert "not ready" in body
                await server.make_ready()
                async with http.get(http_url(server, "/ready")) as response:
                    assert response.status == 200
        finally:
            await server.stop()


async def test_health_costs_the_calls_no_frame(serve: Serve, untraced: None) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        request = make_mocked_request("GET", "/health")
        costs = []
        for _ in range(50):
            begun = time.perf_counter()
            await server._health(request)
            costs.append(time.perf_counter() - begun)
    assert min(costs) < 0.0003


async def test_ready_may_need_the_clouds(serve: Serve) -> None:
    async with running_sandbox() as cloud, aiohttp.ClientSession() as http:
        fault = Status(part="llm", status=500, count=None)
        cloud.faults.add(fault)
        async with serve(cloud, ready_needs_clouds=True) as server:
            url = http_url(server, "/ready")
            await until(lambda: server.health()["status"] == "degraded")
            async with http.get(url) as response:
                assert response.status == 503
            async with dial(url_of(server)) as core:  # taken all the same
                await core.init()
                await cloud.received.until(lambda: bool(cloud.received.sessions_open))
            cloud.faults.clear()
            assert server._parts is not None
            server._parts.states.all["llm"].worked()
            await until(lambda: server.health()["status"] == "ok")
            await until(
                lambda: all(
                    state["state"] == "ok" for state in server.health()["service_states"].values()
                )
            )
            async with http.get(url) as response:
                assert response.status == 200


async def test_a_call_that_fails_degrades_health_and_one_that_works_restores_it(
    serve: Serve,
) -> None:
    engines = scripted(QUESTION, QUESTION, answers=["Yes."] * 4)
    async with running_sandbox(engines) as cloud, serve(cloud, preemptive="off") as server:
        cloud.faults.add(Status(part="llm", status=500, count=2))
        async with dial(url_of(server)) as core:
            await core.init()
            await core.speak(bytes(32_000))
            await until(lambda: server.health()["status"] == "degraded")
            assert "500" in server.health()["service_states"]["llm"]["last_error"]["message"]
        async with dial(url_of(server)) as core:
            await core.init()
            await core.speak(bytes(32_000))
            await core.until(lambda heard: heard.said("agent") == "Yes.")
        assert server.health()["status"] == "ok"


async def test_a_busy_port_stops_the_start_and_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = Server(Settings(port=port, extra_ports=()))
        with pytest.raises(SettingsError, match=f"{port}.*PORT"):
            await server.listen()
        await server.stop()


async def test_a_port_that_this_service_has_already_is_said_to_be_so(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as first:
        port = first.addresses[0][1]
        second = Server(Settings(port=port, extra_ports=()))
        with pytest.raises(SettingsError, match=r"this service .version .*runs there already"):
            await second.listen()
        await second.stop()


async def test_a_port_that_another_setting_has_is_named() -> None:
    port = free_port()
    server = Server(Settings(port=port, extra_ports=(), http_port=port, audiosocket_port=None))
    with pytest.raises(SettingsError, match=r"PORT is the same port.*give another HTTP_PORT"):
        await server.listen()
    await server.stop()


async def test_a_busy_extra_port_is_a_warning(serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with running_sandbox() as cloud, serve(cloud, extra_ports=(port,)) as server:
            assert any(str(port) in warning for warning in server.health()["warnings"])
            assert server.ready


async def test_every_port_takes_websockets_and_posts(serve: Serve) -> None:
    extra = free_port()
    async with (
        running_sandbox(scripted(*[QUESTION] * 4)) as cloud,
        serve(cloud, extra_ports=(extra,)) as server,
        aiohttp.ClientSession() as http,
    ):
        assert [port for _, port in server.addresses][1] == extra
        for host, port in server.addresses:
            async with dial(f"ws://{host}:{port}") as core:
                await core.init()
                await core.speak(bytes(32_000))
                await core.until(lambda heard: bool(heard.transcript))
            url = f"http://{host}:{port}/speech-to-speech-stream"
            async with http.post(url, data=bytes(320)) as response:
                assert response.status == 200
                await response.read()


async def test_without_a_model_the_receptionist_answers_and_says_so(serve: Serve) -> None:
    async with (
        running_sandbox(
            scripted(turn("What are your opening hours?", start=0.2, end=0.9))
        ) as cloud,
        serve(cloud, openai_api_key=None, openai_base_url=None, thinking="receptionist") as server,
        dial(url_of(server)) as core,
    ):
        assert "receptionist" in server.health()["services"]["llm"]
        assert any("OPENAI_API_KEY" in warning for warning in server.health()["warnings"])
        await core.init()
        await core.speak(bytes(32_000))
        heard = await core.until(lambda heard: "open" in heard.said("agent"), timeout=9)
        assert cloud.received.chats == []
        assert heard.of("error") == []


def test_what_an_operator_should_know_is_said() -> None:
    async def warnings(**changes: object) -> str:
        return " ".join(Server(Settings(**changes)).warnings)  # type: ignore[arg-type]

    offline = asyncio.run(warnings())
    assert "SPEECHMATICS_API_KEY" in offline
    assert "OPENAI_API_KEY" in offline
    key = Secret("k")
    assert asyncio.run(warnings(speechmatics_api_key=key, openai_api_key=key)) == ""
    german = asyncio.run(
        warnings(speechmatics_api_key=key, openai_api_key=key, speechmatics_language="de")
    )
    assert "SPEECHMATICS_LANGUAGE=de" in german


async def test_phrases_that_cannot_be_made_do_not_keep_the_service_from_its_calls(
    serve: Serve,
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(Status(part="tts", status=404, count=None))
        async with serve(cloud, prepared=False) as server:
            assert server.ready
            assert server.health()["phrases_missing"]


async def test_the_end_waits_for_running_calls_and_takes_no_new_ones(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running_sandbox() as cloud, serve(cloud, drain_s=10) as server:
        async with dial(url_of(server)) as core:
            await core.init()
            await cloud.received.session()
            ending = asyncio.create_task(server.drain(replaced=False))
            await until(lambda: not server.ready)
            assert "1 call may go on for 10 s" in caplog.text
            status, _, body = await refused_upgrade(url_of(server))
            assert status == 503
            assert "about to end" in body
            assert core.heard.close_code is None
            assert not ending.done()
        await asyncio.wait_for(ending, 2)


async def test_the_end_does_not_wait_longer_than_it_was_told(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, drain_s=0.3) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await cloud.received.session()
        await asyncio.wait_for(server.drain(replaced=False), 10)
        assert (await core.until_closed()).close_code is not None
        await cloud.received.until(lambda: not cloud.received.sessions_open)


async def test_a_fault_of_one_call_does_not_reach_another(serve: Serve) -> None:
    engines = scripted(QUESTION, answers=["Yes."])
    async with running_sandbox(engines) as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as good, dial(url_of(server)) as bad:
            await good.init()
            await cloud.received.session()
            await bad.init()
            bad.vanish()
            await good.speak(bytes(32_000))
            await good.until(lambda heard: heard.said("agent") == "Yes.")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        b"DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01 this is TLS\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_a_request_for_something_else_gets_an_answer_or_an_end(
    serve: Serve, request_: bytes
) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        reader, writer = await asyncio.open_connection(*server.addresses[0])
        writer.write(request_)
        answer = await asyncio.wait_for(reader.read(12), 2)
        assert answer in (b"", b"HTTP/1.1 404", b"HTTP/1.1 405", b"HTTP/1.1 400", b"HTTP/1.0 400")
        writer.close()
        await writer.wait_closed()
        async with dial(url_of(server)) as core:
            await core.init()
            await cloud.received.session()


async def test_compression_offered_by_the_other_end_is_declined(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        async with websockets.connect(url_of(server)) as ws:
            assert ws.response is not None
            assert "Sec-WebSocket-Extensions" not in ws.response.headers
