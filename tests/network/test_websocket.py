"""WebSockets by picows: whole messages, and a connect that leaves nothing behind."""

import asyncio
import signal
import socket
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha1
from pathlib import Path

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from picows import WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport
from picows.picows import _make_test_ws_frame
from tests.http_proxy import HttpProxy, certificate, http_proxy
from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import ServerConnection, serve

from avr_sts_speechmatics.network.proxies import Proxy, ProxyFailed, parse
from avr_sts_speechmatics.network.websocket import (
    MAX_MESSAGE_BYTES,
    NO_CODE,
    Messages,
    accept,
    close_reason,
    connect,
)

TEXT, BINARY, MORE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION


def frame(kind: WSMsgType, payload: bytes, *, fin: bool = True) -> WSFrame:
    made: WSFrame = _make_test_ws_frame(kind, payload, fin, False)
    return made


class Ear(WSListener):
    """Keeps whole messages and the close, as a listener of the product does."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.messages: asyncio.Queue[tuple[WSMsgType, bytes]] = asyncio.Queue()
        self.reason: tuple[int, str] | None = None
        self.transport: WSTransport | None = None
        self._whole = Messages()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.opened.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            self.reason = close_reason(frame)
            transport.disconnect()
        elif message := self._whole.feed(frame):
            self.messages.put_nowait((message[0], bytes(message[1])))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed.set()


class Silence(asyncio.Protocol):
    """Takes a connection and never says a word. `gone` is set when the other end has left."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.gone = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.came.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()


