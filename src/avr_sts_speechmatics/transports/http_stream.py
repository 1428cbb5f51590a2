"""The streaming POST transport: raw PCM in the bodies of a request and its response, full duplex.

`POST /speech-to-speech-stream`, the protocol of older avr-core versions: s16le 8 kHz in both
directions and the call's uuid in `X-UUID`. The response begins before the request has ended, with
the content type `text/event-stream` although it is raw audio. There are no messages: an
interruption is the absence of audio, and the end of either body ends the call. [AVR protocol, 4]

A body may arrive faster than a telephone sends (a file piped in). The body is therefore read at the
pace of speech, so that turns and interruptions work as on a phone call. When the body
ends, the caller still listens: the pending turn is answered and played before the response ends.
"""

import asyncio
import time
import uuid
from collections.abc import Callable

from aiohttp import web

from avr_sts_speechmatics.admission.refusal import CallRefused
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, SampleAligner, seconds
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.trace_context import (
    TRACEPARENT,
    TRACESTATE,
    in_headers,
    in_query,
)
from avr_sts_speechmatics.runtime.tracebacks import drop_traceback
from avr_sts_speechmatics.transports.http_connection import HttpConnection
from avr_sts_speechmatics.transports.limited_log import address_of
from avr_sts_speechmatics.transports.reception import Reception
from avr_sts_speechmatics.transports.untrusted_text import FACT_NAME_MAX, clean, facts_of

PATH = "/speech-to-speech-stream"

LEAD_S = 0.2
"""How far the body may be read ahead of real time (s): longer than network bursts."""

UNREAD_S = 10.0
"""Longest agent audio that the client may leave unread (s); then the line is closed."""

_PIECE_BYTES = BYTES_PER_SECOND // 10
_UNREAD_FRAMES = round(UNREAD_S * 50)


class HttpStream:
    """The handler of the request, for aiohttp.

    reception: opens the call and takes log lines.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = clean(request.headers.get("X-UUID", ""), FACT_NAME_MAX) or str(uuid.uuid4())
        connection = request.protocol
        transport = connection.socket if isinstance(connection, HttpConnection) else None
        address = address_of(transport)

        def say(what: str) -> None:
            self._reception.log.say("lines about HTTP streams", address, f"call {name}: {what}")

        line = _HttpLine(say)
        headers = request.headers
        trace = in_query(request.path_qs) or in_headers(
            headers.getall(TRACEPARENT, ()), headers.getall(TRACESTATE, ())
        )
        caller = Caller(name, "http-stream", facts_of(request.path_qs, say), trace=trace)
        try:
            call = self._reception.take(caller, line, transport)
        except CallerError as error:
            more = error.refusal.headers if isinstance(error, CallRefused) else None
            return web.json_response({"error": str(error)}, status=503, headers=more)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        response.force_close()  # a connection carries one call
        reading = asyncio.create_task(_read(request, call))
        try:
            await response.prepare(request)
            while (frames := await line.take()) is not None:
                await response.write(frames)
            await response.write_eof()
        except ConnectionError:
            pass  # the caller has left
        finally:
            call.leave()
            reading.cancel()
            await asyncio.wait((reading,))
        return response


async def _read(request: web.Request, call: CallerSide) -> None:
    """Pass the body to the call, no faster than speech."""
    aligner = SampleAligner()
    due = time.monotonic()
    try:
        async for chunk in request.content.iter_any():
            pcm = aligner.feed(chunk)
            for at in range(0, len(pcm), _PIECE_BYTES):
                piece = pcm[at : at + _PIECE_BYTES]
                now = time.monotonic()
                if due - now > LEAD_S:
                    await asyncio.sleep(due - now - LEAD_S)
                due = max(due, now) + seconds(len(piece))
                call.hear(piece)
    except (ConnectionError, asyncio.IncompleteReadError, web.HTTPException) as error:
        drop_traceback(error)  # the body keeps the error
        call.leave()
    else:
        call.audio_ended()


class _HttpLine(Line):
    """The line of a call: frames wait here for the response.

    say: logs a sentence about the call.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._frames: list[bytes] = []
        self._something = asyncio.Event()
        self._closed = False

    async def take(self) -> bytes | None:
        """Wait for frames and return them; None when the line is closed and all is written."""
        while not self._frames:
            if self._closed:
                return None
            self._something.clear()
            await self._something.wait()
        frames, self._frames = b"".join(self._frames), []
        return frames

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AgentAudio:
        return pacing.playout(self._send_frame, finished)

    def _send_frame(self, frame: bytes) -> None:
        if self._closed:
            return
        self._frames.append(frame)
        self._something.set()
        if len(self._frames) > _UNREAD_FRAMES:
            self._say(f"the client took no audio for {UNREAD_S:.0f} s and is given up")
            self._frames.clear()
            self.close(failed=True)

    def send_interruption(self) -> None:
        # The protocol has no such message, but frames not yet in the socket can be dropped.
        self._frames.clear()

    def send_error(self, message: str) -> None:
        self._say(f"the client cannot be sent this error: {message}")

    def close(self, *, failed: bool) -> None:
        self._closed = True
        self._something.set()
