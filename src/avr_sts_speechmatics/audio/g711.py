"""G.711: telephone samples of one byte, and which of the two laws they follow.

Decoding is a table of 256 samples for each law, made here from the definition. [ITU-T G.711]

Some streams do not say how they are coded: AudioSocket gives G.711 of either law the same label as
linear samples. So it is told from the sound. Both laws number the same steps, in another order:
read by the wrong one, silence is a hum, quiet speech is loud and loud speech is rough. The reading
that is the quieter and the smoother is the right one; so it is for G.711 read as linear samples,
and the other way round.
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
"""After so many bytes the likeliest coding is taken, however close the others come: 0.3 s of
G.711."""

_GUESS_MIN_BYTES = 480  # 60 ms of G.711: the beginning of a stream is often a click
# How much likelier a coding must be to be taken before GUESS_MAX_BYTES (powers of two). Speech and
# silence are told apart by 3 to 5; a hum that misleads, by 1.2.
_SURE = 2.0
# Sound above this level is judged by its roughness alone, below it by its level as well: above it
# the wrong law makes some sounds quieter (of 32768).
_LOUD = 3000.0
_FLOOR = 8.0  # the smallest step of both laws: nothing quieter can be told apart


def _ulaw_samples() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0xFF
    magnitude = ((2 * (code & 15) + 33) << (code >> 4 & 7) + 2) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_samples() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    # The lowest segment has steps as small as those of the next, and no leading one.
    lowest = (2 * step + 1) << 3
    others = (2 * step + 33) << np.maximum(segment, 1) + 2
    magnitude = np.where(segment == 0, lowest, others)
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


_SAMPLES = {"ulaw": _ulaw_samples(), "alaw": _alaw_samples()}


def decode(codes: bytes, law: Law) -> bytes:
    """G.711 codes as s16le samples, one for each."""
    pcm: bytes = _SAMPLES[law][np.frombuffer(codes, np.uint8)].tobytes()
    return pcm


def guess(sound: bytes, among: Sequence[Coding]) -> tuple[Coding, float]:
    """How some bytes of sound are coded, and how sure that is.

    sound: at least two samples. among: the codings it may have, the likelier first; at least two.
    Sureness is how much rougher and louder the next best reading is (powers of two).
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
    """Sound at 8 kHz whose coding nobody names, as s16le.

    law: that of the stream if it is G.711; None to tell it from the sound.

    A payload of 320 bytes, 20 ms of linear samples, settles at once that the stream is linear. Any
    other is kept until its sound is told, 60 to 300 ms, and then given whole.
    """

    def __init__(self, law: Law | None) -> None:
        self._law = law
        self._kept = bytearray()
        self._aligner = SampleAligner()
        self.coding: Coding | None = None
        """What it was found to be; None while it is not known."""

    def feed(self, payload: bytes) -> bytes:
        """Take a payload of any size; return what is known so far as s16le, possibly nothing."""
        coding = self.coding
        if coding == "slin":
            return self._aligner.feed(payload)
        if coding is not None:
            return decode(payload, coding)
        self._kept += payload
        self.coding = self._told(payload)
        if self.coding is None:
            return b""
        kept, self._kept = bytes(self._kept), bytearray()
        return self.feed(kept)

    def _told(self, payload: bytes) -> Coding | None:
        if len(payload) == FRAME_BYTES:
            return "slin"
        if self._law is not None:
            return self._law
        size = len(self._kept)
        if size < _GUESS_MIN_BYTES:
            return None
        coding, sureness = guess(bytes(self._kept), ("ulaw", "alaw", "slin"))
        return coding if sureness >= _SURE or size >= GUESS_MAX_BYTES else None
