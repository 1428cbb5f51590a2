"""Clouds that sign what they hear and say: the same words always have the same audio, no others."""

import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from tests.conformance.avr_service import noise

from avr_sts_speechmatics.sandbox import stt_messages as say
from avr_sts_speechmatics.sandbox.engines import Engines, Send, ToolCall
from avr_sts_speechmatics.sandbox.stt_messages import StartRecognition

SILENCE_S = 0.3
"""Silence after which a turn ends (s)."""


class LoudnessStt:
    """Hears words where it is loud; their text is the checksum of the audio."""

    @asynccontextmanager
    async def listen(self, start: StartRecognition, send: Send) -> AsyncIterator["_Session"]:
        yield _Session(start.audio_format.bytes_per_second, send)


class _Session:
    def __init__(self, rate: int, send: Send) -> None:
        self._rate = rate
        self._send = send
        self._bytes = 0
        self._words = b""
        self._began = 0.0
        self._loud_until = 0.0

    async def hear(self, pcm: bytes) -> None:
        at = self._bytes / self._rate
        self._bytes += len(pcm)
        if np.abs(np.frombuffer(pcm, "<i2").astype(int)).max() > 1000:
            if not self._words:
                self._began = at
                self._send(say.speech_started(at))
                self._send(say.start_of_turn(at))
            self._words += pcm
            self._loud_until = self._bytes / self._rate
            if len(self._words) == 10 * len(pcm):
                self._send(say.partial_segment("I would like", self._began, at))
        elif self._words and at - self._loud_until > SILENCE_S:
            text = f"Number {zlib.crc32(self._words)}."
            self._words = b""
            self._send(say.segment(text, self._began, self._loud_until))
            self._send(say.speech_ended(self._loud_until))
            self._send(say.end_of_turn(at))

    async def force(self, timestamp: float) -> None:
        self._send(say.end_of_turn(timestamp))

    def show_partials(self, enabled: bool) -> None:
        """Partials are always sent."""

    async def finish(self) -> None:
        """Nothing is pending."""


class NoiseTts:
    """Speaks each text as noise of its own, 40 ms a character."""

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        # Two equal samples for each of 8 kHz: the noise survives the way to the telephone.
        samples = np.frombuffer(noise(zlib.crc32(text.encode()), 2 * len(text)), "<i2")
        yield np.repeat(samples, 2).tobytes()


class EchoLlm:
    """Answers with the caller's last words."""

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        last = next(one["content"] for one in reversed(messages) if one["role"] == "user")
        yield f"You asked for {last}"


def signed() -> Engines:
    return Engines(LoudnessStt(), NoiseTts(), EchoLlm())
