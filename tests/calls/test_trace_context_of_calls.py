"""The trace of another program is continued by a call of every transport, and is no fact of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import websockets
from tests import asterisk_websocket
from tests.calls.live_call import live_service
from tests.calls.test_direct_calls import NAME, calling
from tests.otlp_receiver import Collector, Received, otlp_collector
from tests.support import Serve, url_of
from tests.webhook_target import Target, webhook_target

from avr_sts_speechmatics.server import Server

TRACE = "0af7651916cd43dd8448eb211c80319c"
ABOVE = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{ABOVE}-01"
HEADERS = {"traceparent": PARENT, "tracestate": "congo=1"}
OTHER = f"00-{TRACE[::-1]}-{ABOVE}-01"


@dataclass(slots=True)
class Traced:
    """A service with its collector and its webhooks."""

    server: Server
    collector: Collector
    hooks: Target

    def address(self, name: str) -> tuple[str, int]:
        return self.server.ports[name]

    async def begun(self) -> None:
        """Wait until a call has begun."""
        await self.hooks.until(
            lambda: any(event["type"] == "call_started" for event in self.hooks.events)
        )

    async def root(self) -> Received:
        """Wait until a call has ended; its span. No webhook has the context as a fact."""
        await self.collector.ended()
        await self.hooks.until(lambda: self.hooks.events[-1]["type"] == "call_ended")
        assert "trace" not in str(self.hooks.events).lower()
        return self.collector.one("call")

    async def announce(self, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        host, port = self.address("HTTP_PORT")
        url = f"http://{host}:{port}/call"
        async with aiohttp.ClientSession() as http:
            async with http.post(url, json={"uuid": NAME, **body}, headers=headers) as response:
                assert response.status == 200
                return dict(await response.json())


@asynccontextmanager
async def traced(serve: Serve) -> AsyncIterator[Traced]:
    async with (
        otlp_collector() as collector,
        webhook_target() as hooks,
        live_service(
            serve,
            audiosocket_port=0,
            http_port=0,
            webhook_url=hooks.url,
            otel_exporter_otlp_endpoint=collector.url,
        ) as rig,
    ):
        yield Traced(rig.server, collector, hooks)


def continues(root: Received) -> None:
    assert (root.trace, root.parent, root.state) == (TRACE, ABOVE, "congo=1")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", HEADERS),
        (f"?from=1&traceparent={PARENT}&tracestate=congo%3D1", {}),
        # What the client names for this call overrides what a proxy adds to every request.
        (f"?traceparent={PARENT}&tracestate=congo%3D1", {"traceparent": OTHER}),
        ("?traceparent=wrong", HEADERS),
    ],
    ids=["headers", "query", "both", "a wrong query"],
)
async def test_avr_core_s_call_continues_a_trace(
    serve: Serve, query: str, headers: dict[str, str]
) -> None:
    async with traced(serve) as service:
        url = url_of(service.server, f"/{query}")
        async with websockets.connect(url, additional_headers=headers) as socket:
            await socket.send('{"type": "init", "uuid": "a"}')
            await service.begun()
        continues(await service.root())


@pytest.mark.parametrize(("query", "headers"), [("", HEADERS), (f"?traceparent={PARENT}", {})])
async def test_a_posted_call_continues_a_trace(
    serve: Serve, query: str, headers: dict[str, str]
) -> None:
    async with traced(serve) as service:
        host, port = service.server.addresses[0]
        url = f"http://{host}:{port}/speech-to-speech-stream{query}"
        async with aiohttp.ClientSession() as http:
            async with http.post(url, data=bytes(3200), headers=headers) as response:
                await response.read()
        root = await service.root()
        assert (root.trace, root.parent) == (TRACE, ABOVE)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"payload": {"from": "2001"}}, HEADERS),
        ({"payload": {"from": "2001", **HEADERS}}, {}),
        ({"payload": {"from": "2001"}, **HEADERS}, {"traceparent": OTHER}),
    ],
    ids=["headers", "payload", "body"],
)
async def test_an_announced_call_continues_the_trace_of_its_announcement(
    serve: Serve, body: dict[str, Any], headers: dict[str, str]
) -> None:
    async with traced(serve) as service:
        answer = await service.announce(body, **headers)
        # A client that goes to this address continues the trace too.
        assert f"traceparent={PARENT}" in answer["sts_url"]
        async with calling(service.server):
            await service.begun()
        continues(await service.root())
        started = [e for e in service.hooks.events if e["type"] == "call_started"]
        assert [event["payload"] for event in started] == [{"from": "2001"}]
        asked = [e for e in service.hooks.events if e["type"] == "call_initiated"]
        assert [event["payload"] for event in asked] == [{"from": "2001"}]


@pytest.mark.parametrize(
    ("query", "variables", "announced"),
    [
        (f"&traceparent={PARENT}&tracestate=congo%3D1", {"traceparent": OTHER}, {}),
        ("", {"__TRACEPARENT": PARENT, "_tracestate": "congo=1"}, {}),
        ("", {}, HEADERS),
    ],
    ids=["address", "variables", "announcement"],
)
async def test_a_channel_of_asterisk_continues_a_trace(
    serve: Serve, query: str, variables: dict[str, str], announced: dict[str, str]
) -> None:
    async with traced(serve) as service:
        if announced:
            await service.announce({"payload": {"from": "2001"}}, **announced)
        url = url_of(service.server, f"/media?call={NAME}{query}")
        async with asterisk_websocket.dial(url) as asterisk:
            await asterisk.start(channel_variables=variables)
            await service.begun()
        continues(await service.root())
