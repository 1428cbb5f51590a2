"""The prober sees how long a service stands still, over real sockets."""

import asyncio
import time

import pytest
from aiohttp import web
from bench.stops import Prober, Stops
from picows import WSListener, ws_create_server


def test_the_longest_stop_is_beyond_the_median() -> None:
    assert Stops([0.002, 0.001, 0.001, 0.05, 0.001]).longest == pytest.approx(0.049)
    assert Stops([]).longest is None


async def probed(port: int, *, pages: bool = False) -> Stops:
    """What a prober sees while the loop of a service stands still for 0.3 s."""
    prober = Prober(port, 2, pages=pages)
    prober.start()
    await asyncio.sleep(0.4)
    time.sleep(0.3)  # noqa: ASYNC251 - a loop that stands still is what is looked for
    await asyncio.sleep(0.4)
    return await asyncio.to_thread(prober.stop)


async def test_a_stop_of_the_loop_is_seen_through_pings() -> None:
    server = await ws_create_server(lambda request: WSListener(), "127.0.0.1", 0)
    try:
        stops = await probed(server.sockets[0].getsockname()[1])
    finally:
        server.close()
    assert stops.longest is not None
    assert 0.2 < stops.longest < 5


async def test_a_stop_of_the_loop_is_seen_through_pages() -> None:
    async def ready(request: web.Request) -> web.Response:
        return web.json_response({"ready": True}, status=503)

    app = web.Application()
    app.router.add_get("/ready", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        stops = await probed(runner.addresses[0][1], pages=True)
    finally:
        await runner.cleanup()
    assert stops.longest is not None
    assert 0.2 < stops.longest < 5


async def test_a_service_without_websockets_is_not_measured() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        prober = Prober(server.sockets[0].getsockname()[1])
        prober.start()
        await asyncio.sleep(0.1)
        stops = await asyncio.to_thread(prober.stop)
    assert stops.longest is None
