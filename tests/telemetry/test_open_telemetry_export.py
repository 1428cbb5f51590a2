"""Sending spans: a collector in any state costs bounded memory, few lines and a bounded end."""

import asyncio
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.http_proxy import http_proxy
from tests.otlp_receiver import Collector, Reply, never, otlp_collector, replies
from tests.support import until

from avr_sts_speechmatics.network import proxies
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.telemetry import open_telemetry_export
from avr_sts_speechmatics.telemetry.open_telemetry_export import (
    SpanExport,
    exporter_to,
    resource_of,
    shown,
)
from avr_sts_speechmatics.telemetry.open_telemetry_span import EVENTS_MAX, Span, new_span_id

TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(name: str = "turn", **more: object) -> Span:
    context = TraceContext(TRACE, new_span_id(), 1)
    return Span(name, context, "", 1.0, 2.5, 10**18, **more)  # type: ignore[arg-type]


def export_to(url: str, *, timeout_s: float = 10, **limits: float) -> SpanExport:
    exporter, why = exporter_to(
        f"{url}/v1/traces",
        headers={"Api-Key": "secret"},
        timeout_s=timeout_s,
        certificate=None,
        proxy=None,
    )
    chosen = {"every_s": 0.01} | limits
    return SpanExport(exporter, resource_of("test", {}), url, why, **chosen)  # type: ignore[arg-type]


@asynccontextmanager
async def exporting(
    reply: Reply | None = None, **limits: float
) -> AsyncIterator[tuple[Collector, SpanExport]]:
    async with otlp_collector() as collector:
        if reply is not None:
            collector.reply = reply
        export = export_to(collector.url, **limits)
        try:
            yield collector, export
        finally:
            await export.close()


async def test_a_span_arrives_as_it_was() -> None:
    async with exporting() as (collector, export):
        sent = span("call", kind="server")
        sent.parent_id = parent_id = new_span_id()
        sent.remote_parent = True
        sent.attributes |= {"text": "Zoë", "number": 3, "share": 0.5, "yes": True}
        sent.happened(1.5, "cut", avr__share=0.25)
        sent.failed("it broke")
        export.put(sent)
        await collector.until(lambda: bool(collector.spans))
        (got,) = collector.spans
        request = collector.requests[0]
    assert (got.name, got.kind, got.trace, got.parent) == ("call", 2, TRACE, parent_id)
    assert got.id == sent.context.span_id
    assert got.flags & 0x200
    assert got.began == pytest.approx(10**9 + 1.0)
    assert got.ended == pytest.approx(10**9 + 2.5)
    assert got.attributes == {
        "text": "Zoë",
        "number": 3,
        "share": 0.5,
        "yes": True,
        "error.type": "_OTHER",
    }
    assert got.error == "it broke"
    assert got.event("cut").at == pytest.approx(10**9 + 1.5)
    assert got.event("cut").attributes == {"avr.share": 0.25}
    assert request.headers["Api-Key"] == "secret"
    assert request.headers["Content-Type"] == "application/x-protobuf"
    assert export.sent == 1
    assert export.lost == export.waiting == 0


async def test_what_waits_is_sent_at_the_end() -> None:
    async with otlp_collector() as collector:
        export = export_to(collector.url, every_s=600, batch=10)
        for _ in range(25):
            export.put(span())
        await export.close()
        assert len(collector.spans) == 25
        assert export.lost == 0


async def test_a_full_batch_does_not_wait() -> None:
    async with exporting(every_s=600, batch=10) as (collector, export):
        for _ in range(11):
            export.put(span())
        await collector.until(lambda: len(collector.spans) >= 10)


async def test_events_of_a_span_are_bounded() -> None:
    async with exporting() as (collector, export):
        long = span()
        for _ in range(EVENTS_MAX + 7):
            long.happened(1.5, "key")
        export.put(long)
        await collector.until(lambda: bool(collector.spans))
        (got,) = collector.spans
    assert len(got.events) == EVENTS_MAX
    assert got.attributes["avr.events_dropped"] == 7


# --- a collector that is away --------------------------------------------------------------------


@pytest.fixture
def refused() -> str:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


