"""G.711: decoding, and detecting which coding a stream has.

Each law (µ-law, A-law) is decoded by a table of 256 samples, made here from the definition.
[ITU-T G.711]

Some streams do not name their coding: AudioSocket gives G.711 of both laws the same label as
linear samples. So the coding is detected from the sound. Both laws number the same steps in a
different order. Decoded by the wrong law, silence becomes a hum, quiet speech becomes loud and
loud speech becomes rough. So the quieter and smoother reading is the right one. The same holds for
G.711 read as linear samples, and for linear samples read as G.711.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avr_sts_speechmatics.audio.pcm import FRAME_BYTES, SampleAligner

Law = Literal["ulaw", "alaw"]
Coding = Literal["ulaw", "alaw", "slin"]

GUESS_MAX_BYTES = 2400
"""After this many bytes (0.3 s of G.711) the likeliest coding is used, however close the others
are."""

_GUESS_MIN_BYTES = 480  # 60 ms of G.711: the beginning of a stream is often a click
# How much likelier than the next coding a coding must be, to be used before GUESS_MAX_BYTES
# (powers of two). For speech and silence the distance is 3 to 5; for a misleading hum it is 1.2.
_SURE = 2.0
# Above this level (of 32768) only roughness counts, below it the level counts as well: the wrong
# law makes some loud sounds quieter.
_LOUD = 3000.0
_FLOOR = 8.0  # the smallest step of both laws: quieter sounds cannot be distinguished


def _ulaw_samples() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0xFF
    magnitude = ((2 * (code & 15) + 33) << (code >> 4 & 7) + 2) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_samples() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    # The lowest segment has the step size of the next segment, and no leading 1 bit.
    lowest = (2 * step + 1) << 3
    others = (2 * step + 33) << np.maximum(segment, 1) + 2
    magnitude = np.where(segment == 0, lowest, others)
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


_SAMPLES = {"ulaw": _ulaw_samples(), "alaw": _alaw_samples()}


def decode(codes: bytes, law: Law) -> bytes:
    """Decode G.711.

    codes: one byte per sample.
    law: the law of the codes.

    Returns s16le samples, one per code.
    """
    pcm: bytes = _SAMPLES[law][np.frombuffer(codes, np.uint8)].tobytes()
    return pcm


def guess(sound: bytes, among: Sequence[Coding]) -> tuple[Coding, float]:
    """Guess the coding of a piece of sound.

    sound: at least two samples.
    among: the possible codings, at least two; at equal likelihood the earlier is chosen.

    Returns the coding, and how much rougher and louder the next best reading is (powers of two).
    """
    readings = sorted((_unlikeliness(sound, coding), n) for n, coding in enumerate(among))
    (best, which), (next_best, _) = readings[:2]
    return among[which], next_best - best


def _unlikeliness(sound: bytes, coding: Coding) -> float:
    if coding == "slin":
        samples = np.frombuffer(sound[: len(sound) & ~1], "<i2")
    else:
        samples = _SAMPLES[coding][np.frombuffer(sound, np.uint8)]
    signal = samples.astype(np.float32)
    level = math.sqrt(np.square(signal).mean())
    change = math.sqrt(np.square(np.diff(signal)).mean())
    return math.log2(
        (change + _FLOOR) * (min(level, _LOUD) + _FLOOR) / (max(level, _LOUD) * _FLOOR)
    )


class UnlabelledStream:
    """Decodes a stream at 8 kHz of unknown coding to s16le.

    law: the law of the stream if it is G.711; None to detect the law from the sound.

    A first payload of 320 bytes, which is 20 ms of linear samples, shows at once that the stream
    is linear. Other payloads are kept until the coding is detected, after 60 to 300 ms of sound,
    and are then returned together.
    """

    def __init__(self, law: Law | None) -> None:
        self._law = law
        self._kept = bytearray()
        self._aligner = SampleAligner()
        self.coding: Coding | None = None
        """The detected coding; None while it is unknown."""

    def feed(self, payload: bytes) -> bytes:
        """Decode a payload of any size.

        Returns s16le samples; empty while the coding is unknown.
        """
        coding = self.coding
        if coding == "slin":
            return self._aligner.feed(payload)
        if coding is not None:
            return decode(payload, coding)
        self._kept += payload
        self.coding = self._detect(payload)
        if self.coding is None:
            return b""
        kept, self._kept = bytes(self._kept), bytearray()
        return self.feed(kept)

    def _detect(self, payload: bytes) -> Coding | None:
        if len(payload) == FRAME_BYTES:
            return "slin"
        if self._law is not None:
            return self._law
        size = len(self._kept)
        if size < _GUESS_MIN_BYTES:
            return None
        coding, sureness = guess(bytes(self._kept), ("ulaw", "alaw", "slin"))
        return coding if sureness >= _SURE or size >= GUESS_MAX_BYTES else None
