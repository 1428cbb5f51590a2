"""Strangers at the ports of the whole service, with a call beside them that must not notice.

Each client does one thing as fast as the network allows: real sockets, a real call.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from tests.avr_core import AvrCore, dial
from tests.support import Serve, until, url_of

from avr_sts_speechmatics.admission.call_count import LocalCount
from avr_sts_speechmatics.network.listening import RECEIVE_BUFFER_BYTES
from avr_sts_speechmatics.network.websocket import UNREAD_MAX_BYTES
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.transports.audiosocket_wire import UUID, message
from avr_sts_speechmatics.transports.limited_log import LINES

QUESTION = turn("When do you close?", start=0.2, end=0.8)
ANSWER = "We close at five."
UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: pbx\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PING = b"\x89\xfd" + bytes(4) + b"p" * 125
KERNEL_BYTES = 32 << 20
"""More than the kernel keeps of both directions of one connection (bytes)."""


def rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@asynccontextmanager
async def stranger(port: tuple[str, int]) -> AsyncIterator[socket.socket]:
    """A socket that reads nothing on its own."""
    loop = asyncio.get_running_loop()
    with socket.socket() as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.setblocking(False)
        await loop.sock_connect(end, port)
        yield end


async def flood(end: socket.socket, data: bytes) -> int:
    """Send the same data until the service ends the connection; returns the bytes sent."""
    loop, sent = asyncio.get_running_loop(), 0
    with suppress(ConnectionError):
        async with asyncio.timeout(30):
            while sent < KERNEL_BYTES:
                await loop.sock_sendall(end, data)
                sent += len(data)
    return sent


@asynccontextmanager
async def with_a_call(serve: Serve, **settings: object) -> AsyncIterator[tuple[Server, AvrCore]]:
    """The service with one call, which is answered afterwards as if nothing had happened."""
    engines = scripted(QUESTION, answers=[ANSWER])
    async with (
        running_sandbox(engines) as cloud,
        serve(cloud, **settings) as server,
        dial(url_of(server)) as core,
    ):
        await core.init()
        await cloud.received.session()
        yield server, core
        await core.speak(bytes(32_000))
        await core.until(lambda heard: heard.said("agent") == ANSWER)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


# --- clients that never read ---------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/", b"/media"])
@pytest.mark.parametrize("first", [b"", b"init"])
async def test_a_websocket_that_sends_pings_and_never_reads_is_aborted(
    serve: Serve, path: bytes, first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    init = b'{"type":"init","uuid":"x"}'
    hello = bytes((0x81, 0x80 | len(init))) + bytes(4) + init if first else b""
    async with with_a_call(serve) as (server, _), stranger(server.addresses[0]) as end:
        before = rss_bytes()
        await asyncio.get_running_loop().sock_sendall(end, UPGRADE % path + hello)
        assert await flood(end, PING * 1000) < KERNEL_BYTES
        assert rss_bytes() - before < 64 << 20
        await until(lambda: len(server._reception.waiting) == 0)
    assert f"left {UNREAD_MAX_BYTES >> 10} kB unread and is given up" in caplog.text


async def test_protocol_errors_are_answered_once(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    unmasked = b"\x81\x05hello"
    async with with_a_call(serve) as (server, _), stranger(server.addresses[0]) as end:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(end, UPGRADE % b"/")
        await flood(end, unmasked * 1000)
        await until(lambda: len(server._reception.waiting) == 0)
    (line,) = [line for line in warnings(caplog) if "WebSocket from 127.0.0.1 is closed" in line]
    assert "un-masked" in line


async def test_an_http_stream_that_is_never_read_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_a_call(serve) as (server, _), stranger(server.addresses[0]) as end:
        head = b"POST /speech-to-speech-stream HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
        await asyncio.get_running_loop().sock_sendall(end, head + b"\r\n" + bytes(3200))
        await until(lambda: server.health()["calls"] == 2)
        assert len(server._reception.waiting) == 0
    assert server.health()["calls"] == 0


# --- clients that send too much ------------------------------------------------------------------


async def test_a_client_can_occupy_the_process_for_a_moment_only(serve: Serve) -> None:
    async with with_a_call(serve, http_port=0, audiosocket_port=0) as (server, _):
        for listener in server._listeners:
            for sock in listener.sockets:
                # The kernel doubles the size for its own bookkeeping.
                size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
                assert size <= 2 * RECEIVE_BUFFER_BYTES


async def test_a_flood_of_keys_is_cut(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as core:
            await core.init("the-call")
            for _ in range(200):
                await core.send({"type": "dtmf_digit", "digit": "1"})
            await until(lambda: "keys come faster than a telephone" in caplog.text)
            await cloud.received.session()
    assert "call the-call: keys come faster" in caplog.text


async def test_unusable_messages_are_counted_though_they_are_not_examined(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as core:
            await core.init("the-call")
            for number in range(200):
                await core.send({"type": f"unknown {number}"})
            await cloud.received.session()
        await until(lambda: "messages of this call could not be used" in caplog.text)
    assert "call the-call: 100 messages of this call could not be used" in caplog.text


# --- clients that say nothing --------------------------------------------------------------------


async def test_many_silent_connections_do_not_cost_a_call(serve: Serve) -> None:
    settings = {"max_calls": 5, "http_port": 0, "audiosocket_port": 0}
    async with with_a_call(serve, **settings) as (server, _):
        ports = [server.addresses[0], server.ports["HTTP_PORT"], server.ports["AUDIOSOCKET_PORT"]]
        ends = []
        for number in range(300):
            ends.append(socket.create_connection(ports[number % 3]))
            await asyncio.sleep(0)
        await until(lambda: len(server._reception.waiting) == 256)
        async with dial(url_of(server)) as another:
            await another.init()
            await until(lambda: server.health()["calls"] == 2)
        for end in ends:
            end.close()
        await until(lambda: len(server._reception.waiting) == 0)


async def test_connections_with_calls_do_not_count_as_waiting(serve: Serve) -> None:
    async with with_a_call(serve, audiosocket_port=0) as (server, _):
        _, writer = await asyncio.open_connection(*server.ports["AUDIOSOCKET_PORT"])
        writer.write(message(UUID, uuid.uuid4().bytes))
        await until(lambda: server.health()["calls"] == 2)
        assert len(server._reception.waiting) == 0
        writer.close()
        await writer.wait_closed()


# --- log lines -----------------------------------------------------------------------------------


async def send_and_close(port: tuple[str, int], data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*port)
    writer.write(data)
    writer.write_eof()
    answer = b""
    with suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("setting", "data", "kind"),
    [
        ("PORT", b"hello\r\n\r\n", "malformed requests"),
        ("HTTP_PORT", b"hello\r\n\r\n", "malformed requests"),
        ("PORT", b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, "malformed requests"),
        ("PORT", b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "refused WebSocket handshakes"),
        ("PORT", (UPGRADE % b"/") + b"\x8f\x80\0\0\0\0", "WebSocket protocol errors"),
        ("PORT", (UPGRADE % b"/") + b"\x81\x81\0\0\0\0{", "unusable messages"),
        ("AUDIOSOCKET_PORT", b"\x10\x00\x02ab", "AudioSocket connections without a uuid"),
        ("AUDIOSOCKET_PORT", message(UUID, b"short"), "AudioSocket connections without a uuid"),
    ],
)
async def test_lines_that_a_stranger_provokes_are_limited(
    serve: Serve, setting: str, data: bytes, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"http_port": 0, "audiosocket_port": 0}
    async with with_a_call(serve, **settings) as (server, _):
        for _ in range(LINES + 5):
            await send_and_close(server.ports[setting], data)
        server._reception.log.close()
    lines = warnings(caplog)
    assert f"5 more {kind} from 127.0.0.1 in 60 s" in lines
    assert len(lines) == LINES + 1
    assert all("\n" not in line for line in lines)
    assert "Traceback" not in caplog.text


# --- a full service ------------------------------------------------------------------------------


async def refused_by_websocket(server: Server, path: str, first: Mapping[str, object]) -> None:
    async with dial(url_of(server, path)) as core:
        server._admission._calls = LocalCount(0)  # full between the handshake and the call
        await core.send(dict(first))
        await core.until_closed()
        server._admission._calls = LocalCount(1)


async def refused_by_audiosocket(server: Server, name: str) -> None:
    end = message(UUID, uuid.UUID(name).bytes)
    reader, writer = await asyncio.open_connection(*server.ports["AUDIOSOCKET_PORT"])
    writer.write(end)
    await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()


async def test_every_refused_call_is_logged_with_its_call_and_counted(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    names = [str(uuid.uuid4()) for _ in range(4)]
    async with (
        running_sandbox() as cloud,
        serve(cloud, max_calls=1, audiosocket_port=0) as server,
        aiohttp.ClientSession() as http,
    ):
        path = "/?from=%2B4930123456&to=2001"
        await refused_by_websocket(server, path, {"type": "init", "uuid": names[0]})
        start = {"event": "MEDIA_START", "format": "slin", "channel_id": names[1]}
        await refused_by_websocket(server, "/media?from=%2B4930123456", start)
        server._admission._calls = LocalCount(0)
        await refused_by_audiosocket(server, names[2])
        address = "http://{}:{}/speech-to-speech-stream".format(*server.addresses[0])
        async with http.post(address, headers={"X-UUID": names[3]}, data=b"") as response:
            assert response.status == 503
        assert server.health()["calls_refused"] == 4
    lines = warnings(caplog)
    for name in names:
        (line,) = [line for line in lines if name in line]
        assert "refused: the service has its 0 calls (MAX_CALLS)" in line
    assert "4930" not in caplog.text
    assert "from ***56" in caplog.text


async def test_a_warning_of_a_call_names_the_call(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        async with dial(url_of(server)) as core:
            await core.init("the-call")
            await core.send("{")
            await core.send("{")
            await cloud.received.session()
        await until(lambda: "2 messages" in caplog.text)
    assert all("the-call" in line for line in warnings(caplog))
