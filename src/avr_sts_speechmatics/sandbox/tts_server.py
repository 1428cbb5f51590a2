"""The TTS server: `POST /generate/<voice>` and `POST /v1/audio/speech`, for any TTS engine.

The body is streamed while it is synthesised. Its pieces may end within a sample, as those of the
clouds do: a client that cannot handle an odd number of bytes should fail in the sandbox first.
"""

import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from avr_sts_speechmatics.sandbox import faults, openai_speech
from avr_sts_speechmatics.sandbox.engines import TtsEngine
from avr_sts_speechmatics.sandbox.faults import Fault, Faults, Part
from avr_sts_speechmatics.sandbox.misbehaviour import break_off, has_key, refuse, stall
from avr_sts_speechmatics.sandbox.received import Received, Request
from avr_sts_speechmatics.untrusted_json import BadJson, decode

VOICES = frozenset({"sarah", "theo", "megan", "jack"})
RATE = 16_000
TRUNCATE_AFTER_BYTES = 8_000
PIECE_BYTES = 3_333
"""About 0.1 s of audio. Odd, so that pieces end within a sample."""


@dataclass(frozen=True, slots=True)
class Speech:
    """The body of an answer.

    audio: the bytes, including the header of a WAV.
    content_type: MIME type.
    """

    audio: AsyncIterator[bytes]
    content_type: str


class TtsServer:
    """Answers requests that carry an API key."""

    def __init__(self, engine: TtsEngine, *, faults: Faults, received: Received | None) -> None:
        self._engine = engine
        self._faults = faults
        self._received = received

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """Handle a request of the Speechmatics API."""
        return await self._handle(request, "tts", self._generated)

    async def speech(self, request: web.Request) -> web.StreamResponse:
        """Handle a request of the OpenAI API."""
        return await self._handle(request, "openai_tts", self._spoken)

    async def _handle(
        self,
        request: web.Request,
        part: Part,
        answer: Callable[[web.Request, Any], Speech | web.Response],
    ) -> web.StreamResponse:
        body = await _body(request)
        record = Request(request.path, dict(request.query), dict(request.headers), body)
        if self._received is not None:
            self._received.speech.append(record)
            self._received.notify()
        try:
            response = await self._answer(request, record, part, answer)
        except ConnectionResetError:  # the client has what it wanted, or was interrupted
            response = web.Response()
        record.status, record.done = response.status, True
        if self._received is not None:
            self._received.notify()
        return response

    async def _answer(
        self,
        request: web.Request,
        record: Request,
        part: Part,
        answer: Callable[[web.Request, Any], Speech | web.Response],
    ) -> web.StreamResponse:
        fault = self._faults.take(part)
        if isinstance(fault, faults.RefuseKey | faults.Status):
            return refuse(fault)
        if isinstance(fault, faults.Stall) and fault.after is None:
            await stall(fault)
        if isinstance(fault, faults.Malformed):
            return web.Response(text=fault.text, content_type="text/html")
        if not has_key(request):
            return refuse(faults.RefuseKey(part=part))
        speech = answer(request, record.body)
        if isinstance(speech, web.Response):
            return speech
        return await self._stream(request, record, speech, fault)

    def _generated(self, request: web.Request, body: Any) -> Speech | web.Response:
        voice = request.match_info["voice"]
        if voice not in VOICES:
            return _error(404, f"no voice {voice!r}; there are {', '.join(sorted(VOICES))}")
        output_format = request.query.get("output_format", "wav_16000")
        if output_format not in ("pcm_16000", "wav_16000"):
            return _error(400, f"no output_format {output_format!r}; give pcm_16000 or wav_16000")
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text.strip():
            return _error(400, 'the body must be {"text": "…"} with something to say')
        return _in(output_format[:3], self._engine.speak(text, voice), RATE)

    def _spoken(self, _: web.Request, body: Any) -> Speech | web.Response:
        try:
            asked = openai_speech.parse(body)
        except ValueError as error:
            problem = {"message": str(error), "type": "invalid_request_error", "param": None}
            return web.json_response({"error": {**problem, "code": None}}, status=400)
        audio = self._engine.speak(asked.input, openai_speech.VOICES[asked.voice])
        return _in(asked.response_format, openai_speech.widen(audio), openai_speech.RATE)

    async def _stream(
        self,
        request: web.Request,
        record: Request,
        speech: Speech,
        fault: Fault | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": speech.content_type})
        record.status = response.status
        await response.prepare(request)
        limit = _after(fault)
        sent = 0
        async for piece in _pieces(speech.audio):
            if limit is not None and sent + len(piece) > limit:
                await response.write(piece[: limit - sent])
                if isinstance(fault, faults.Stall):
                    await stall(fault)
                else:
                    break_off(request)
                    return response
                piece, limit = piece[limit - sent :], None
            await response.write(piece)
            sent += len(piece)
        await response.write_eof()
        return response


def _after(fault: Fault | None) -> int | None:
    match fault:
        case faults.Stall(after=after) if after is not None:
            return int(after)
        case faults.Truncate(after=after):
            return TRUNCATE_AFTER_BYTES if after is None else int(after)
        case _:
            return None


async def _body(request: web.Request) -> Any:
    text = (await request.read()).decode("utf-8", "replace")
    try:
        return decode(text)
    except BadJson:
        return text


def _in(container: str, audio: AsyncIterator[bytes], rate: int) -> Speech:
    if container == "wav":
        return Speech(_with_header(audio, rate), "audio/wav")
    return Speech(audio, "audio/pcm")


def _error(status: int, reason: str) -> web.Response:
    return web.json_response({"detail": reason}, status=status)


async def _pieces(audio: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in audio:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


async def _with_header(audio: AsyncIterator[bytes], rate: int) -> AsyncIterator[bytes]:
    # The lengths are unknown while streaming, so the header has the largest ones.
    yield struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
        *(b"data", 0xFFFFFFDB),
    )
    async for chunk in audio:
        yield chunk
