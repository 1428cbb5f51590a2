"""An application on a port of its own, through the port of the service, and raw requests to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from avr_sts_speechmatics.transports.http_connection import HttpConnection
from avr_sts_speechmatics.transports.reception import Reception
from avr_sts_speechmatics.transports.shared_port import SharedPort


@dataclass(frozen=True)
class Response:
    """status, headers with names in lower case, and content of a response."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> str:
        text: str = self.json()["error"]
        return text


@dataclass(frozen=True)
class Port:
    """A port of the service."""

    host: str
    number: int

    async def send(self, raw: bytes) -> Response:
        """Send a request as it is, and read the response to the end of the connection."""
        reader, writer = await asyncio.open_connection(self.host, self.number)
        try:
            writer.write(raw)
            async with asyncio.timeout(30):
                received = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
        head, _, content = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            content = _unchunked(content)
        return Response(int(first.split()[1]), headers, content)

    async def ask(
        self,
        path: str,
        *headers: str,
        method: str = "GET",
        host: str | None = None,
        body: object = None,
    ) -> Response:
        """Send one request. headers: whole lines."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host or f'localhost:{self.number}'}"]
        lines += [*headers, "Connection: close"]
        if body is not None:
            lines += ["Content-Type: application/json"]
        if content or method == "POST":
            lines += [f"Content-Length: {len(content)}"]
        return await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + content)


@asynccontextmanager
async def serving(app: web.Application, host: str = "127.0.0.1") -> AsyncIterator[Port]:
    """Answer below /api on a free port."""
    whole = web.Application()
    whole.add_subapp("/api/", app)
    runner = web.AppRunner(whole, access_log=None, handler_cancellation=True)
    await runner.setup()
    server = runner.server
    assert server is not None

    def take(*_: object) -> Any:
        raise AssertionError

    reception = Reception(take)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: SharedPort(take, lambda: HttpConnection(server, reception), reception), host, 0
    )
    try:
        yield Port(*listener.sockets[0].getsockname()[:2])
    finally:
        listener.close()
        await runner.cleanup()
        reception.log.close()


def _unchunked(content: bytes) -> bytes:
    found = b""
    while content:
        size, _, content = content.partition(b"\r\n")
        found += content[: int(size, 16)]
        content = content[int(size, 16) + 2 :]
    return found


class Events:
    """Server-sent events of a connection, as a browser reads them."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.ids: list[str] = []

    async def next(self) -> tuple[str, Any]:
        """Wait for the next event; its name and its data. Comments are skipped."""
        name, data = "message", ""
        async with asyncio.timeout(30):
            while True:
                line = (await self._reader.readuntil(b"\n")).decode().rstrip("\r\n")
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif field == "id":
                    self.ids.append(value)
                elif not line and data:
                    return name, json.loads(data)

    async def until(self, wanted: str, **fields: object) -> Any:
        """Wait for an event of a name with these fields; its data."""
        while True:
            name, data = await self.next()
            if name == wanted and all(data.get(key) == value for key, value in fields.items()):
                return data


@asynccontextmanager
async def following(
    host: str, port: int, *headers: str, path: str = "/api/v1/live"
) -> AsyncIterator[Events]:
    """Follow the live events by HTTP/1.0, so that no chunks are in between."""
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 22)
    lines = [f"GET {path} HTTP/1.0", f"Host: localhost:{port}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    try:
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        assert b"text/event-stream" in head
        yield Events(reader)
    finally:
        writer.close()
        await writer.wait_closed()
