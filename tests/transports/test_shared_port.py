"""One port for WebSockets and HTTP, over real sockets."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import websockets
from aiohttp import ClientSession, web
from picows import WSFrame, WSListener, WSMsgType, WSTransport
from websockets.asyncio.client import connect

from avr_sts_speechmatics.admission.refusal import Refusal
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.websocket import accept
from avr_sts_speechmatics.transports import shared_port
from avr_sts_speechmatics.transports.reception import Reception
from avr_sts_speechmatics.transports.shared_port import (
    HEAD_MAX_BYTES,
    SharedPort,
    asks_for_websocket,
)

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HELLO = bytes.fromhex("8185" + "00000000") + b"hello"  # a masked text frame, mask 0


def no_call(caller: Caller, line: Line) -> CallerSide:
    raise CallerError("this test has no calls")


class Echo(WSListener):
    """Sends back what it gets."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


@asynccontextmanager
async def open_connection(refusal: Refusal | None = None) -> AsyncIterator[int]:
    """The port of a service with an echo behind it, and a page that counts the bytes sent to it.

    refusal: why no call can be taken.
    """

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"page {len(await request.read())}")

    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    http = runner.server
    assert http is not None

    reception = Reception(no_call, why_not=lambda: refusal)

    def shared_port() -> SharedPort:
        return SharedPort(lambda: accept(lambda _: Echo()), http, reception)

    listener = await asyncio.get_running_loop().create_server(shared_port, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await runner.cleanup()
        await listener.wait_closed()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with open_connection() as port:
        yield port


class Peer:
    """A plain socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Each piece is a packet of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def read(self, *until: bytes) -> bytes:
        async with asyncio.timeout(5):
            answer = b""
            for mark in until:
                answer += await self._reader.readuntil(mark)
            return answer

    async def read_to_the_end(self) -> bytes:
        async with asyncio.timeout(5):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    def finish(self) -> None:
        self._writer.write_eof()


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def peer(port: int) -> AsyncIterator[Peer]:
    async with dialled(port) as peer:
        yield peer


# --- who is let through to where ---------------------------------------------------------------


async def test_a_websocket_is_served(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/call") as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"


async def test_a_page_is_served_on_the_same_port(port: int) -> None:
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as page:
        assert (page.status, await page.text()) == (200, "page 0")


async def test_a_connection_may_ask_for_more_than_one_page(port: int, peer: Peer) -> None:
    request = GET.replace(b"Connection: close\r\n", b"")
    for _ in range(3):
        await peer.send(request)
        assert (await peer.read(b"page 0")).startswith(b"HTTP/1.1 200")


async def test_both_are_served_at_once(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}") as socket, ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/") as page:
            assert page.status == 200
        await socket.send(b"\x00" * 320)
        assert await socket.recv() == b"\x00" * 320


async def test_a_large_body_arrives_whole(port: int) -> None:
    body = bytes(2**20)
    async with (
        ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/", data=body) as page,
    ):
        assert await page.text() == f"page {len(body)}"


# --- however the bytes come --------------------------------------------------------------------


async def test_a_request_for_a_page_may_come_byte_by_byte(peer: Peer) -> None:
    await peer.send(*(GET[at : at + 1] for at in range(len(GET))))
    assert (await peer.read_to_the_end()).endswith(b"page 0")


async def test_a_request_for_a_websocket_may_come_byte_by_byte(peer: Peer) -> None:
    stream = UPGRADE + HELLO
    await peer.send(*(stream[at : at + 1] for at in range(len(stream))))
    assert (await peer.read(b"\r\n\r\n", b"hello")).startswith(b"HTTP/1.1 101")


async def test_a_request_may_be_cut_anywhere(port: int) -> None:
    stream = UPGRADE + HELLO
    for cut in range(1, len(stream)):
        async with dialled(port) as peer:
            await peer.send(stream[:cut], stream[cut:])
            assert (await peer.read(b"\r\n\r\n", b"hello")).startswith(b"HTTP/1.1 101")


async def test_frames_that_come_with_the_request_are_not_lost(peer: Peer) -> None:
    await peer.send(UPGRADE + 1000 * HELLO)
    answer = await peer.read(b"\r\n\r\n", *[b"hello"] * 1000)
    assert answer.count(b"hello") == 1000


async def test_a_body_that_comes_with_the_request_is_not_lost(peer: Peer) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 50000\r\n\r\n"
    await peer.send(head + bytes(50000))
    assert (await peer.read_to_the_end()).endswith(b"page 50000")


# --- who is not let through --------------------------------------------------------------------


def of_one_line(size: int) -> bytes:
    start = b"GET / HTTP/1.1\r\nX: "
    return start + b"x" * (size - len(start)) + b"\r\n\r\n"


@pytest.mark.parametrize("complete", [True, False], ids=["complete", "without an end"])
@pytest.mark.parametrize("in_pieces", [True, False], ids=["in pieces", "at once"])
async def test_a_head_that_is_too_large_is_refused(
    peer: Peer, complete: bool, in_pieces: bool
) -> None:
    head = of_one_line(HEAD_MAX_BYTES + 1)
    head = head if complete else head[:-4] + b"x" * 4
    if in_pieces:
        await peer.send(*(head[at : at + 1000] for at in range(0, len(head), 1000)))
    else:
        await peer.send(head)
    assert (await peer.read_to_the_end()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS to a port without it
        b"\x00" * 100 + b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"\r\n\r\n",
        b"GET\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_garbage_is_not_served_and_the_port_stays_open(
    port: int, peer: Peer, garbage: bytes
) -> None:
    await peer.send(garbage)
    peer.finish()
    answer = await peer.read_to_the_end()
    assert b" 200 " not in answer
    assert b" 101 " not in answer
    async with connect(f"ws://127.0.0.1:{port}") as socket:
        await socket.send("still there?")
        assert await socket.recv() == "still there?"


async def test_a_silent_connection_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_port, "HEAD_S", 0.05)
    async with dialled(port) as peer:
        await peer.send(GET[:-1])
        assert await peer.read_to_the_end() == b""


async def test_a_served_connection_is_not_closed_by_the_head_timeout(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_port, "HEAD_S", 0.05)
    async with connect(f"ws://127.0.0.1:{port}") as socket:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await socket.recv()
        await socket.send("hello")
        assert await socket.recv() == "hello"


async def test_a_client_that_leaves_before_its_request_leaves_no_timer(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = asyncio.Event()
    lost: Callable[[SharedPort, Exception | None], None] = SharedPort.connection_lost

    def connection_lost(port: SharedPort, exc: Exception | None) -> None:
        lost(port, exc)
        assert not port._deadline.has_timer
        left.set()

    monkeypatch.setattr(SharedPort, "connection_lost", connection_lost)
    async with dialled(port) as peer:
        await peer.send(b"GET")
    async with asyncio.timeout(5):
        await left.wait()


async def test_a_rejected_websocket_client_receives_the_reason(port: int) -> None:
    with pytest.raises(websockets.InvalidHandshake):
        async with connect(f"ws://127.0.0.1:{port}", additional_headers={"X": "x" * 2**15}):
            pass


# --- what asks for a WebSocket -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "asks"),
    [
        (b"Upgrade: websocket", True),
        (b"upgrade:WebSocket", True),
        (b"UPGRADE:  h2c, websocket", True),
        (b"Upgrade: h2c", False),
        (b"X-Upgrade: websocket", False),
        (b"Connection: Upgrade", False),
        (b"X: Upgrade: websocket", False),
        (b"", False),
    ],
)
def test_only_the_upgrade_header_asks_for_a_websocket(header: bytes, asks: bool) -> None:
    assert asks_for_websocket(b"GET / HTTP/1.1\r\nHost: x\r\n" + header) is asks


def test_an_address_does_not_ask_for_a_websocket() -> None:
    assert not asks_for_websocket(b"upgrade: websocket HTTP/1.1\r\nHost: x")


# --- on the other loop -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "test",
    [
        test_both_are_served_at_once,
        test_a_connection_may_ask_for_more_than_one_page,
        test_a_large_body_arrives_whole,
        test_a_request_for_a_page_may_come_byte_by_byte,
        test_a_request_for_a_websocket_may_come_byte_by_byte,
        test_a_request_may_be_cut_anywhere,
        test_frames_that_come_with_the_request_are_not_lost,
        test_a_body_that_comes_with_the_request_is_not_lost,
    ],
)
def test_the_shared_port_works_on_uvloop(test: Callable[..., Awaitable[None]]) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def run() -> None:
        async with open_connection() as port, dialled(port) as peer:
            things = {"port": port, "peer": peer}
            await test(**{name: things[name] for name in inspect.signature(test).parameters})

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


# --- while no call can be taken -----------------------------------------------------------------


@pytest.mark.parametrize(
    "first", [b"GET /a?from=1 HTTP/1.1", b"GET /media HTTP/1.1", b"x", b"", b"\xff \xff"]
)
async def test_a_websocket_is_refused_by_its_head_alone(
    first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = first + UPGRADE[UPGRADE.index(b"\r\n") :]
    full = Refusal("full", 'all lines are "busy"', 7)
    async with open_connection(full) as port, dialled(port) as peer:
        await peer.send(head + HELLO)
        if not first:  # empty lines before a request are ignored
            await peer.send(b"\r\n")
        answer = await peer.read_to_the_end()
    status, _, rest = answer.partition(b"\r\n")
    assert status == b"HTTP/1.1 503 Service Unavailable"
    headers, _, body = rest.partition(b"\r\n\r\n")
    assert b"Retry-After: 7" in headers.split(b"\r\n")
    assert f"Content-Length: {len(body)}".encode() in headers.split(b"\r\n")
    assert json.loads(body) == {"error": 'all lines are "busy"'}
    assert 'refused: all lines are "busy"' in caplog.text


async def test_pages_are_served_while_no_call_can_be_taken() -> None:
    async with open_connection(Refusal("full", "full")) as port, dialled(port) as peer:
        await peer.send(GET)
        assert b"page 0" in await peer.read_to_the_end()
