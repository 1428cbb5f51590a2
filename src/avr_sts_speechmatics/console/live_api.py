"""The live events as a client receives them: server-sent events over HTTP.

A client that connects again, with or without `Last-Event-ID`, receives a new snapshot: what it
missed does not matter, because the snapshot has every call as it is. [WHATWG HTML, 9.2]
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from avr_sts_speechmatics.console.access import address_of
from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.live_calls import LiveCalls, Reader, TooManyReaders
from avr_sts_speechmatics.console.operations import Answer, Operation

HEARTBEAT_S = 15.0
"""Longest silence (s): then a comment is sent, so that proxies keep the connection, and a client
that is gone is noticed."""

RETRY_MS = 1000
"""How long a browser waits before it connects again (ms)."""

_ABOUT = """\
Each event has the fields `id`, `event` and `data`; `data` is a JSON object.

- `snapshot`: `calls`, all running calls (schema RunningCall); `words`, whether words are shown. It
  comes first, and again whenever the view must be renewed; it replaces everything before.
- `began`: a RunningCall.
- `state`: `key`, `at_ms`, `state`, `agent`.
- `words`: `key`, `at_ms`, `speaker` (caller or agent), `text`, `final`. From HISTORY=transcripts
  on. Words that are not final are replaced by the next words of that speaker.
- `tool`: `key`, `at_ms`, `name`, `took_ms`, `failed`.
- `key`: `key` of the call, `at_ms`, `digit`; the digit is null below HISTORY=transcripts.
- `failure`: `key`, `at_ms`, `service` (stt, llm, tts), `error`.
- `ended`: `key`, `uuid`, `reason` and the summary of the call, as in the records; the reason is
  `lost` if the process that had the call has died.
- `closing`: this process ends; connect again.

`at_ms` counts from the beginning of the call. A comment is sent every 15 s. A client that does not
keep up is disconnected."""


def operations(
    live: LiveCalls,
    cut: Callable[[str], None] = lambda address: None,
    *,
    heartbeat_s: float = HEARTBEAT_S,
) -> list[Operation]:
    """Return the operations of this topic.

    cut: called with the address of a client that is disconnected because it does not keep up.
    heartbeat_s: see HEARTBEAT_S (s).
    """

    async def follow(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        transport = request.transport
        if transport is None or request.method == "HEAD":
            raise Refused(405, "Use GET.", headers={"Allow": "GET"})

        def too_slow() -> None:
            cut(address_of(request))
            transport.abort()

        reader = Reader(too_slow)
        try:
            await live.add(reader)
        except TooManyReaders:
            raise Refused(
                503, "Too many clients follow the calls; close one of them.", 10
            ) from None
        try:
            live.opened(transport)
            return await _send(request, live, reader, heartbeat_s)
        finally:
            live.remove(reader)

    return [
        Operation(
            method="GET",
            path="/live",
            name="followCalls",
            topic="Running calls",
            summary="Follow the running calls (server-sent events)",
            about=_ABOUT,
            answers={200: Answer("events", {"text/event-stream": {"type": "string"}})},
            refusals={503: "too many clients follow the calls"},
            answer=follow,
        )
    ]


async def _send(
    request: web.Request, live: LiveCalls, reader: Reader, heartbeat_s: float
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    )
    response.force_close()  # the connection no longer counts as one that waits for a request
    try:
        await response.prepare(request)
        await _follow(response, live, reader, heartbeat_s)
    except ConnectionError:
        pass  # the client has left, or was cut off
    return response


async def _follow(
    response: web.StreamResponse, live: LiveCalls, reader: Reader, heartbeat_s: float
) -> None:
    await response.write(f"retry: {RETRY_MS}\n".encode() + live.snapshot(reader))
    while not reader.over:
        try:
            async with asyncio.timeout(heartbeat_s):
                await reader.wait()
        except TimeoutError:
            await response.write(b": still here\n\n")
            continue
        piece = live.snapshot(reader) if reader.resync else reader.take()
        await response.write(piece)
    await response.write(reader.take())
