"""Both connections of a service over real sockets: messages, and the end of a call."""

import asyncio

import pytest
from tests.cli.commands import free_port
from tests.phone.calling import Printed, call, report
from tests.phone.simple_agent import ANSWER, QUESTION, Agent, answering, answering_posts
from tests.support import until

from avr_sts_speechmatics.phone.connection import (
    AnswerTimes,
    CallError,
    is_websocket,
    open_connection,
)


async def test_an_agent_that_hangs_up_ends_the_call_but_not_the_report(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER], hangs_up_after_answer=True)
    async with answering(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "One?", "--say", "Two?")
    assert status == 0
    assert told["ended"] == "the service hung up (1011 out of voices)"
    assert [turn["said"] for turn in told["turns"]] == ["One?"]


@pytest.mark.parametrize("tells", [{"type": "turn", "requests": "many"}, {"type": ["turn"]}])
async def test_an_invalid_message_is_reported_and_the_call_goes_on(
    printed: Printed, tells: dict[str, object]
) -> None:
    async with answering(Agent(answers=[ANSWER], tells=tells)) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    assert (status, told["turns"][0]["answers"]) == (0, [])
    assert told["errors"][0].startswith("the service sent a message that is not valid")


async def test_the_older_http_connection_carries_a_call(printed: Printed) -> None:
    agent = Agent(answers=[ANSWER])
    async with answering_posts(agent) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?", "--uuid", "call-8")
    assert (status, agent.uuid) == (0, "call-8")
    assert agent.path == "/speech-to-speech-stream"  # it has nobody to tell more than sound
    assert 170 <= told["turns"][0]["latency_ms"] <= 300
    assert bytes(agent.audio).strip(b"\0") == QUESTION.strip(b"\0")


async def test_a_refused_http_connection_is_reported(printed: Printed) -> None:
    async with answering_posts(Agent(), status=503) as url:
        status, told = await report(printed, "--url", url, "--say", "Hello?")
    assert status == 1
    assert told["ended"] == "the service answered 503 Service Unavailable"


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_a_missing_service_is_reported_in_one_sentence(printed: Printed, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}"
    assert await call("--url", url, "--say", "Hello?") == 2
    out, err = printed()
    assert out == ""
    assert err == (
        f"Nobody answers at {url}: is the service running (make run)? "
        "Give another address with --url.\n"
    )


async def test_another_service_at_the_address_is_reported_in_one_sentence(printed: Printed) -> None:
    async with answering_posts(Agent()) as url:
        assert await call("--url", url.replace("http", "ws"), "--say", "Hello?") == 2
    out, err = printed()
    assert out == ""
    assert err.count("\n") == 1
    assert "give the service's address with --url" in err


@pytest.mark.parametrize(
    ("body", "why"),
    [('{"error": "all lines are busy"}', "all lines are busy"), ("<p>", "it is busy")],
)
async def test_a_service_that_takes_no_call_now_is_reported_with_its_reason(
    printed: Printed, body: str, why: str
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        url = "ws://{}:{}".format(*server.sockets[0].getsockname())
        assert await call("--url", url, "--say", "Hello?") == 2
    out, err = printed()
    assert out == ""
    assert err == f"{url} takes no call now: {why}.\n"


class Phone:
    """Keeps what arrives. Implements `connection.Listener`."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.pcm = b""
        self.over = asyncio.Event()

    def audio(self, pcm: bytes) -> None:
        assert len(pcm) % 2 == 0
        self.pcm += pcm

    def interruption(self) -> None:
        self.events.append(("interruption",))

    def transcript(self, role: str, text: str) -> None:
        self.events.append((role, text))

    def answer_ended(self, times: AnswerTimes) -> None:
        self.events.append(("answer", times))

    def tool_ran(self, name: str, took_ms: int) -> None:
        self.events.append(("tool", name, took_ms))

    def error(self, message: str) -> None:
        self.events.append(("error", message))

    def closed(self, reason: str) -> None:
        self.events.append(("closed", reason))
        self.over.set()


async def test_everything_a_service_tells_arrives_in_its_order() -> None:
    tells: dict[str, object] = {"type": "turn", "model_ms": 120, "requests": 1}
    agent = Agent(answers=[ANSWER], tells=tells, barge_in=True, hangs_up_after_answer=True)
    phone = Phone()
    async with answering(agent) as url:
        connection = await open_connection(url, "call-9", phone)
        for start in range(0, len(QUESTION), 320):
            connection.speak(QUESTION[start : start + 320])
        async with asyncio.timeout(5):
            await phone.over.wait()
        await connection.hang_up()
    assert (agent.uuid, bytes(agent.audio)) == ("call-9", QUESTION)
    assert phone.pcm == ANSWER
    assert phone.events == [
        ("user", "A question?"),
        ("answer", AnswerTimes(model_ms=120, requests=1)),
        ("agent", "An answer."),
        ("interruption",),
        ("closed", "the service hung up (1011 out of voices)"),
    ]


@pytest.mark.parametrize(
    ("query", "asked"),
    [("", "/?watch=1"), ("/?to=5005", "/?to=5005&watch=1"), ("/a?watch=0", "/a?watch=0&watch=1")],
)
async def test_a_service_is_asked_to_tell_more_behind_what_the_caller_gave(
    query: str, asked: str
) -> None:
    agent, phone = Agent(), Phone()
    async with answering(agent) as url:
        connection = await open_connection(url + query, "call-9", phone)
        await connection.hang_up()
    assert agent.path == asked
    assert [event[0] for event in phone.events] == ["closed"]


async def test_keys_go_one_by_one_and_the_older_connection_has_none() -> None:
    agent = Agent(answers=[None])
    async with answering(agent) as url:
        phone = Phone()
        connection = await open_connection(url, "call-9", phone)
        for key in "12#":
            connection.press(key)
        await until(lambda: ("error", "no answer today") in phone.events)
        await connection.hang_up()
    assert agent.digits == "12#"
    async with answering_posts(agent) as url:
        connection = await open_connection(url, "call-9", Phone())
        with pytest.raises(CallError, match="cannot send keys"):
            connection.press("1")
        await connection.hang_up()


@pytest.mark.parametrize(
    ("url", "websocket"),
    [("ws://a", True), ("wss://a/b?c=d", True), ("http://a", False), ("https://a", False)],
)
def test_the_scheme_says_which_connection_is_meant(url: str, websocket: bool) -> None:
    assert is_websocket(url) is websocket


@pytest.mark.parametrize("url", ["localhost:6040", "", "ftp://a", "/path"])
def test_an_address_without_such_a_scheme_is_explained(url: str) -> None:
    with pytest.raises(CallError, match="begin it with ws://"):
        is_websocket(url)
