"""The streaming POST transport: a response that begins at once, raw PCM both ways, an end."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.support import Serve, until

from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.network.websocket import UNREAD_MAX_BYTES
from avr_sts_speechmatics.sandbox.scripted_cloud import ScriptedTts, running_sandbox, scripted, turn
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.transports.http_connection import HttpConnection
from avr_sts_speechmatics.transports.http_stream import PATH, HttpStream
from avr_sts_speechmatics.transports.reception import Reception

QUESTION = turn("What are your opening hours?", start=0.2, end=1.0)
ANSWER = "Until five."
LEVEL = 5000
SPOKEN = LEVEL.to_bytes(2, "little") * 16_000  # a second of it, 16 kHz


def cloud_voice() -> ScriptedTts:
    return ScriptedTts({ANSWER: [SPOKEN]})


def address(server: Server) -> str:
    return "http://{}:{}/speech-to-speech-stream".format(*server.addresses[0])


async def in_pieces(data: bytes, size: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]
        if pause:
            await asyncio.sleep(pause)


async def test_a_file_piped_in_is_answered_and_played_then_the_response_ends(
    serve: Serve,
) -> None:
    engines = scripted(QUESTION, answers=[ANSWER], voice=cloud_voice())
    async with (
        running_sandbox(engines) as cloud,
        serve(cloud) as server,
        aiohttp.ClientSession() as http,
    ):
        headers = {"Content-Type": "audio/x-raw", "X-UUID": "a-call"}
        async with http.post(address(server), data=bytes(19_200), headers=headers) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/event-stream"
            assert response.headers["Cache-Control"] == "no-cache"
            audio = await response.read()
        assert len(audio) % 320 == 0
        assert abs(len(audio) - 16_000) <= 640  # the second that was spoken, whole
        assert audio[8_000:8_002] == LEVEL.to_bytes(2, "little")
        chat = cloud.received.chats[0].body["messages"]
        assert chat[-1]["content"] == "What are your opening hours?"


async def test_the_answer_comes_while_the_body_still_does(serve: Serve) -> None:
    engines = scripted(QUESTION, answers=[ANSWER], voice=cloud_voice())
    async with (
        running_sandbox(engines) as cloud,
        serve(cloud) as server,
        aiohttp.ClientSession() as http,
    ):
        heard = asyncio.Event()

        async def line() -> AsyncIterator[bytes]:
            while not heard.is_set():
                yield bytes(320)
                await asyncio.sleep(0.02)

        async with http.post(address(server), data=line()) as response:
            # Headers are here though nothing was said and the body has not ended.
            first = await response.content.readexactly(320)
            assert len(first) == 320
            heard.set()
            await response.read()


@pytest.mark.parametrize("size", [1, 3, 333, 4097])
async def test_odd_chunks_lose_no_sample(serve: Serve, size: int) -> None:
    said = b"".join(n.to_bytes(2, "little") for n in range(1600))
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(address(server), data=in_pieces(said + b"x", size)) as response:
            await response.read()
        heard = bytes(cloud.received.sessions[0].audio)
        assert heard[: len(said)] == said
        assert not any(heard[len(said) :])  # the silence a recogniser needs to end a turn


@pytest.mark.parametrize("kind", ["audio/x-raw", "audio/wav", "application/octet-stream", ""])
async def test_any_content_type_is_taken(serve: Serve, kind: str) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        aiohttp.ClientSession() as http,
    ):
        headers = {"Content-Type": kind}
        async with http.post(address(server), data=bytes(640), headers=headers) as response:
            assert response.status == 200
            await response.read()


async def test_a_body_faster_than_speech_is_taken_at_the_pace_of_speech(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        aiohttp.ClientSession() as http,
    ):
        begun = time.monotonic()
        async with http.post(address(server), data=bytes(32_000)) as response:
            session = await cloud.received.session()
            await cloud.received.until(lambda: len(session.audio) >= 32_000)
            assert time.monotonic() - begun > 1.5
            await response.read()


async def test_a_caller_who_goes_leaves_nothing(serve: Serve) -> None:
    engines = scripted(QUESTION, answers=["A long answer. " * 20])
    async with running_sandbox(engines) as cloud, serve(cloud) as server:
        async with aiohttp.ClientSession() as http:
            response = await http.post(address(server), data=bytes(32_000))
            await response.content.readexactly(320)
            response.close()
            await cloud.received.until(lambda: not cloud.received.sessions_open, timeout=1)
            await until(lambda: server.health()["calls"] == 0)


async def test_a_caller_who_goes_while_nothing_is_said_leaves_nothing(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        async with aiohttp.ClientSession() as http:

            async def endless() -> AsyncIterator[bytes]:
                while True:
                    yield bytes(320)
                    await asyncio.sleep(0.02)

            response = await http.post(address(server), data=endless())
            await cloud.received.session()
            response.close()
            await cloud.received.until(lambda: not cloud.received.sessions_open, timeout=1)
            await until(lambda: server.health()["calls"] == 0)


async def test_a_call_too_many_is_refused_with_a_status_and_a_reason(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, max_calls=0) as server,
        aiohttp.ClientSession() as http,
        http.post(address(server), data=bytes(320)) as response,
    ):
        assert response.status == 503
        assert "MAX_CALLS" in (await response.json())["error"]


async def test_two_calls_do_not_hear_each_other(serve: Serve) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud) as server,
        aiohttp.ClientSession() as http,
    ):

        async def speak(value: int) -> None:
            said = value.to_bytes(2, "little") * 3200
            async with http.post(address(server), data=in_pieces(said, 500)) as response:
                await response.read()

        await asyncio.gather(speak(1111), speak(2222))
        levels = [set(bytes(s.audio[:6400])) for s in cloud.received.sessions]
        one, two = (set(value.to_bytes(2, "little")) for value in (1111, 2222))
        assert sorted(levels, key=sorted) == sorted([one, two], key=sorted)


# --- a client that never reads -------------------------------------------------------------------


class Talker:
    """A call whose agent talks without end, as fast as the transport takes frames."""

    def __init__(self, caller: Caller, line: Line) -> None:
        self.left = asyncio.Event()
        pacing: Any = self
        line.open_playout(pacing, lambda _: None)
        self._talking = asyncio.create_task(self._talk())

    def playout(self, send: Callable[[bytes], None], finished: object) -> None:
        self._send = send

    async def _talk(self) -> None:
        while not self.left.is_set():
            for _ in range(50):
                self._send(bytes(320))
            await asyncio.sleep(0)

    def hear(self, pcm: bytes) -> None: ...
    def press(self, digit: str) -> None: ...
    def write(self, text: str) -> None: ...

    def audio_ended(self) -> None: ...

    def leave(self) -> None:
        self.left.set()


async def test_a_client_that_takes_no_audio_is_given_up_and_its_call_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[Talker] = []
    connections: list[HttpConnection] = []

    def open_call(caller: Caller, line: Line) -> Talker:
        calls.append(Talker(caller, line))
        return calls[-1]

    reception = Reception(open_call)
    app = web.Application()
    app.router.add_post(PATH, HttpStream(reception).handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    server = runner.server
    assert server is not None

    def connection() -> HttpConnection:
        connections.append(HttpConnection(server, reception, stalled_s=0.3))
        return connections[-1]

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(connection, "127.0.0.1", 0)
    with socket.socket() as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.setblocking(False)
        await loop.sock_connect(end, listener.sockets[0].getsockname())
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-UUID: the-call\r\nContent-Length: 999\r\n\r\n"
        await loop.sock_sendall(end, head.encode())
        await until(lambda: bool(calls) and connections[0].writing_paused)
        transport = connections[0].socket
        assert transport is not None
        assert transport.get_write_buffer_size() <= UNREAD_MAX_BYTES
        async with asyncio.timeout(5):
            await calls[0].left.wait()
    listener.close()
    await runner.cleanup()
    await listener.wait_closed()
    assert "call the-call: the client took no audio for" in caplog.text
