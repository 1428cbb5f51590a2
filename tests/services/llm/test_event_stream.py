"""Server-sent events, cut anywhere, and the waits for them. The vendor's SDK is the reference."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder
from tests.services.llm.wire import (
    DONE,
    END,
    FINISHED,
    STREAM,
    Answer,
    WireServer,
    piece,
    whole,
    wire,
    words,
)

from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.services.llm import event_stream
from avr_sts_speechmatics.services.llm.event_stream import Cut, Events, EventStream, Stalled
from avr_sts_speechmatics.services.llm.http_client import HttpClient


def read(*pieces: bytes) -> list[bytes]:
    events = Events()
    found: list[bytes] = []
    for one in pieces:
        if not events.done:
            found += events.feed(one)
    return found


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b'data: {"a":1}\n\n', [b'{"a":1}']),
        (b'data:{"a":1}\n\n', [b'{"a":1}']),
        (b'data: {"a":1}\n\ndata: {"a":2}\n\n', [b'{"a":1}', b'{"a":2}']),
        (b'data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\n', [b'{"a":1}', b'{"a":2}']),
        (b'data: {"a":1}\r\rdata: {"a":2}\r\r', [b'{"a":1}', b'{"a":2}']),
        (b'data: {\ndata: "a":1}\n\n', [b'{\n"a":1}']),
        (b'\xef\xbb\xbfdata: {"a":1}\n\n', [b'{"a":1}']),
        (b': a comment\n\ndata: {"a":1}\n\n: another\n\n', [b'{"a":1}']),
        (b': OPENROUTER PROCESSING\ndata: {"a":1}\n\n', [b'{"a":1}']),
        (b'event: message\nid: 7\nretry: 10\ndata: {"a":1}\n\n', [b'{"a":1}']),
        (b"event: ping\n\ndata:\n\ndata: \n\nid: 7\n\n", []),
        (b'\n\n\ndata: {"a":1}\n\n\n\n\n', [b'{"a":1}']),
        (b'data: {"a":1}\n\ndata: [DONE]\n\ndata: {"a":2}\n\n', [b'{"a":1}']),
        (b'data: {"a":1}\n\ndata: [DONE] \n\n', [b'{"a":1}']),
        (b'data: {"a":1}\n\ndata: {"a":2}', [b'{"a":1}']),
        (b'data: {"a":1}\n\ndata: {"a":2}\n', [b'{"a":1}']),
        (b'event: error\ndata: {"error":{"code":1}}\n\n', [b'{"error":{"code":1}}']),
        (b'event: error\ndata: {"message":"busy"}\n\n', [b'{"error":{"message":"busy"}}']),
        (b"event: error\ndata: busy\n\n", [b'{"error":"busy"}']),
        (b"<html>\n\n</html>\n\n", []),
    ],
)
def test_the_data_of_events_is_read_wherever_the_stream_is_cut(
    stream: bytes, data: list[bytes]
) -> None:
    assert read(stream) == data
    assert read(*(bytes((byte,)) for byte in stream)) == data
    for at in range(len(stream)):
        assert read(stream[:at], stream[at:]) == data


LINES = st.sampled_from(
    [
        *(b"", b"", b"", b'data: {"a": 1}', b"data: x", b"data:y", b"data", b"data: [DONE]"),
        *(b": comment", b"event: message", b"id: 1", b"retry: 3", b"other: z", b"data:  two"),
        *(b"data: \xc3\xa4", b'data: {"text": "a: b"}', b" data: no"),
    ]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(1, 7)))
@example([(b"data: x", b"\r"), (b"", b"\n"), (b"", b"\n")], [])
@example([(b"data: x", b"\r\n"), (b"", b"\r\n")], [8, 1, 1])
def test_events_are_those_of_the_sdk(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(line + end for line, end in lines)
    expected = []
    for event in SSEDecoder().iter_bytes(iter((stream,))):
        data = event.data.strip()  # spaces around JSON mean nothing; the SDK fails without JSON
        if data.startswith("[DONE]"):
            break
        if data:
            expected.append(data.encode())
    pieces = []
    for cut in cuts:
        pieces.append(stream[:cut])
        stream = stream[cut:]
    assert read(*pieces, stream) == expected


def test_an_event_without_an_end_is_not_kept_for_ever() -> None:
    events = Events()
    half = b"x" * (event_stream.LONGEST_EVENT // 2)
    assert events.feed(half) == events.feed(half) == []
    with pytest.raises(Cut, match="too long"):
        events.feed(b"x")
    with pytest.raises(Cut, match="too long"):
        Events().feed(b"data: " + b"x" * event_stream.LONGEST_EVENT)


@asynccontextmanager
async def answered(*answers: Answer) -> AsyncIterator[tuple[EventStream, WireServer]]:
    """The stream of one answer, and its server."""
    async with wire(*answers) as server:
        http = HttpClient(server.url, None, connect_s=2.0)
        stream = EventStream(await http.post(b"{}"))
        try:
            yield stream, server
        finally:
            stream.close()
            await http.close()


async def rest_of(stream: EventStream) -> list[bytes]:
    found: list[bytes] = []
    while (events := await stream.read(running_time.now() + 5.0)) is not None:
        found += events
    return found


async def test_a_stream_is_read_to_its_end() -> None:
    async with answered(FINISHED) as (stream, _):
        assert len(await rest_of(stream)) == 4
        assert await stream.read(running_time.now()) is None


@pytest.mark.parametrize(
    "ending", [b"", b"Connection: close\r\n"], ids=["by length", "by the end of the connection"]
)
async def test_an_answer_that_is_not_streamed_is_read_as_one_event(ending: bytes) -> None:
    body = b'{"choices": [' + b" " * 300_000 + b"]}"
    if not ending:
        answer: Answer = whole(body, "200 OK", "Content-Type: application/json; charset=utf-8")
    else:

        def answer(transport: asyncio.Transport) -> None:
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            transport.write(ending + b"\r\n" + body)
            transport.close()

    async with answered(answer) as (stream, _):
        assert await rest_of(stream) == [body]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_stream_is_read_event_by_event(encoding: str) -> None:
    compressor = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    head = STREAM.replace(b"\r\n\r\n", f"\r\nContent-Encoding: {encoding}\r\n\r\n".encode())
    transports: list[asyncio.Transport] = []

    def begin(transport: asyncio.Transport) -> None:
        transports.append(transport)
        first = compressor.compress(words("One ")) + compressor.flush(zlib.Z_SYNC_FLUSH)
        transport.write(head + piece(first))

    async with answered(begin) as (stream, _):
        assert await stream.read(running_time.now() + 5.0) == [words("One ")[6:-2]]
        rest = compressor.compress(words("two.") + DONE) + compressor.flush()
        transports[0].write(piece(rest) + END)
        assert await rest_of(stream) == [words("two.")[6:-2]]


async def test_what_is_not_compressed_as_announced_is_a_cut() -> None:
    head = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    async with answered(head + piece(words("One ")) + END) as (stream, _):
        with pytest.raises(Cut):
            await rest_of(stream)


async def test_a_cut_connection_is_told_apart_from_an_end() -> None:
    def cut(transport: asyncio.Transport) -> None:
        transport.write(STREAM + piece(words("One "))[:-9])
        transport.close()

    async with answered(cut) as (stream, server):
        with pytest.raises(Cut, match=f"127.0.0.1:{server.port} closed the connection before"):
            await rest_of(stream)


async def test_silence_longer_than_the_wait_closes_the_connection() -> None:
    async with answered(STREAM + piece(words("One "))) as (stream, server):
        assert await stream.read(running_time.now() + 5.0)
        with pytest.raises(Stalled):
            await stream.read(running_time.now() + 0.05)
        await server.until(lambda: not server.open)


async def test_comments_do_not_prolong_the_wait() -> None:
    async def babble(transport: asyncio.Transport) -> None:
        while not transport.is_closing():
            transport.write(piece(b": wait\n\n"))
            await asyncio.sleep(0.01)

    tasks = []

    def begin(transport: asyncio.Transport) -> None:
        transport.write(STREAM)
        tasks.append(asyncio.get_running_loop().create_task(babble(transport)))

    async with answered(begin) as (stream, _):
        with pytest.raises(Stalled):
            await stream.read(running_time.now() + 0.1)
    await asyncio.wait(tasks)


async def test_a_reader_that_takes_its_time_is_not_taken_for_a_silent_server() -> None:
    async with answered(FINISHED.removesuffix(piece(DONE) + END)) as (stream, server):
        assert await stream.read(running_time.now() + 0.5)
        await asyncio.sleep(0.7)
        (connection,) = server.open
        assert connection.transport is not None
        connection.transport.write(piece(words("One ")))
        assert await stream.read(running_time.now() + 5.0)


async def test_a_stream_is_read_by_different_tasks() -> None:
    async with answered(STREAM + piece(words("One "))) as (stream, server):
        until = running_time.now() + 5.0
        assert await asyncio.create_task(stream.read(until))
        waiting = asyncio.create_task(stream.read(until))
        (connection,) = server.open
        assert connection.transport is not None
        connection.transport.write(piece(words("two.") + DONE) + END)
        assert await waiting == [words("two.")[6:-2]]
        assert await asyncio.create_task(stream.read(until)) is None


async def test_an_unfinished_answer_gives_up_its_connection_at_once() -> None:
    async with answered(STREAM + piece(words("One "))) as (stream, server):
        await stream.read(running_time.now() + 5.0)
        stream.close()
        await server.until(lambda: not server.open)


@pytest.mark.parametrize("late", [False, True])
async def test_the_connection_of_a_finished_answer_is_used_again(late: bool) -> None:
    transports: list[asyncio.Transport] = []

    def begin(transport: asyncio.Transport) -> None:
        transports.append(transport)
        transport.write(FINISHED.removesuffix(END) if late else FINISHED)

    async with wire(begin, FINISHED) as server:
        http = HttpClient(server.url, None, connect_s=2.0)
        stream = EventStream(await http.post(b"{}"))
        assert len(await rest_of(stream)) == 4
        stream.close()
        if late:
            transports[0].write(END)
            await asyncio.sleep(0.05)  # until the client has read it
        stream = EventStream(await http.post(b"{}"))
        assert len(await rest_of(stream)) == 4
        stream.close()
        assert server.opened == 1
        await http.close()


async def test_a_server_that_does_not_end_its_answer_loses_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "REST_S", 0.05)
    async with answered(FINISHED.removesuffix(END)) as (stream, server):
        assert len(await rest_of(stream)) == 4
        stream.close()
        assert server.open
        await server.until(lambda: not server.open)
