"""HTTP connections of strangers: slow, silent, malformed, and those that never read."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from aiohttp import web
from tests.support import until

from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.transports.http_connection import HttpConnection
from avr_sts_speechmatics.transports.limited_log import LINES
from avr_sts_speechmatics.transports.reception import Reception

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def no_call(caller: Caller, line: Line) -> CallerSide:
    raise CallerError("this test has no calls")


@dataclass
class Port:
    number: int
    reception: Reception
    connections: list[HttpConnection]


@asynccontextmanager
async def opened(
    *, head_s: float = 5.0, keep_alive_s: float = 5.0, stalled_s: float = 5.0
) -> AsyncIterator[Port]:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="page" * 100)

    async def faulty(request: web.Request) -> web.Response:
        raise RuntimeError("a fault of ours")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/faulty", faulty)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    server = runner.server
    assert server is not None
    reception = Reception(no_call)
    connections: list[HttpConnection] = []

    def connection() -> HttpConnection:
        times = {"head_s": head_s, "keep_alive_s": keep_alive_s, "stalled_s": stalled_s}
        connections.append(HttpConnection(server, reception, **times))
        return connections[-1]

    listener = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    try:
        yield Port(listener.sockets[0].getsockname()[1], reception, connections)
    finally:
        listener.close()
        await runner.cleanup()
        await listener.wait_closed()
        reception.log.close()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def dialled(port: Port) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


# --- slow and silent -----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", GET[:-1], b"\r\n", b"GET / HTTP/1.1\r\nX: 1\r\n"])
async def test_a_connection_without_a_whole_head_is_closed(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(head_s=0.1) as port, dialled(port) as (reader, writer):
        writer.write(sent)
        assert await rest(reader) == b""
    (record,) = warnings(caplog)
    assert "no request within" in record.getMessage()
    assert len(port.reception.waiting) == 0


async def test_a_head_that_comes_byte_by_byte_has_no_more_time() -> None:
    async with opened(head_s=0.2) as port, dialled(port) as (reader, writer):

        async def trickle() -> None:
            for at in range(len(GET)):
                writer.write(GET[at : at + 1])
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert await rest(reader) == b""
        trickling.cancel()
        await asyncio.wait((trickling,))


@pytest.mark.parametrize("then", [b"", GET[:-1]])
async def test_a_connection_is_kept_for_further_requests_for_a_bounded_time(then: bytes) -> None:
    async with opened(keep_alive_s=0.2) as port, dialled(port) as (reader, writer):
        for _ in range(3):
            writer.write(GET)
            async with asyncio.timeout(5):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(400)
            assert head.startswith(b"HTTP/1.1 200")
        writer.write(then)
        assert await rest(reader) == b""


async def test_a_request_takes_longer_than_its_head_may() -> None:
    async with opened(head_s=0.05) as port, dialled(port) as (reader, writer):
        writer.write(GET)
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await reader.readexactly(401)


async def test_too_many_silent_connections_close_the_oldest() -> None:
    async with opened() as port:
        port.reception.waiting._limit = 5
        async with dialled(port) as (reader, _):
            ends = [await asyncio.open_connection("127.0.0.1", port.number) for _ in range(5)]
            assert await rest(reader) == b""
            assert len(port.reception.waiting) == 5
            for _, writer in ends:
                writer.close()
                await writer.wait_closed()
            await until(lambda: len(port.reception.waiting) == 0)


# --- malformed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"G\xff / HTTP/1.1\r\n\r\n",
    ],
)
async def test_a_malformed_request_is_one_line_without_a_traceback(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as port, dialled(port) as (reader, writer):
        writer.write(request_)
        writer.write_eof()
        await rest(reader)
    assert len(warnings(caplog)) == 1
    for record in caplog.records:
        assert not record.exc_info
        assert "\n" not in record.getMessage()
        assert "Traceback" not in record.getMessage()


async def test_many_malformed_requests_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as port:
        for _ in range(LINES + 7):
            async with dialled(port) as (reader, writer):
                writer.write(b"hello\r\n\r\n")
                assert (await rest(reader)).startswith(b"HTTP/1.")
        assert len(warnings(caplog)) == LINES
    assert warnings(caplog)[-1].getMessage() == ("7 more malformed requests from 127.0.0.1 in 60 s")


async def test_a_fault_of_the_service_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as port, dialled(port) as (reader, writer):
        writer.write(GET.replace(b"/ ", b"/faulty "))
        answer = await rest(reader)
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"a fault of ours" not in answer
    assert "a fault of ours" in caplog.text


# --- who never reads -----------------------------------------------------------------------------


@asynccontextmanager
async def pipelining(port: Port) -> AsyncIterator[None]:
    """A client that sends requests as fast as it can and reads nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket() as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.setblocking(False)
        await loop.sock_connect(end, ("127.0.0.1", port.number))

        async def flood() -> None:
            with suppress(ConnectionError):
                while True:
                    await loop.sock_sendall(end, GET * 1000)

        flooding = asyncio.create_task(flood())
        try:
            yield
        finally:
            flooding.cancel()
            await asyncio.wait((flooding,))


async def test_a_client_that_reads_no_response_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened(stalled_s=0.3) as port, pipelining(port):
        await until(lambda: bool(port.connections) and port.connections[0].writing_paused)
        transport = port.connections[0].socket
        assert transport is not None
        assert transport.get_write_buffer_size() < 256 * 1024
        await until(lambda: len(port.reception.waiting) == 0)
    assert "it read nothing for" in caplog.text
