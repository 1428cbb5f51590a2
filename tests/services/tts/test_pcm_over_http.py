"""Raw samples over HTTP: cut anywhere, one pool, and no longer waits than a caller bears."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.pcm_over_http import PcmOverHttp, below

SPOKEN = bytes(range(250)) * 2


@asynccontextmanager
async def answered_by(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[PcmOverHttp]:
    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = PcmOverHttp(f"http://127.0.0.1:{runner.addresses[0][1]}/", None, {418: "a teapot"}, 1)
    try:
        yield http
    finally:
        await http.close()
        await runner.cleanup()


async def whole(http: PcmOverHttp) -> bytes:
    return b"".join([pcm async for pcm in http.speak({"text": "Hello."})])


@pytest.mark.parametrize("cuts", [(1, 4, 101), (2, 3, 499)])
async def test_pieces_hold_whole_samples_wherever_the_body_is_cut(cuts: tuple[int, ...]) -> None:
    heard = asyncio.Event()

    async def in_pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for begin, end in zip((0, *cuts), (*cuts, len(SPOKEN)), strict=True):
            await response.write(SPOKEN[begin:end])
            if end // 2 > begin // 2:  # half a sample is not passed on
                await heard.wait()
                heard.clear()
        return response

    async with answered_by(in_pieces) as http:
        pieces = []
        async for pcm in http.speak({"text": "Hello."}):
            assert len(pcm) % 2 == 0
            pieces.append(pcm)
            heard.set()
    assert b"".join(pieces) == SPOKEN
    assert len(pieces) >= 3


async def test_sentences_share_one_connection() -> None:
    callers = set()

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        callers.add(request.transport.get_extra_info("peername"))
        return web.Response(body=SPOKEN)

    async with answered_by(note) as http:
        for _ in range(3):
            assert await whole(http) == SPOKEN
    assert len(callers) == 1


async def test_a_server_that_asks_for_a_longer_wait_than_a_caller_bears_is_not_waited_for() -> None:
    asked = 0

    async def busy(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=503, headers={"Retry-After": "30"})

    async with answered_by(busy) as http:
        begun = time.monotonic()
        with pytest.raises(ServiceError) as failed:
            await whole(http)
        assert time.monotonic() - begun < 1
    assert failed.value.retryable
    assert failed.value.retry_after == 30
    assert asked == 1


async def test_a_wait_that_is_asked_for_is_kept() -> None:
    asked: list[float] = []

    async def busy_once(_: web.Request) -> web.Response:
        asked.append(time.monotonic())
        if len(asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "0.6"})
        return web.Response(body=SPOKEN)

    async with answered_by(busy_once) as http:
        assert await whole(http) == SPOKEN
    assert asked[1] - asked[0] >= 0.6


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_text_is_never_played_as_sound(content_type: str) -> None:
    async def apologise(_: web.Request) -> web.Response:
        return web.Response(text="{}", content_type=content_type)

    async with answered_by(apologise) as http:
        with pytest.raises(ServiceError, match=f"{content_type} came back"):
            await whole(http)


async def test_a_refusal_is_told_in_the_words_of_the_voice() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=418)

    async with answered_by(refuse) as http:
        with pytest.raises(ServiceError, match="a teapot") as failed:
            await whole(http)
    assert not failed.value.retryable


async def test_a_server_that_hangs_up_at_once_is_a_failure() -> None:
    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    http = PcmOverHttp(f"http://127.0.0.1:{port}/", None, {}, 1)
    try:
        with pytest.raises(ServiceError, match="cannot connect") as failed:
            await whole(http)
        assert failed.value.retryable
    finally:
        await http.close()
        server.close()
        await server.wait_closed()


@given(
    path=st.sampled_from(["", "/", "/v1", "/v1/"]), query=st.sampled_from(["", "a=1", "a=1&b=2"])
)
def test_an_address_below_another_keeps_its_path_and_its_query(path: str, query: str) -> None:
    base = f"https://voice.example{path}" + (f"?{query}" if query else "")
    stem = f"https://voice.example{path.rstrip('/')}"
    assert below(base, "/speak") == f"{stem}/speak" + (f"?{query}" if query else "")
    mine = "&".join(filter(None, (query, "form=pcm")))
    assert below(base, "/speak", "form=pcm") == f"{stem}/speak?{mine}"
