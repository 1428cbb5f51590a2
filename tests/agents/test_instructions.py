"""Instructions from outside: a file that changes while calls run, a web service that may fail."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.agents.agent import VoiceChoice
from avr_sts_speechmatics.agents.instructions import (
    INSTRUCTIONS_MAX,
    REPLY_MAX,
    TOOLS_MAX,
    WELCOME_MAX,
    Instructed,
    InstructionsFile,
    InstructionsService,
    NotInstructed,
)
from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.line import Caller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CALLER = Caller("0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2", "test", {"from": "+49 30 12", "to": "600"})

# --- the file -------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "agent.txt"
    path.write_text("\ufeffAt first.\n", encoding="utf-8")
    return path


def test_a_changed_file_is_used_from_the_next_call(path: Path) -> None:
    file = InstructionsFile(path)
    assert file.text() == "At first."
    path.write_text("Now with more.", encoding="utf-8")
    assert file.text() == "Now with more."


def test_a_replaced_file_is_read_although_size_and_time_are_equal(path: Path) -> None:
    file = InstructionsFile(path)
    before = path.stat()
    other = path.with_name("other.txt")
    other.write_text("\ufeffIn place.\n", encoding="utf-8")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert other.stat().st_size == before.st_size
    other.replace(path)
    assert file.text() == "In place."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "give a text of 1 to"),
        (b" \n", "give a text of 1 to"),
        (b"\xff\xfe", "not text in UTF-8"),
        (b"x" * (INSTRUCTIONS_MAX + 1), "give a text of 1 to"),
        ("ü".encode() * (4 * INSTRUCTIONS_MAX), "give a text of 1 to"),
    ],
)
def test_an_unusable_file_keeps_its_last_text_with_one_warning(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None, reason: str
) -> None:
    file = InstructionsFile(path)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidValue) as caught:
        InstructionsFile(path)
    assert str(caught.value).startswith(reason)
    for _ in range(3):
        assert file.text() == "At first."
    (warning,) = caplog.records
    assert str(path) in warning.getMessage()
    assert reason in warning.getMessage()

    path.write_text("Mended.", encoding="utf-8")
    assert file.text() == "Mended."
    path.unlink()
    assert file.text() == "Mended."
    assert len(caplog.records) == 2  # it went wrong again, and says so again


def test_a_file_that_did_not_change_is_not_read_again(path: Path) -> None:
    file = InstructionsFile(path)
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.text() == "At first."


# --- the web service ------------------------------------------------------------------------------


@asynccontextmanager
async def service_of(
    handler: Handler, path: str = "/agent", *, within_s: float = 2.0
) -> AsyncIterator[InstructionsService]:
    """A client of a web service on this machine."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    service = InstructionsService(f"http://{host}:{port}{path}", within_s=within_s)
    try:
        yield service
    finally:
        await service.close()
        await runner.cleanup()


def replying(body: str | bytes, status: int = 200) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    return handle


async def failure(handler: Handler, within_s: float = 2.0) -> str:
    async with service_of(handler, within_s=within_s) as service:
        with pytest.raises(NotInstructed) as caught:
            await service.ask(CALLER)
    return str(caught.value)


async def test_the_request_follows_the_protocol() -> None:
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"system": "Be kind."})

    async with service_of(handle, "/agents/1?token=secret") as service:
        told = await service.ask(CALLER)
    assert told == Instructed("Be kind.", None, None, None, None)
    (request,) = seen
    assert request.method == "GET"
    assert request.path == "/agents/1"
    assert request.headers["X-AVR-UUID"] == CALLER.uuid
    assert list(request.query.items()) == [
        ("token", "secret"),
        ("from", "+49 30 12"),
        ("to", "600"),
    ]


async def test_a_fact_cannot_replace_a_parameter_of_the_address() -> None:
    queries = []

    async def handle(request: web.Request) -> web.Response:
        queries.append(list(request.query.items()))
        return web.json_response({"system": "Be kind."})

    async with service_of(handle, "/agent?token=secret") as service:
        await service.ask(Caller("a", "test", {"token": "mine", "x": "1&token=2#"}))
    assert queries == [[("token", "secret"), ("x", "1&token=2#")]]


async def test_every_field_of_a_reply_is_read() -> None:
    body = """{"system": " Sei nett. ", "welcome": "", "language": "de", "more": [1],
               "voice": {"engine": "openai", "name": "nova"},
               "tools": ["avr_hangup", "avr_hangup", "crm:find"]}"""
    async with service_of(replying(body)) as service:
        assert await service.ask(CALLER) == Instructed(
            instructions="Sei nett.",
            welcome="",
            voice=VoiceChoice("openai", "nova"),
            language="de",
            tools=frozenset({"avr_hangup", "crm:find"}),
        )


async def test_null_sets_nothing_and_an_empty_list_of_tools_allows_none() -> None:
    body = '{"system": "x", "welcome": null, "voice": null, "language": null, "tools": []}'
    async with service_of(replying(body)) as service:
        assert await service.ask(CALLER) == Instructed("x", None, None, None, frozenset())