def lines_about(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_a_refusing_collector_costs_one_line_and_a_bounded_end(
    refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    export = export_to(refused, timeout_s=0.2)
    for _ in range(3):
        export.put(span())
    await until(lambda: export.lost == 3)
    for _ in range(4):
        export.put(span())
    await until(lambda: export.lost == 7)
    begun = time.monotonic()
    await export.close()
    assert time.monotonic() - begun < 5
    lines = lines_about(caplog)
    # One when it begins, one at the end for the rest; none of the library.
    assert len(lines) == 2
    assert sum(int(n) for line in lines for n in re.findall(r"spans lost: (\d+)", line)) == 7
    assert "refused" in lines[0]
    assert refused in lines[0]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (replies(500), "status 500"),
        (replies(400), "status 400"),
        (replies(503), "status 503"),
        (replies(302, Location="http://127.0.0.1:1/"), "redirect"),
    ],
    ids=["500", "400", "503", "redirect"],
)
async def test_a_collector_that_does_not_take_spans_is_named_with_the_reason(
    reply: Reply, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with exporting(reply, timeout_s=0.5) as (_, export):
        export.put(span())
        await until(lambda: export.lost == 1)
    (line,) = lines_about(caplog)
    assert why in line


async def test_spans_arrive_again_once_the_collector_is_back() -> None:
    async with exporting(replies(500)) as (collector, export):
        export.put(span())
        await until(lambda: export.lost == 1)
        collector.reply = replies(200)
        export.put(span())
        await until(lambda: export.sent == 1)


async def test_a_hanging_collector_costs_bounded_memory_and_a_bounded_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with otlp_collector(never) as collector:
        export = export_to(collector.url, queued_max=100, batch=10, close_s=0.2)
        export.put(span())
        await collector.until(lambda: bool(collector.requests))
        for _ in range(500):
            export.put(span())
        assert export.waiting <= 110
        begun = time.monotonic()
        await export.close()
        assert time.monotonic() - begun < 5
        assert export.lost == 501
        assert export.waiting <= 10
        (line,) = lines_about(caplog)
        assert "spans lost: 501" in line
    thread = export._thread
    assert thread is not None
    await asyncio.to_thread(thread.join)  # the collector is gone: its request ends


async def test_a_reply_without_an_end_is_not_read(caplog: pytest.LogCaptureFixture) -> None:
    gone = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
                await writer.drain()
        except ConnectionError:
            gone.set()
        finally:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    export = export_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        export.put(span())
        await asyncio.wait_for(gone.wait(), 10)
        await until(lambda: export.lost == 1)
    finally:
        await export.close()
        server.close()
        await server.wait_closed()
    assert "no end" in lines_about(caplog)[0]


async def test_lines_come_once_a_minute_and_not_for_each_batch(
    refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    export = export_to(refused, timeout_s=0.05, tell_every_s=0.3)
    begun = time.monotonic()
    while time.monotonic() < begun + 1.0:
        export.put(span())
        await asyncio.sleep(0.01)
    took = time.monotonic() - begun
    assert 1 <= len(lines_about(caplog)) <= 1 + took / 0.3
    await export.close()


async def test_what_cannot_be_encoded_costs_its_batch_only() -> None:
    async with exporting() as (collector, export):
        odd = span()
        odd.attributes["odd"] = "half \ud83d"
        export.put(odd)
        await until(lambda: export.lost + export.sent == 1)
        export.put(span("next"))
        await collector.until(lambda: bool(collector.named("next")))


async def test_nothing_is_taken_after_the_end() -> None:
    async with exporting() as (_, export):
        await export.close()
        export.put(span())
        assert export.lost == 1
        assert export.waiting == 0


async def test_an_export_without_spans_has_no_thread() -> None:
    async with exporting():
        assert "OpenTelemetry" not in {thread.name for thread in threading.enumerate()}


async def test_spans_go_through_the_proxy() -> None:
    async with otlp_collector() as collector:
        port = int(collector.url.rpartition(":")[2])
        async with http_proxy(port) as proxy:
            exporter, _ = exporter_to(
                "http://collector.test/v1/traces",
                headers={},
                timeout_s=5,
                certificate=None,
                proxy=proxies.parse(proxy.url),
            )
            export = SpanExport(exporter, resource_of("test", {}), "", every_s=0.01)
            export.put(span())
            await collector.until(lambda: bool(collector.spans))
            await export.close()
        assert proxy.hosts == {"collector.test"}


FORKED = """
import os, sys
from tests.telemetry.test_open_telemetry_export import export_to, span
import asyncio
export = export_to(sys.argv[1], every_s=600)
export.put(span("parent"))
if os.fork() == 0:
    assert export.waiting == 0
    export.put(span("child"))
asyncio.run(export.close())
"""


async def test_a_forked_process_sends_its_own_spans() -> None:
    async with otlp_collector() as collector:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "ignore",
            "-c",
            FORKED,
            collector.url,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stderr=subprocess.PIPE,
        )
        _, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        await collector.until(lambda: len(collector.spans) == 2)
        assert {span.name for span in collector.spans} == {"parent", "child"}


# --- names ---------------------------------------------------------------------------------------


def test_each_process_is_an_instance_of_its_own() -> None:
    one, other = resource_of("a", {}), resource_of("a", {})
    assert one.attributes["service.name"] == "a"
    assert one.attributes["service.instance.id"] != other.attributes["service.instance.id"]
    assert one.attributes["process.pid"] == os.getpid()
    named = resource_of("a", {"service.name": "b", "service.instance.id": "7"})
    assert named.attributes["service.name"] == "b"
    assert named.attributes["service.instance.id"] == "7"


def test_the_log_shows_no_path_and_a_hint_at_the_port() -> None:
    assert shown("https://collector/v1/traces?token=1") == "https://collector"
    assert "4318" in shown("http://collector:4317/v1/traces")


def test_a_queued_span_costs_little() -> None:
    """A call may have hundreds; the loop only appends."""
    assert open_telemetry_export.QUEUED_MAX * sys.getsizeof(span()) < 2**20
    assert logging.getLogger("opentelemetry").propagate
