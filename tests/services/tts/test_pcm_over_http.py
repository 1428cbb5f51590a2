"""Raw samples over HTTP: cut anywhere, one pool, and no longer waits than a caller bears."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.support import until

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.pcm_over_http import PcmOverHttp, below
from avr_sts_speechmatics.services.use import TextSent, report_to

SPOKEN = bytes(range(250)) * 2


@asynccontextmanager
async def answered_by(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], patience: float = 1
) -> AsyncIterator[PcmOverHttp]:
    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    http = PcmOverHttp(url, None, {418: "a teapot"}, patience)
    try:
        yield http
    finally:
        await http.close()
        await runner.cleanup()


async def whole(http: PcmOverHttp) -> bytes:
    return b"".join([pcm async for pcm in http.speak({"text": "Hello."}, 5)])


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
        async for pcm in http.speak({"text": "Hello."}, 5):
            assert len(pcm) % 2 == 0
            pieces.append(pcm)
            heard.set()
    assert b"".join(pieces) == SPOKEN
    assert len(pieces) >= 3


async def stalls(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(SPOKEN)
    await asyncio.sleep(30)
    return response


async def test_audio_that_stalls_within_a_sentence_fails_after_the_patience() -> None:
    async with answered_by(stalls, patience=0.3) as http:
        heard: list[bytes] = []

        async def hear() -> None:
            async for pcm in http.speak({"text": "Hello."}, 5):
                heard.append(pcm)

        begun = time.monotonic()
        with pytest.raises(ServiceError, match="the audio stalled") as failed:
            await hear()
        assert 0.25 < time.monotonic() - begun < 10
    assert b"".join(heard) == SPOKEN
    assert not failed.value.retryable


async def test_a_listener_that_takes_its_time_is_no_stall() -> None:
    read = asyncio.Event()

    async def two_pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(SPOKEN)
        await read.wait()
        await response.write(SPOKEN)
        return response

    async with answered_by(two_pieces, patience=0.2) as http:
        heard = b""
        async for pcm in http.speak({"text": "Hello."}, 5):
            heard += pcm
            if len(heard) == len(SPOKEN):
                await asyncio.sleep(0.5)  # longer than the patience
                read.set()
    assert heard == 2 * SPOKEN


async def test_a_sentence_may_be_read_by_one_task_after_another() -> None:
    """A bound that belongs to a task would cancel the wrong one."""

    async with answered_by(stalls, patience=0.3) as http:
        audio = http.speak({"text": "Hello."}, 5)
        heard: list[bytes] = []

        async def hear_one() -> None:
            heard.append(await anext(audio))

        async def hear() -> None:
            while True:
                await asyncio.create_task(hear_one())

        with pytest.raises(ServiceError, match="the audio stalled"):
            await hear()
    assert b"".join(heard) == SPOKEN


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


# --- a voice that is late (patience of these tests: 1 s) ------------------------------------------


class Late:
    """Answers each request after its own wait; counts who is still waiting for an answer.

    waits: seconds before the first byte of each request; a status instead refuses the request; the
        last one stands for all further ones.
    """

    def __init__(self, *waits: float | int) -> None:
        self.waits = waits
        self.begun: list[float] = []
        self.answered: list[int] = []
        self.ended = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        number = len(self.begun)
        self.begun.append(time.monotonic())
        wait = self.waits[min(number, len(self.waits) - 1)]
        try:
            if wait > 100:
                return web.Response(status=int(wait))
            await asyncio.sleep(wait)
            self.answered.append(number)
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(SPOKEN)
            return response
        finally:
            self.ended += 1

    async def until_nobody_waits(self) -> None:
        await until(lambda: self.ended == len(self.begun), timeout=1)


@asynccontextmanager
async def late(*waits: float | int) -> AsyncIterator[tuple[PcmOverHttp, Late]]:
    server = Late(*waits)
    async with answered_by(server.answer) as http:
        yield http, server
        await server.until_nobody_waits()


async def test_a_first_request_that_is_late_is_heard_though_a_second_was_sent() -> None:
    async with late(1.3, 1.3) as (http, server):
        begun = time.monotonic()
        assert await whole(http) == SPOKEN
        # Cut and asked again, the sentence would have come after 2.2 s.
        assert time.monotonic() - begun < 1.9
        assert len(server.begun) == 2
        assert server.answered == [0]


async def test_a_second_request_is_heard_where_the_first_one_hangs() -> None:
    async with late(60, 0.1) as (http, server):
        begun = time.monotonic()
        assert await whole(http) == SPOKEN
        assert time.monotonic() - begun < 1.5
        assert server.answered == [1]


async def test_a_voice_in_time_is_asked_once() -> None:
    async with late(0.4) as (http, server):
        assert await whole(http) == SPOKEN
        assert len(server.begun) == 1


@pytest.mark.parametrize("status", [429, 401, 503])
async def test_a_second_request_that_is_refused_leaves_the_first_alone(status: int) -> None:
    async with late(1.4, status) as (http, server):
        assert await whole(http) == SPOKEN
        assert server.answered == [0]
        assert len(server.begun) == 2  # and no third one: the plan may allow one at a time


async def test_a_first_request_that_fails_late_leaves_the_second() -> None:
    async def cut_late(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        if len(asked) == 1:
            await asyncio.sleep(0.9)
            assert request.transport is not None
            request.transport.abort()
        await asyncio.sleep(0.6)
        return web.Response(body=SPOKEN)

    asked: list[web.Request] = []
    async with answered_by(cut_late) as http:
        assert await whole(http) == SPOKEN
    assert len(asked) == 2


async def test_a_voice_that_stays_silent_fails_in_bounded_time() -> None:
    async with late(60) as (http, server):
        begun = time.monotonic()
        with pytest.raises(ServiceError, match=r"no audio within 2\.3 s") as failed:
            await whole(http)
        assert 2.2 < time.monotonic() - begun < 3.2
        assert failed.value.retryable
        assert len(server.begun) == 2


async def test_cancelled_between_two_requests_nothing_is_left() -> None:
    async with late(60) as (http, server):
        speaking = asyncio.create_task(whole(http))
        await until(lambda: len(server.begun) == 2)
        speaking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await speaking
        await server.until_nobody_waits()


async def test_the_connection_of_a_heard_sentence_is_used_again() -> None:
    peers: list[object] = []

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        await asyncio.sleep(60 if len(peers) == 1 else 0)
        return web.Response(body=SPOKEN)

    async with answered_by(note) as http:
        for _ in range(3):
            assert await whole(http) == SPOKEN
    assert len(peers) == 4
    assert len(set(peers)) == 2  # the one that hung, and one for all others


@given(
    path=st.sampled_from(["", "/", "/v1", "/v1/"]), query=st.sampled_from(["", "a=1", "a=1&b=2"])
)
def test_an_address_below_another_keeps_its_path_and_its_query(path: str, query: str) -> None:
    base = f"https://voice.example{path}" + (f"?{query}" if query else "")
    stem = f"https://voice.example{path.rstrip('/')}"
    assert below(base, "/speak") == f"{stem}/speak" + (f"?{query}" if query else "")
    mine = "&".join(filter(None, (query, "form=pcm")))
    assert below(base, "/speak", "form=pcm") == f"{stem}/speak?{mine}"


# --- what is charged for --------------------------------------------------------------------------


async def used_by(http: PcmOverHttp, *, drop: asyncio.Event | None = None) -> list[TextSent]:
    """What one sentence of a call used; `drop` ends the sentence."""
    used: list[Any] = []

    async def call() -> None:
        report_to(used.append)
        await whole(http)

    calling = asyncio.create_task(call())
    if drop is not None:
        await drop.wait()
        calling.cancel()
    await asyncio.wait((calling,))
    if not calling.cancelled():
        calling.exception()
    return [one for one in used if isinstance(one, TextSent)]


async def test_an_accepted_sentence_is_reported_once_with_its_length_and_server() -> None:
    async with answered_by(Late(0).answer) as http:
        (used,) = await used_by(http)
    assert used == TextSent(used.server, "", 5)
    assert used.server.startswith("127.0.0.1:")


async def test_the_request_that_loses_a_race_is_charged_for_as_well() -> None:
    voice = Late(30, 0)
    async with answered_by(voice.answer) as http:
        assert len(await used_by(http)) == len(voice.begun) == 2


async def test_a_sentence_that_is_dropped_before_its_audio_is_reported() -> None:
    arrived = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.sleep(30)
        return web.Response()

    async with answered_by(never) as http:
        assert len(await used_by(http, drop=arrived)) == 1


async def test_a_refused_request_is_not_charged_for() -> None:
    async with answered_by(Late(418).answer) as http:
        assert await used_by(http) == []
    async with answered_by(Late(503, 0).answer) as http:
        assert len(await used_by(http)) == 1


async def test_a_server_that_is_not_there_charges_nothing() -> None:
    http = PcmOverHttp("http://127.0.0.1:9/", None, {}, 1)
    try:
        assert await used_by(http) == []
    finally:
        await http.close()
