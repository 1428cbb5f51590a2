"""OpenAI's speech request, and its audio: what the speaking server needs of that dialect.

Any model speaks. `instructions` and `speed` are taken and change nothing. Of the formats those
without compression can be had; the cloud's own default, mp3, cannot.
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
"""Those the cloud has, and who speaks for them here."""


class SpeechRequest(msgspec.Struct):
    """The body of a request, with the cloud's bounds."""

    model: Annotated[str, Meta(min_length=1)]
    voice: str
    input: Annotated[str, Meta(max_length=4096, pattern=r"\S")]
    response_format: Literal["pcm", "wav"]
    instructions: str = ""
    speed: Annotated[float, Meta(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio"] = "audio"


def parse(body: Any) -> SpeechRequest:
    """Raises ValueError that says what is wrong."""
    request = msgspec.convert(body, SpeechRequest)
    if request.voice not in VOICES:
        raise ValueError(f"no voice {request.voice!r}; there are {', '.join(sorted(VOICES))}")
    return request


async def widen(audio: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream at 16 kHz (s16le, cut anywhere) at 24 kHz: three samples for every two.

    Between two samples a straight line: what that adds lies above 8 kHz, where no telephone hears.
    """
    held = b""  # from a sample on where both rates coincide
    async for chunk in audio:
        held += chunk
        # The last sample waits for the next, towards which its line goes.
        pairs = (len(held) // 2 - 1) // 2
        if pairs > 0:
            yield _lines(held, 3 * pairs)
            held = held[4 * pairs :]
    if len(held) >= 2:
        yield _lines(held, len(held) // 2 * 3 // 2)


def _lines(pcm: bytes, count: int) -> bytes:
    """The first `count` samples at 24 kHz; behind the last of `pcm` the signal stays level."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    values = np.interp(np.arange(count) / 1.5, np.arange(len(samples)), samples)
    pcm24: bytes = np.rint(values).astype("<i2").tobytes()
    return pcm24
