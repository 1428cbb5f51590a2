"""Hanging up and transferring through avr-ami."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.nasty_json import NASTY
from tests.support import until

from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx import avr_ami
from avr_sts_speechmatics.pbx.avr_ami import AvrAmi
from avr_sts_speechmatics.pbx.protocol import Pbx, PbxError

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
CALLER = Caller(UUID, "avr")


class FakeAvrAmi:
    """Answers as the real one: 200 and 404 with a message. Other answers can be put in its way."""

    def __init__(self) -> None:
        self.known = {UUID}
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.instead: Callable[[web.Request], Awaitable[web.Response]] | None = None

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append((request.path, body))
        if self.instead is not None:
            return await self.instead(request)
        if body["uuid"] not in self.known:
            return web.json_response({"message": "Call not found"}, status=404)
        return web.json_response({"message": "done with action: 1732"})


@asynccontextmanager
async def running(
    there: FakeAvrAmi, listener: socket.socket | None = None
) -> AsyncIterator[AvrAmi]:
    app = web.Application()
    app.router.add_post("/hangup", there.answer)
    app.router.add_post("/transfer", there.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    if listener is None:
        listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    try:
        yield AvrAmi(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("body", NASTY, ids=range(len(NASTY)))
async def test_a_nasty_answer_is_an_error_of_its_own(body: bytes) -> None:
    async def nasty(_: web.Request) -> web.Response:
        return web.Response(body=body, status=500)

    there = FakeAvrAmi()
    there.instead = nasty
    async with running(there) as pbx:
        with pytest.raises(PbxError):
            await pbx.check()
        with pytest.raises(PbxError):
            await pbx.hang_up(CALLER)


async def say(text: str, status: int) -> web.Response:
    return web.Response(text=text, status=status)


async def test_a_hangup_and_a_transfer_are_asked_for_as_published() -> None:
    there = FakeAvrAmi()
    async with running(there) as client:
        pbx: Pbx = client
        await pbx.hang_up(Caller(UUID.upper(), "avr"))
        await pbx.transfer(CALLER, "700", "from-internal", 1)
        await pbx.close()
    body = {"uuid": UUID, "exten": "700", "context": "from-internal", "priority": 1}
    assert there.asked == [("/hangup", {"uuid": UUID}), ("/transfer", body)]


async def test_a_line_end_in_an_extension_does_not_get_to_avr_ami() -> None:
    there = FakeAvrAmi()
    async with running(there) as client:
        with pytest.raises(PbxError, match="no extension"):
            await client.transfer(CALLER, "700\r\nContext: secret", "from-internal", 1)
    assert there.asked == []


async def test_a_call_it_does_not_know_is_said_to_the_model_as_what_it_means(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = FakeAvrAmi()
    there.known.clear()
    async with running(there) as client:
        with pytest.raises(PbxError, match=r"does not know this call, .* the call goes on"):
            await client.transfer(CALLER, "700", "demo", 1)
    assert "Dial(AudioSocket/...)" in caplog.text


async def test_its_failure_is_said_to_the_model_and_shown_to_the_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = FakeAvrAmi()
    there.instead = lambda _: say('{"message":"Error communicating with Asterisk"}', 500)
    async with running(there) as client:
        with pytest.raises(PbxError, match=r"was not hung up: .* failed; the call goes on"):
            await client.hang_up(CALLER)
    assert "Error communicating with Asterisk" in caplog.text


async def test_one_that_is_being_restarted_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    there = FakeAvrAmi()
    listener = socket.socket()  # bound, not listening: refused
    listener.bind(("127.0.0.1", 0))
    client = AvrAmi(f"http://127.0.0.1:{listener.getsockname()[1]}")
    deed = asyncio.create_task(client.hang_up(CALLER))
    await until(lambda: "trying again" in caplog.text)
    async with running(there, listener):
        await deed
    assert there.asked == [("/hangup", {"uuid": UUID})]


async def test_one_that_is_not_there_is_told_within_the_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        client = AvrAmi(f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with asyncio.timeout(avr_ami.DEED_S):
            with pytest.raises(PbxError, match="cannot be reached; the call goes on"):
                await client.hang_up(CALLER)
    assert "avr-ami cannot be reached" in caplog.text


async def test_one_behind_a_wall_is_not_reached_and_nothing_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(avr_ami, "CONNECT_S", 0.1)
    monkeypatch.setattr(avr_ami, "RETRY_AFTER_S", 0.01)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        where = listener.getsockname()
        # Nobody accepts: with the queue full, no more connections are answered.
        queued = [socket.socket() for _ in range(4)]
        for waiting in queued:
            waiting.setblocking(False)
            waiting.connect_ex(where)
        try:
            with pytest.raises(PbxError, match="cannot be reached; the call goes on"):
                await AvrAmi(f"http://127.0.0.1:{where[1]}").hang_up(CALLER)
        finally:
            for waiting in queued:
                waiting.close()


async def test_a_request_lost_on_its_way_is_not_sent_twice() -> None:
    there = FakeAvrAmi()

    async def drop(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    there.instead = drop
    async with running(there) as client:
        with pytest.raises(PbxError, match="not known whether the call was transferred"):
            await client.transfer(CALLER, "700", "demo", 1)
    assert len(there.asked) == 1


async def test_a_silent_one_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avr_ami, "DEED_S", 0.2)
    there = FakeAvrAmi()
    heard_enough = asyncio.Event()

    async def silence(_: web.Request) -> web.Response:
        await heard_enough.wait()
        return web.Response()

    there.instead = silence
    async with running(there) as client:
        with pytest.raises(PbxError, match="not known whether the call was hung up"):
            await client.hang_up(CALLER)
        heard_enough.set()
    assert len(there.asked) == 1


async def test_the_check_harms_no_call_and_says_what_it_cannot_see() -> None:
    there = FakeAvrAmi()
    async with running(there) as client:
        said = await client.check()
    assert "whether it is logged in to Asterisk cannot be seen" in said
    assert [body["uuid"] for _, body in there.asked] == ["00000000-0000-0000-0000-000000000000"]


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("<html>Not Found</html>", 404, "is not avr-ami"),
        ('{"message":"Error communicating with Asterisk"}', 500, "status 500"),
        ('{"message":"ok"}', 200, "status 200"),
    ],
)
async def test_the_check_tells_what_is_no_working_avr_ami(
    text: str, status: int, said: str
) -> None:
    there = FakeAvrAmi()
    there.instead = lambda _: say(text, status)
    async with running(there) as client:
        with pytest.raises(PbxError, match=said):
            await client.check()


async def test_the_check_says_that_nobody_is_there() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        with pytest.raises(PbxError, match="check AMI_URL"):
            await AvrAmi(f"http://127.0.0.1:{listener.getsockname()[1]}").check()


async def test_the_query_of_an_address_goes_behind_the_path_and_is_not_shown() -> None:
    there = FakeAvrAmi()
    queries: list[str] = []

    async def note(request: web.Request) -> web.Response:
        queries.append(request.query_string)
        return await say("who are you?", 403)

    there.instead = note
    async with running(there) as ami:
        with pytest.raises(PbxError) as caught:
            await AvrAmi(f"{ami._url}/?token=hunter2").check()
    assert [path for path, _ in there.asked] == ["/hangup"]
    assert queries == ["token=hunter2"]
    assert "hunter2" not in str(caught.value)
