"""The codec of a chan_websocket channel: conversion to and from s16le at 8 kHz.

A channel has one codec for both directions. Signed linear at any of Asterisk's rates and G.711 are
converted here. Other codecs (Opus, G.722) are rejected: Asterisk transcodes them if the dialplan
sets `c(slin)`.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avr_sts_speechmatics.audio import g711
from avr_sts_speechmatics.audio.pcm import FRAME_MS, RATE, SAMPLE_BYTES
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import CallerError

SLIN_RATES = {
    "slin": 8000,
    "slin12": 12000,
    "slin16": 16000,
    "slin24": 24000,
    "slin32": 32000,
    "slin44": 44100,
    "slin48": 48000,
    "slin96": 96000,
    "slin192": 192000,
}
"""Asterisk's names for signed linear, and the rate of each (Hz)."""

_LAWS: dict[str, g711.Law] = {"ulaw": "ulaw", "alaw": "alaw"}


class ChannelCodec:
    """One channel's codec, with the state of both directions.

    name: the channel's codec, as in MEDIA_START.

    The constructor raises CallerError if the codec is not supported.
    """

    def __init__(self, name: str) -> None:
        self._law = _LAWS.get(name)
        rate = RATE if self._law else SLIN_RATES.get(name)
        if rate is None:
            raise CallerError(
                f"the channel's codec is {name or 'not named'}, which is not supported: "
                "put c(slin) among the options of Dial(WebSocket/...)"
            )
        self.sample_bytes = 1 if self._law else SAMPLE_BYTES
        self.frame_bytes = rate * FRAME_MS // 1000 * self.sample_bytes
        """20 ms of the channel's audio (bytes)."""
        self._inward, self._outward = Resampler(rate, RATE), Resampler(RATE, rate)

    def decode(self, payload: bytes) -> bytes:
        """Convert caller audio to s16le at 8 kHz.

        payload: any whole number of samples in the channel's codec.
        """
        if self._law:
            return g711.decode(payload, self._law)
        return self._inward.feed(payload)

    def encode(self, frames: bytes) -> bytes:
        """Convert agent audio to the channel's codec.

        frames: whole 20 ms frames of s16le at 8 kHz; the result has the same number of frames.
        """
        if self._law:
            codes: bytes = _encoding(self._law)[np.frombuffer(frames, dtype="<u2")].tobytes()
            return codes
        return self._outward.feed(frames)

    def end(self) -> bytes:
        """End the agent's speech and return what the resampler still holds, as whole frames.

        The result is empty if the rest is silence. The next speech begins with a fresh resampler.
        """
        tail = self._outward.flush()
        if not any(tail):
            return b""
        return tail + bytes(-len(tail) % self.frame_bytes)


@lru_cache(maxsize=2)
def _encoding(law: g711.Law) -> NDArray[np.uint8]:
    """Table from each 16-bit sample to the code that decodes to the nearest value."""
    codes = np.arange(256, dtype=np.uint8)
    values = np.frombuffer(g711.decode(codes.tobytes(), law), dtype="<i2").astype(np.int32)
    order = np.argsort(values, kind="stable")
    between = (values[order][1:] + values[order][:-1]) / 2
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16)
    found: NDArray[np.uint8] = codes[order][np.searchsorted(between, samples)]
    return found
