"""What a chan_websocket channel carries, and 8 kHz s16le: there and back.

The channel has one codec for both ways. Signed linear of any of Asterisk's rates and G.711 are
translated here; the others (Opus, G.722) are Asterisk's business, which does it for whoever asks
for `c(slin)`.
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

    name: as MEDIA_START says it. Raises CallerError for a codec that is not translated here.
    """

    def __init__(self, name: str) -> None:
        self._law = _LAWS.get(name)
        rate = RATE if self._law else SLIN_RATES.get(name)
        if rate is None:
            raise CallerError(
                f"the channel's codec is {name or 'not named'}, which is not spoken here: "
                "put c(slin) among the options of Dial(WebSocket/...)"
            )
        self.sample_bytes = 1 if self._law else SAMPLE_BYTES
        self.frame_bytes = rate * FRAME_MS // 1000 * self.sample_bytes
        """20 ms of the channel's audio (bytes)."""
        self._inward, self._outward = Resampler(rate, RATE), Resampler(RATE, rate)

    def decode(self, payload: bytes) -> bytes:
        """The caller's audio, any whole number of samples, as s16le at 8 kHz."""
        if self._law:
            return g711.decode(payload, self._law)
        return self._inward.feed(payload)

    def encode(self, frames: bytes) -> bytes:
        """Whole 20 ms frames of s16le at 8 kHz as as many frames of the channel's audio."""
        if self._law:
            codes: bytes = _encoding(self._law)[np.frombuffer(frames, dtype="<u2")].tobytes()
            return codes
        return self._outward.feed(frames)

    def end(self) -> bytes:
        """What of the agent's speech is still on its way through the filter: whole frames.

        Empty where it is silence; the next speech begins as if nothing had been before it.
        """
        tail = self._outward.flush()
        if not any(tail):
            return b""
        return tail + bytes(-len(tail) % self.frame_bytes)


@lru_cache(maxsize=2)
def _encoding(law: g711.Law) -> NDArray[np.uint8]:
    """For each 16 bit sample the code that is decoded to the nearest value."""
    codes = np.arange(256, dtype=np.uint8)
    values = np.frombuffer(g711.decode(codes.tobytes(), law), dtype="<i2").astype(np.int32)
    order = np.argsort(values, kind="stable")
    between = (values[order][1:] + values[order][:-1]) / 2
    samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16)
    found: NDArray[np.uint8] = codes[order][np.searchsorted(between, samples)]
    return found