SECRET = "the caller's secret"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        (SECRET, "not JSON"),
        (b'{"system": "\xff"}', "not JSON"),
        ('{"more": ' + "[" * 100_000, "not JSON"),
        (f'["{SECRET}"]', "Expected `object`, got `array`"),
        (f'{{"welcome": "{SECRET}"}}', "missing required field `system`"),
        (f'{{"system": ["{SECRET}"]}}', "got `array` - at `$.system`"),
        (f'{{"system": "x", "welcome": {{"{SECRET}": 1}}}}', "at `$.welcome`"),
        (f'{{"system": "x", "tools": "{SECRET}"}}', "at `$.tools`"),
        ('{"system": " "}', "its system cannot be used: give a text of 1 to"),
        (f'{{"system": "{"x" * (INSTRUCTIONS_MAX + 1)}"}}', "its system cannot be used"),
        (f'{{"system": "x", "welcome": "{"x" * (WELCOME_MAX + 1)}"}}', "its welcome cannot"),
        (f'{{"system": "x", "voice": "{SECRET}"}}', "its voice cannot be used: give a voice"),
        (f'{{"system": "x", "voice": {{"engine": "{SECRET}"}}}}', "its voice cannot be used"),
        (f'{{"system": "x", "language": "{SECRET}"}}', "its language cannot be used: give a lang"),
        (f'{{"system": "x", "tools": ["{SECRET}"]}}', "its tools cannot be used: give a plain"),
        ('{"system": "x", "tools": [""]}', "its tools cannot be used: give the names"),
        (
            json.dumps({"system": "x", "tools": [f"t{n}" for n in range(TOOLS_MAX + 1)]}),
            "its tools cannot be used: give at most",
        ),
    ],
)
async def test_an_unusable_reply_is_rejected_and_not_quoted(body: str | bytes, reason: str) -> None:
    said = await failure(replying(body))
    assert reason in said
    assert SECRET not in said


async def test_a_status_other_than_200_is_rejected() -> None:
    for status in (204, 401, 404, 500):
        assert await failure(replying('{"system": "x"}', status)) == f"status {status}"


async def test_a_slow_reply_is_cut_off_at_the_time_limit() -> None:
    async def handle(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        raise AssertionError

    async with asyncio.timeout(5):
        assert await failure(handle, 0.1) == "no whole answer within 0.1 s"


async def test_a_reply_that_trickles_in_is_cut_off_at_the_time_limit() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in b'{"system": "a little at a time, for ever and ever"}':
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    async with asyncio.timeout(5):
        assert await failure(handle, 0.3) == "no whole answer within 0.3 s"


async def test_an_endless_reply_is_cut_off() -> None:
    sent = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)
            sent += 65536

    assert await failure(handle) == f"a reply of more than {REPLY_MAX} bytes"
    # Beyond what was read, only what the sockets' buffers hold was sent.
    assert sent < 20 * REPLY_MAX


async def test_a_compressed_reply_is_not_unpacked() -> None:
    wanted = []

    async def handle(request: web.Request) -> web.Response:
        wanted.append(request.headers["Accept-Encoding"])
        response = web.Response(body=b'{"system": "x"}')
        response.enable_compression(web.ContentCoding.gzip)
        return response

    assert "not JSON" in await failure(handle)
    assert wanted == ["identity"]


async def test_a_closed_connection_is_not_a_reply() -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    said = await failure(handle)
    assert said.startswith("the request failed (")
    assert "49" not in said


async def test_an_unreachable_service_is_reported_without_the_callers_number() -> None:
    async with service_of(replying("")) as service:
        pass  # its server is gone, and its port closed
    try:
        with pytest.raises(NotInstructed) as caught:
            await service.ask(CALLER)
    finally:
        await service.close()
    assert "+49" not in str(caught.value)


async def test_a_redirect_is_followed_but_not_for_ever() -> None:
    async def handle(request: web.Request) -> web.Response:
        if request.path == "/agent":
            raise web.HTTPMovedPermanently("/moved")
        if request.path == "/moved":
            return web.json_response({"system": f"asked for {request.headers['X-AVR-UUID']}"})
        raise web.HTTPFound(f"{request.path}x")

    async with service_of(handle) as service:
        assert (await service.ask(CALLER)).instructions == f"asked for {CALLER.uuid}"
    async with service_of(handle, "/round") as service:
        with pytest.raises(NotInstructed, match="the request failed"):
            await service.ask(CALLER)


async def test_calls_share_connections_but_no_cookies() -> None:
    cookies, connections = [], set()

    async def handle(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        connections.add(request.transport)
        response = web.json_response({"system": "x"})
        response.set_cookie("session", "of the first caller")
        return response

    async with service_of(handle) as service:
        for _ in range(3):
            await service.ask(CALLER)
    assert cookies == [None] * 3
    assert len(connections) == 1


async def test_a_uuid_that_fits_no_header_fails_the_request() -> None:
    async with service_of(replying('{"system": "x"}')) as service:
        with pytest.raises(NotInstructed):
            await service.ask(Caller("a\r\nHost: elsewhere", "test"))


async def test_a_caller_who_hangs_up_during_the_request_leaves_nothing() -> None:
    asked = asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(30)
        raise AssertionError

    async with service_of(handle) as service:
        task = asyncio.create_task(service.ask(CALLER))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=50)


@given(ANYTHING, st.dictionaries(ANYTHING, ANYTHING))
def test_any_facts_can_be_sent_in_a_request(uuid: str, facts: dict[str, str]) -> None:
    async def ask() -> None:
        # Nobody answers there: what matters is that nothing but NotInstructed is raised.
        service = InstructionsService("http://127.0.0.1:9/?a=b", within_s=0.05)
        try:
            with pytest.raises(NotInstructed):
                await service.ask(Caller(uuid, "test", facts))
        finally:
            await service.close()

    asyncio.run(ask())
