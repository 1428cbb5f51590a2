"""A WebSocket with a call on it: bad input, and every way in which the connection ends.

The tests run on uvloop, as the service does. Early releases of Python 3.12 and 3.13 lose data or
close late in `writelines` of asyncio's own transport (CPython gh-115514, gh-127655).
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import websockets
from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport
from tests.support import until

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.websocket import MAX_MESSAGE_BYTES, accept
from avr_sts_speechmatics.transports.reception import Reception
from avr_sts_speechmatics.transports.websocket_connection import WebSocketConnection

MUCH = 16 << 20
"""More than the buffers of both kernels hold (bytes)."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make the loop of the tests of this module; see `conftest`."""
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def no_call(caller: Caller, line: Line) -> CallerSide:
    raise CallerError("this test has no calls")


class Notes:
    """A call that only writes down that its caller left."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    def hear(self, pcm: bytes) -> None: ...
    def press(self, digit: str) -> None: ...
    def write(self, text: str) -> None: ...

    def audio_ended(self) -> None: ...

    def leave(self) -> None:
        self.left.set()


class Connection(WebSocketConnection):
    """A transport without a protocol: keeps whole messages.

    first_wait_s: how long the first message is waited for (s).
    """

    def __init__(
        self,
        *,
        first_wait_s: float = 5.0,
        stalled_s: float = 5.0,
        linger_s: float = 1.0,
        unread_max: int = MUCH,
    ) -> None:
        reception = Reception(no_call)
        super().__init__("the test's peer", reception, stalled_s=stalled_s, linger_s=linger_s)
        self._unread_max = unread_max
        self._first_wait_s = first_wait_s
        self._call = self.notes = Notes()
        self.messages: list[bytes] = []
        self.opened = asyncio.Event()
        self.paused = False

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AgentAudio:
        return pacing.playout(lambda frame: None, finished)

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self._deadline.set(self._first_wait_s, lambda: self._close(WSCloseCode.POLICY_VIOLATION))
        self.opened.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if (message := self._whole_message(frame)) is not None:
            self._deadline.stop()
            self.messages.append(bytes(message[1]))
            if message == (WSMsgType.TEXT, b"bad"):
                self._complain("a bad message")

    def pause_writing(self) -> None:
        self.paused = True
        super().pause_writing()

    def resume_writing(self) -> None:
        self.paused = False
        super().resume_writing()

    def send(self, size: int) -> None:
        for _ in range(size >> 16):
            self._send(WSMsgType.TEXT, bytes(1 << 16))

    def send_until_paused(self) -> None:
        while not self.paused:
            self._send(WSMsgType.TEXT, bytes(1 << 16))


@asynccontextmanager
async def listening(connection: Connection) -> AsyncIterator[int]:
    """A port that takes one connection."""
    server = await asyncio.get_running_loop().create_server(
        lambda: accept(lambda request: connection), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def dialled(connection: Connection) -> AsyncIterator[websockets.ClientConnection]:
    async with listening(connection) as port:
        url = f"ws://127.0.0.1:{port}"
        async with websockets.connect(url, compression=None, max_size=None) as peer:
            yield peer


@asynccontextmanager
async def narrow(connection: Connection) -> AsyncIterator[socket.socket]:
    """A peer that reads nothing on its own, after the handshake."""
    loop = asyncio.get_running_loop()
    async with listening(connection) as port:
        with socket.socket() as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            end.setblocking(False)
            await asyncio.wait_for(loop.sock_connect(end, ("127.0.0.1", port)), 5)
            head = (
                b"GET / HTTP/1.1\r\nHost: pbx\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await loop.sock_sendall(end, head)
            async with asyncio.timeout(5):
                await connection.opened.wait()
            yield end


async def left(connection: Connection) -> None:
    async with asyncio.timeout(5):
        await connection.notes.left.wait()


# --- messages ------------------------------------------------------------------------------------


async def test_a_message_in_fragments_is_one_message() -> None:
    connection = Connection()
    async with dialled(connection) as peer:
        await peer.send([b"in ", b"three ", b"pieces"])
        await peer.send("whole")
        await until(lambda: len(connection.messages) == 2)
    assert connection.messages == [b"in three pieces", b"whole"]


@pytest.mark.parametrize("fragments", [1, 3])
async def test_a_message_beyond_every_bound_ends_the_connection(fragments: int) -> None:
    connection = Connection()
    async with dialled(connection) as peer:
        size = MAX_MESSAGE_BYTES // fragments + 1
        await peer.send([bytes(size)] * fragments if fragments > 1 else bytes(size))
        await asyncio.wait_for(peer.wait_closed(), 5)
        assert peer.close_code == 1009
    await left(connection)
    assert connection.messages == []


async def test_bad_messages_are_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection()
    async with dialled(connection) as peer:
        for _ in range(5):
            await peer.send("bad")
    await left(connection)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == [
        "a connection from 127.0.0.1: a bad message; more of this call are counted, not reported",
        "a connection from 127.0.0.1: 5 messages of this call could not be used",
    ]


# --- the end -------------------------------------------------------------------------------------


async def test_a_close_of_the_peer_is_answered_and_reported_to_the_call() -> None:
    connection = Connection()
    async with dialled(connection) as peer:
        await peer.close()
        assert peer.close_code == 1000
    await left(connection)


async def test_a_vanished_peer_is_reported_to_the_call() -> None:
    connection = Connection()
    async with dialled(connection) as peer:
        peer.transport.abort()
        await left(connection)
    connection.close(failed=False)
    connection.send(1 << 16)


@pytest.mark.parametrize(("failed", "code"), [(False, 1000), (True, 1011)])
async def test_a_close_says_whether_something_broke(failed: bool, code: int) -> None:
    connection = Connection()
    async with dialled(connection) as peer:
        await connection.opened.wait()
        connection.close(failed=failed)
        connection.close(failed=not failed)
        await asyncio.wait_for(peer.wait_closed(), 5)
        assert peer.close_code == code
    await left(connection)


async def test_data_sent_before_a_close_still_arrives() -> None:
    connection = Connection(unread_max=MUCH, linger_s=10)
    async with narrow(connection) as end:
        connection.send(MUCH)
        connection.close(failed=False)
        loop, received = asyncio.get_running_loop(), 0
        async with asyncio.timeout(10):
            while data := await loop.sock_recv(end, 1 << 20):
                received += len(data)
        assert received >= MUCH
    await left(connection)


async def test_a_close_is_not_waited_for_longer_than_its_bound() -> None:
    connection = Connection(linger_s=0.1)
    async with narrow(connection):
        connection.send(MUCH)
        connection.close(failed=False)
        await left(connection)


# --- a peer that stands still --------------------------------------------------------------------


async def test_a_peer_that_takes_nothing_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(stalled_s=0.1)
    async with narrow(connection):
        connection.send(MUCH)
        assert connection.paused
        await left(connection)
    assert "the test's peer took no audio for" in caplog.text


async def read_until_resumed(connection: Connection, end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        while connection.paused:
            await loop.sock_recv(end, 1 << 20)


async def test_a_peer_that_takes_data_again_is_not_given_up() -> None:
    connection = Connection(stalled_s=60)
    async with narrow(connection) as end:
        connection.send_until_paused()
        assert connection._stall.is_set
        await read_until_resumed(connection, end)
        assert not connection._stall.is_set
        assert not connection.notes.left.is_set()


async def test_a_stall_does_not_end_the_wait_for_the_first_message() -> None:
    connection = Connection(first_wait_s=60, stalled_s=60)
    async with narrow(connection) as end:
        assert connection._deadline.is_set
        connection.send_until_paused()
        await read_until_resumed(connection, end)
        assert connection._deadline.is_set


async def test_the_end_of_a_stall_does_not_end_the_bound_of_a_close() -> None:
    connection = Connection(linger_s=60)
    async with narrow(connection):
        connection.send_until_paused()
        connection.close(failed=False)
        connection.resume_writing()
        assert connection._deadline.is_set


async def test_a_first_message_ends_the_wait_for_it() -> None:
    connection = Connection(first_wait_s=0.5)
    async with dialled(connection) as peer:
        await peer.send(os.urandom(8))
        await until(lambda: bool(connection.messages))
        assert not connection._deadline.has_timer


async def test_no_timer_outlives_the_connection() -> None:
    connection = Connection()
    async with narrow(connection):
        connection.send(MUCH)
        assert connection._stall.is_set
    await left(connection)
    assert not connection._stall.has_timer
    assert not connection._deadline.has_timer
