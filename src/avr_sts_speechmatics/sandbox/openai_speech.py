"""OpenAI's speech request and its audio format, for the TTS server.

Any model name is accepted. `instructions` and `speed` are accepted and have no effect. Only the
uncompressed formats are supported, not the cloud's default, mp3.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

RATE = 24_000

VOICES = {
    **dict.fromkeys(("alloy", "coral", "marin", "nova", "shimmer"), "sarah"),
    **dict.fromkeys(("ash", "ballad", "cedar", "echo", "fable"), "theo"),
    **dict.fromkeys(("sage",), "megan"),
    **dict.fromkeys(("onyx", "verse"), "jack"),
}
"""The cloud's voices, each with the sandbox's voice that replaces it."""


class SpeechRequest(msgspec.Struct):
    """The body of a request, with the limits of the cloud."""

    model: Annotated[str, Meta(min_length=1)]
    voice: str
    input: Annotated[str, Meta(max_length=4096, pattern=r"\S")]
    response_format: Literal["pcm", "wav"]
    instructions: str = ""
    speed: Annotated[float, Meta(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio"] = "audio"


def parse(body: Any) -> SpeechRequest:
    """Validate the decoded JSON body of a request. Raises ValueError, which names the error."""
    request = msgspec.convert(body, SpeechRequest)
    if request.voice not in VOICES:
        raise ValueError(f"no voice {request.voice!r}; there are {', '.join(sorted(VOICES))}")
    return request


async def widen(audio: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Resample a stream from 16 kHz to 24 kHz: three samples for every two.

    audio: s16le mono at 16 kHz, cut anywhere, even within a sample.

    The samples are interpolated linearly. The distortion lies above 8 kHz, beyond the telephone's
    bandwidth.
    """
    held = b""  # Begins with a sample at which both rates coincide.
    async for chunk in audio:
        held += chunk
        # The last sample waits for its successor, which the interpolation needs.
        pairs = (len(held) // 2 - 1) // 2
        if pairs > 0:
            yield _lines(held, 3 * pairs)
            held = held[4 * pairs :]
    if len(held) >= 2:
        yield _lines(held, len(held) // 2 * 3 // 2)


def _lines(pcm: bytes, count: int) -> bytes:
    """The first `count` samples at 24 kHz; after the end of `pcm` the signal stays constant."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    values = np.interp(np.arange(count) / 1.5, np.arange(len(samples)), samples)
    pcm24: bytes = np.rint(values).astype("<i2").tobytes()
    return pcm24