@asynccontextmanager
async def listening(protocol: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[str]:
    """The address of a server with this protocol for each connection."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def peer(handle: Callable[[ServerConnection], object]) -> AsyncIterator[str]:
    """The address of a WebSocket server that was written by others."""

    async def serving(connection: ServerConnection) -> None:
        result = handle(connection)
        if asyncio.iscoroutine(result):
            await result
        await connection.wait_closed()

    async with serve(serving, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def left(event: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await event.wait()


# --- whole messages ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_a_message_in_one_frame_is_given_as_it_is(kind: WSMsgType) -> None:
    message = Messages().feed(frame(kind, b"hello"))
    assert message is not None
    assert (message[0], bytes(message[1])) == (kind, b"hello")


@given(
    st.lists(
        st.tuples(st.sampled_from([TEXT, BINARY]), st.lists(st.binary(max_size=20), min_size=1)),
        max_size=5,
    )
)
def test_messages_come_whole_and_in_order_however_they_are_fragmented(
    sent: list[tuple[WSMsgType, list[bytes]]],
) -> None:
    messages, came = Messages(), []
    for kind, parts in sent:
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            whole = messages.feed(frame(MORE if number else kind, part, fin=last))
            assert (whole is not None) is last
            if whole is not None:
                came.append((whole[0], bytes(whole[1])))
    assert came == [(kind, b"".join(parts)) for kind, parts in sent]


def test_a_continuation_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="without a beginning"):
        Messages().feed(frame(MORE, b"lo"))


def test_a_message_that_is_complete_is_not_continued() -> None:
    messages = Messages()
    messages.feed(frame(TEXT, b"hel", fin=False))
    messages.feed(frame(MORE, b"lo"))
    with pytest.raises(ValueError, match="without a beginning"):
        messages.feed(frame(MORE, b"!"))


def test_fragments_may_be_as_long_as_a_message_and_no_longer() -> None:
    messages = Messages()
    half = bytes(MAX_MESSAGE_BYTES // 2)
    messages.feed(frame(BINARY, half, fin=False))
    assert messages.feed(frame(MORE, half, fin=False)) is None
    with pytest.raises(ValueError, match="more than"):
        messages.feed(frame(MORE, b"x"))


def test_a_single_frame_may_be_as_long_as_a_message_and_no_longer() -> None:
    with pytest.raises(ValueError, match="more than"):
        Messages().feed(frame(BINARY, bytes(MAX_MESSAGE_BYTES + 1)))


@pytest.mark.parametrize("fin", [True, False], ids=["whole", "fragmented"])
def test_a_message_that_begins_within_another_is_refused(fin: bool) -> None:
    """[RFC 6455, 5.4: fragments of different messages are not interleaved]"""
    messages = Messages()
    messages.feed(frame(TEXT, b"hel", fin=False))
    with pytest.raises(ValueError, match="within"):
        messages.feed(frame(TEXT, b"hello", fin=fin))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", (NO_CODE, "")),
        (b"\x03", (NO_CODE, "")),
        (b"\x03\xe8", (1000, "")),
        (b"\x0f\xa5too many", (4005, "too many")),
        (b"\x03\xf3\xff", (1011, "\ufffd")),
    ],
)
def test_why_a_peer_closed_is_read_from_any_close_frame(
    payload: bytes, reason: tuple[int, str]
) -> None:
    assert close_reason(frame(WSMsgType.CLOSE, payload)) == reason


# --- connecting --------------------------------------------------------------------------------


async def test_a_connection_carries_messages_both_ways() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    ear = Ear()
    async with peer(echo) as url:
        transport = await connect(ear, url)
        assert ear.opened.is_set()
        transport.send(TEXT, b"hello")
        transport.send(BINARY, bytes(320))
        async with asyncio.timeout(5):
            assert await ear.messages.get() == (TEXT, b"hello")
            assert await ear.messages.get() == (BINARY, bytes(320))
        transport.disconnect()
        await left(ear.closed)


async def test_a_message_sent_in_fragments_arrives_whole() -> None:
    ear = Ear()
    async with peer(lambda connection: connection.send(["frag", "men", "ted"])) as url:
        transport = await connect(ear, url)
        async with asyncio.timeout(5):
            assert await ear.messages.get() == (TEXT, b"fragmented")
        transport.disconnect()
        await left(ear.closed)


async def test_an_applications_own_close_code_is_heard() -> None:
    ear = Ear()
    async with peer(lambda connection: connection.close(4005, "too many")) as url:
        await connect(ear, url)
        await left(ear.closed)
    assert ear.reason == (4005, "too many")


async def test_address_and_headers_reach_the_server() -> None:
    seen: asyncio.Queue[tuple[str, str | None, str | None]] = asyncio.Queue()

    def look(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        headers = request.headers
        seen.put_nowait((request.path, headers.get("Authorization"), headers.get("Host")))

    ear = Ear()
    async with peer(look) as url:
        transport = await connect(
            ear, f"{url}/v2/agent?token=a%2Fb", headers={"Authorization": "Bearer key"}
        )
        assert await seen.get() == ("/v2/agent?token=a%2Fb", "Bearer key", url[5:])
        transport.disconnect()
        await left(ear.closed)


async def test_a_server_that_is_not_there_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connect(Ear(), f"ws://127.0.0.1:{port}")


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_a_refusal_tells_its_status(status: int) -> None:
    class Refusal(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"HTTP/1.1 %d No\r\nContent-Length: 4\r\n\r\nnope" % status)

    async with listening(Refusal) as url:
        with pytest.raises(WSHandshakeError) as caught:
            await connect(Ear(), url)
    assert caught.value.response is not None
    assert caught.value.response.status == status


async def test_a_server_that_hangs_up_during_the_handshake_is_an_error() -> None:
    class HangsUp(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()

    ear = Ear()
    async with listening(HangsUp) as url:
        with pytest.raises((OSError, WSHandshakeError)):
            await connect(ear, url)
    assert not ear.opened.is_set()


async def test_a_server_that_says_nothing_is_given_up_in_time_and_left() -> None:
    silence = Silence()
    async with listening(lambda: silence) as url:
        with pytest.raises((TimeoutError, WSHandshakeError)):
            await connect(Ear(), url, timeout=0.05)
        await left(silence.gone)


async def test_a_connect_that_is_cancelled_leaves_no_socket() -> None:
    silence, ear = Silence(), Ear()
    async with listening(lambda: silence) as url:
        connecting = asyncio.create_task(connect(ear, url))
        await left(silence.came)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await left(silence.gone)
    assert not ear.opened.is_set()


@pytest.mark.parametrize("turns", range(12))
async def test_a_connect_may_be_cancelled_at_any_moment(turns: int) -> None:
    """Whatever had been reached; that nothing is left is for the fixture of all tests to see."""
    ear = Ear()
    async with peer(lambda _: None) as url:
        connecting = asyncio.create_task(connect(ear, url))
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        try:
            transport = await connecting
        except asyncio.CancelledError:
            if ear.opened.is_set():
                await left(ear.closed)
        else:
            transport.disconnect()
            await left(ear.closed)


# --- through a proxy ---------------------------------------------------------------------------


@asynccontextmanager
async def proxied(
    user: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[HttpProxy, Proxy]]:
    """An echo server that is reached only through a proxy: how the proxy is seen, and its address.

    user: user name, password and "@".
    tls: the server's TLS context, for port 443.
    """

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with peer(echo) as url, http_proxy(int(url.rpartition(":")[2]), tls) as running:
        yield running, replace(parse(f"http://{user}127.0.0.1:{running.port}"), variable="PROXY")


async def test_a_connection_through_a_proxy_carries_messages_both_ways() -> None:
    ear = Ear()
    async with proxied() as (running, proxy):
        transport = await connect(ear, "ws://stt.test/v2", proxy=proxy)
        transport.send(TEXT, b"hello")
        async with asyncio.timeout(5):
            assert await ear.messages.get() == (TEXT, b"hello")
        assert running.asked == ["CONNECT stt.test:80"]
        transport.disconnect()
        await left(ear.closed)


async def test_tls_goes_through_a_proxy_to_the_server(tmp_path: Path) -> None:
    ear = Ear()
    context, cert = certificate(tmp_path, ["stt.test"])
    trusting = ssl.create_default_context(cafile=str(cert))
    async with proxied(tls=context) as (running, proxy):
        transport = await connect(ear, "wss://stt.test/v2", tls=trusting, proxy=proxy)
        transport.send(BINARY, bytes(320))
        async with asyncio.timeout(5):
            assert await ear.messages.get() == (BINARY, bytes(320))
        assert running.asked == ["CONNECT stt.test:443"]
        transport.disconnect()
        await left(ear.closed)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(Ear(), "wss://other.test/v2", tls=trusting, proxy=proxy)


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_says_why_and_leaves_no_socket(status: int) -> None:
    async with proxied() as (running, proxy):
        running.refuses = status
        with pytest.raises(ProxyFailed) as caught:
            await connect(Ear(), "ws://stt.test/v2", proxy=proxy)
    assert str(caught.value) == str(proxy.refusal(status))
    assert caught.value.retryable is (status == 502)


async def test_a_proxy_is_given_its_user_name_and_password() -> None:
    async with proxied("me:p%40ss@") as (running, proxy):
        running.user = "me:p@ss"
        transport = await connect(ear := Ear(), "ws://stt.test/v2", proxy=proxy)
        transport.disconnect()
        await left(ear.closed)
        running.user = "me:other"
        with pytest.raises(ProxyFailed, match="does not accept the user name"):
            await connect(Ear(), "ws://stt.test/v2", proxy=proxy)


async def test_a_proxy_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = replace(parse(f"127.0.0.1:{port}"), variable="HTTP_PROXY")
    with pytest.raises(ProxyFailed, match=rf"the proxy 127.0.0.1:{port} cannot be reached"):
        await connect(Ear(), "ws://stt.test/v2", proxy=proxy)


async def test_a_proxy_that_says_nothing_is_given_up_in_time_and_left() -> None:
    silence = Silence()
    async with listening(lambda: silence) as url:
        proxy = parse(url.removeprefix("ws://"))
        with pytest.raises(TimeoutError):
            await connect(Ear(), "ws://stt.test/v2", proxy=proxy, timeout=0.05)
        await left(silence.gone)


# --- accepting ---------------------------------------------------------------------------------


async def test_a_connection_that_is_accepted_knows_what_was_asked_for() -> None:
    ear, paths = Ear(), []

    def answer(request: object) -> Ear:
        paths.append(getattr(request, "path", None))
        return ear

    async with listening(lambda: accept(answer)) as url:
        async with dial(f"{url}/call?x=1") as client:
            await client.send("hello")
            async with asyncio.timeout(5):
                assert await ear.messages.get() == (TEXT, b"hello")
        await left(ear.closed)
    assert paths == [b"/call?x=1"]
    assert ear.reason == (1000, "")


async def test_a_message_longer_than_anybody_may_send_ends_the_connection() -> None:
    ear = Ear()
    async with listening(lambda: accept(lambda _: ear)) as url, dial(url) as client:
        await client.send(bytes(MAX_MESSAGE_BYTES + 1))
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await client.recv()
        await left(ear.closed)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


async def test_a_fault_in_one_listener_ends_its_connection_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Faulty(Ear):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            raise RuntimeError("a fault of ours")

    ears = [Faulty(), Ear()]
    waiting = iter(ears)
    async with (
        listening(lambda: accept(lambda _: next(waiting))) as url,
        dial(url) as first,
        dial(url) as second,
    ):
        await first.send("x")
        with pytest.raises(websockets.ConnectionClosed):
            await first.recv()
        await second.send("hello")
        async with asyncio.timeout(5):
            assert await ears[1].messages.get() == (TEXT, b"hello")
    assert "a fault of ours" in caplog.text


# --- a standstill of this process ------------------------------------------------------------

STANDING = """
import asyncio, sys, uvloop
from avr_sts_speechmatics.network import running_time, websocket
websocket.PING_IDLE_S = 1.5

class Ear(websocket.{listener}):
    def __init__(self):
        self.gone = asyncio.Event()
    def on_ws_connected(self, transport): ...
    def on_ws_frame(self, transport, frame): ...
    def on_ws_disconnected(self, transport):
        self.gone.set()

async def main():
    running_time.call_later(60, print)  # as in a call, somebody waits
    ear = Ear()
    await websocket.connect(ear, sys.argv[1])
    try:
        async with asyncio.timeout(6):
            await ear.gone.wait()
            print("gone", flush=True)
    except TimeoutError:
        print("there", flush=True)

uvloop.run(main())
"""


async def what_becomes_of_a_connection(listener: str) -> str:
    """Stop a process that waits for a pong until the pong is overdue; the pong is sent at once."""
    process: asyncio.subprocess.Process | None = None

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if b"Key: " in line)
        digest = sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + b64encode(digest) + b"\r\n\r\n"
        )
        stopped = False
        while ping := await reader.read(100):
            if ping[0] & 0x0F == 9 and not stopped:
                assert process is not None
                stopped = True
                process.send_signal(signal.SIGSTOP)
                writer.write(b"\x8a\x00")
                await asyncio.sleep(2)
                process.send_signal(signal.SIGCONT)
            elif ping[0] & 0x0F == 9:
                writer.write(b"\x8a\x00")
        writer.close()

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", STANDING.format(listener=listener), url),
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        out, _ = await process.communicate()
        server.close()
    return out.decode().strip()


async def test_a_peer_that_answers_pings_is_not_given_up_for_our_own_standstill() -> None:
    assert await what_becomes_of_a_connection("Listener") == "there"
