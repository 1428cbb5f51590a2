"""An OpenTelemetry collector on a local socket, as obliging or as bad as a test wants it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Reply = Callable[[], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Event:
    name: str
    at: float
    attributes: dict[str, Any]


@dataclass(slots=True)
class Received:
    """A span that arrived. Times are seconds since 1970."""

    name: str
    id: str
    parent: str
    trace: str
    state: str
    kind: int
    began: float
    ended: float
    attributes: dict[str, Any]
    error: str | None
    flags: int
    resource: dict[str, Any]
    events: list[Event] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def event(self, name: str) -> Event:
        (found,) = (event for event in self.events if event.name == name)
        return found

    def says(self) -> str:
        """Everything in the span that is text."""
        texts = [self.name, self.error, self.attributes, self.resource]
        return str([*texts, *((event.name, event.attributes) for event in self.events)])


class Collector:
    """The spans that arrived, in order; `reply` may be exchanged at any time."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Received] = []
        self.requests: list[web.Request] = []
        self.reply: Reply = ok
        self._arrived = asyncio.Event()

    async def until(self, holds: Callable[[], bool], *, timeout: float = 10) -> None:
        """Wait until something holds of what has arrived."""
        async with asyncio.timeout(timeout):
            while not holds():
                self._arrived.clear()
                await self._arrived.wait()

    async def ended(self, calls: int = 1) -> list[Received]:
        """Wait until so many calls are complete; all spans."""
        await self.until(lambda: len(self.named("call")) >= calls)
        return self.spans

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Received:
        (span,) = self.named(name)
        return span

    def below(self, parent: Received) -> list[Received]:
        """The spans directly below a span, in the order of their begin."""
        return sorted((s for s in self.spans if s.parent == parent.id), key=lambda s: s.began)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()  # aiohttp has undone gzip
        self.requests.append(request)
        self._arrived.set()
        try:
            response = await self.reply()
            if response.status == 200:
                self.spans += spans_in(body)
            return response
        finally:
            self._arrived.set()


async def ok() -> web.StreamResponse:
    body = ExportTraceServiceResponse().SerializeToString()
    return web.Response(body=body, content_type="application/x-protobuf")


def replies(status: int, **headers: str) -> Reply:
    async def reply() -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return reply


async def never() -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


@asynccontextmanager
async def otlp_collector(reply: Reply = ok) -> AsyncIterator[Collector]:
    collector = Collector()
    collector.reply = reply
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()


def spans_in(body: bytes) -> list[Received]:
    found = []
    for of_one in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(of_one.resource.attributes)
        for span in (span for scope in of_one.scope_spans for span in scope.spans):
            found.append(
                Received(
                    name=span.name,
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    trace=span.trace_id.hex(),
                    state=span.trace_state,
                    kind=span.kind,
                    began=span.start_time_unix_nano / 1e9,
                    ended=span.end_time_unix_nano / 1e9,
                    attributes=_attributes(span.attributes),
                    error=span.status.message if span.status.code == 2 else None,
                    flags=span.flags,
                    resource=resource,
                    events=[
                        Event(one.name, one.time_unix_nano / 1e9, _attributes(one.attributes))
                        for one in span.events
                    ],
                )
            )
    return found


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
