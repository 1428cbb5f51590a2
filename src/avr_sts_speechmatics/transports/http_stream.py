"""The streaming POST transport: raw PCM in the request's body, raw PCM in the response's, at once.

`POST /speech-to-speech-stream`, as older avr-cores speak it: s16le 8 kHz both ways, the call's
uuid in `X-UUID`, a response that begins before the request has ended and calls itself
`text/event-stream` without being one. There is no message for anything: an interruption is no
audio, the end of either body is the end. [AVR protocol, 4]

A body may arrive faster than a telephone sends (a file piped in). The body is therefore read at the
pace of speech, so that turns and interruptions mean what they mean on a phone call. When the body
ends, the caller still listens: the pending turn is answered and played before the response ends.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable

from aiohttp import web

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND, SampleAligner, seconds
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.transports.untrusted_text import FACT_NAME_MAX, clean, facts_of

PATH = "/speech-to-speech-stream"

LEAD_S = 0.2
"""How far the body may be read ahead of real time (s): more than a network's bursts."""

UNREAD_S = 10.0
"""Agent audio that the client may leave unread (s); with more, the client is gone."""

_PIECE_BYTES = BYTES_PER_SECOND // 10
_UNREAD_FRAMES = round(UNREAD_S * 50)

_log = logging.getLogger(__name__)


class HttpStream:
    """The handler of the request, for aiohttp.

    open_call: opens the call; raises CallerError with the reason when no call can be taken.
    """

    def __init__(self, open_call: Callable[[Caller, Line], CallerSide]) -> None:
        self._open_call = open_call

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = clean(request.headers.get("X-UUID", ""), FACT_NAME_MAX) or str(uuid.uuid4())
        line = _HttpLine()
        try:
            call = self._open_call(Caller(name, "http-stream", facts_of(request.path_qs)), line)
        except CallerError as error:
            return web.json_response({"error": str(error)}, status=503)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        reading = asyncio.create_task(_read(request, call))
        try:
            await response.prepare(request)
            while (frames := await line.take()) is not None:
                await response.write(frames)
            await response.write_eof()
        except ConnectionError:
            _log.info("the other end went away")
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
    except (ConnectionError, asyncio.IncompleteReadError, web.HTTPException):
        call.leave()
    else:
        call.audio_ended()


class _HttpLine(Line):
    """Frames on their way into the response."""

    def __init__(self) -> None:
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
            _log.warning("the other end took no audio for %.0f s and is given up", UNREAD_S)
            self._frames.clear()
            self.close(failed=True)

    def send_interruption(self) -> None:
        # There is no message for it, but frames that are not in the socket yet can be dropped.
        self._frames.clear()

    def send_error(self, message: str) -> None:
        _log.warning("the other end is not told: %s", message)

    def close(self, *, failed: bool) -> None:
        self._closed = True
        self._something.set()
