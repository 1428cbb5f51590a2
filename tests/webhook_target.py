"""An operator's webhook receiver on a local socket, as obliging or as bad as a test wants it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


class Target:
    """What arrived, in order; `answer` may be exchanged at any time."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[web.Request] = []
        self.events: list[dict[str, Any]] = []
        self.answer: Answer = ok
        self.under_way = self.most_under_way = 0
        self._arrived = asyncio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what has arrived."""
        async with asyncio.timeout(5):
            while not holds():
                self._arrived.clear()
                await self._arrived.wait()

    async def came(self, events: int) -> None:
        await self.until(lambda: len(self.events) >= events)

    def of(self, uuid: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["uuid"] == uuid]

    async def take(self, request: web.Request) -> web.StreamResponse:
        event = await request.json()
        self.requests.append(request)
        self.events.append(event)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        self._arrived.set()
        try:
            return await self.answer(event)
        finally:
            self.under_way -= 1
            self._arrived.set()


async def ok(event: dict[str, Any]) -> web.StreamResponse:
    return web.Response()


def replies(status: int, text: str = "", **headers: str) -> Answer:
    async def answer(event: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def never(event: dict[str, Any]) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@asynccontextmanager
async def webhook_target(answer: Answer = ok) -> AsyncIterator[Target]:
    target = Target()
    target.answer = answer
    app = web.Application()
    app.router.add_post("/hooks", target.take)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    target.url = "http://{}:{}/hooks".format(*runner.addresses[0][:2])
    try:
        yield target
    finally:
        await runner.cleanup()


@contextmanager
def nobody_there() -> Iterator[str]:
    """An address at which nobody listens, and nobody else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/hooks"


@asynccontextmanager
async def says(data: bytes) -> AsyncIterator[str]:
    """The address of a server that says this to whatever it is sent, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield "http://{}:{}/hooks".format(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()
        await server.wait_closed()
