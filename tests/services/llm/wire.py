"""A server of the model's API that sends the bytes a test names, and makes no cyclic garbage."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

Answer = bytes | Callable[[asyncio.Transport], object]
"""Bytes that answer a request; or a function that sends the answer."""


class Wire(asyncio.Protocol):
    """One connection. Requests have a Content-Length, or no body."""

    def __init__(self, server: "WireServer") -> None:
        self._server = server
        self._data = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has no base class
        self._server.opened += 1
        self._server.open.add(self)
        self._server.told.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._server.open.discard(self)
        self._server.told.set()
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        request = Request(head)
        length = int(request.headers.get("content-length", 0))
        if len(body) < length:
            return
        request.body, self._data = body[:length], body[length:]
        server = self._server
        server.requests.append(request)
        server.told.set()
        answer = server.answers[min(len(server.requests), len(server.answers)) - 1]
        assert self.transport is not None
        if isinstance(answer, bytes):
            self.transport.write(answer)
        else:
            answer(self.transport)


class Request:
    """A request as it arrived. Names of headers are in small letters."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode().split("\r\n")
        self.method, self.path, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.body = b""


class WireServer:
    """What happened at the server.

    answers: one for each request in their order; the last one answers all further requests.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = answers
        self.port = 0
        self.opened = 0
        self.open: set[Wire] = set()
        self.requests: list[Request] = []
        self.told = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        while not holds():
            self.told.clear()
            await self.told.wait()


@asynccontextmanager
async def wire(*answers: Answer) -> AsyncIterator[WireServer]:
    """A running server."""
    state = WireServer(answers)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Wire(state), "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for connection in list(state.open):
            if connection.transport is not None:
                connection.transport.abort()
        await state.until(lambda: not state.open)


STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"x-request-id: req_1\r\n\r\n"
)
"""The head of a streamed answer."""

END = b"0\r\n\r\n"
"""The end of a chunked body."""


def piece(data: bytes) -> bytes:
    """Return bytes as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def words(*texts: str) -> bytes:
    """Return texts as events of a stream."""
    return b"".join(
        b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()
        for text in texts
    )


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return an answer with its length."""
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


DONE = b"data: [DONE]\n\n"
FINISHED = STREAM + piece(words("Until ", "five ", "o'clock", ".")) + piece(DONE) + END
"""A whole answer: "Until five o'clock."."""
