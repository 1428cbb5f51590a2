"""Connections of cut answers are freed without the cycle collector; others are kept and reused."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from tests.support import until

from avr_sts_speechmatics.network.http_connector import Connector


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Peer:
    """A server whose answers end only for the path `/whole`. ports: of the clients, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.ports: list[int] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.ports.append(request.transport.get_extra_info("peername")[1])
        if request.path == "/whole":
            return web.Response(text="all of it")
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"the beginning")
        if request.path == "/broken":
            request.transport.abort()
        await asyncio.Event().wait()
        return response


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    there = Peer()
    app = web.Application()
    app.router.add_get("/{path}", there.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    there.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield there
    finally:
        await runner.cleanup()


def session() -> aiohttp.ClientSession:
    # A timer of aiohttp would keep the task of the request.
    none = aiohttp.ClientTimeout(total=None, sock_connect=None)
    return aiohttp.ClientSession(connector=Connector(keepalive_s=60), timeout=none)


async def test_the_connection_of_a_cut_answer_is_freed() -> None:
    async with peer() as there, session() as http:
        response = await http.get(f"{there.url}/endless")
        assert await response.content.readany() == b"the beginning"
        assert response.connection is not None
        protocol = weakref.ref(response.connection.protocol)
        response.close()
        del response
        await until(lambda: protocol() is None)


async def test_the_connection_of_a_whole_answer_is_used_again() -> None:
    async with peer() as there, session() as http:
        for _ in range(3):
            async with http.get(f"{there.url}/whole") as response:
                assert await response.text() == "all of it"
        assert len(set(there.ports)) == 1


async def test_a_lost_connection_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with peer() as there, session() as http:
        response = await http.get(f"{there.url}/broken")
        with pytest.raises(aiohttp.ClientError):
            await response.read()
        response.close()
        del response
    await asyncio.sleep(0)
    gc.collect()
    assert not caplog.records
