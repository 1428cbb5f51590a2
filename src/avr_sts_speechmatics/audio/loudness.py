"""The end of speech within its audio: TTS voices add silence after the last word."""

import numpy as np

from avr_sts_speechmatics.audio.pcm import SAMPLE_BYTES

VOICED = 160
"""Smallest level of a sample that is heard as speech (of 32,768; -46 dBFS). The level is below the
quietest consonants of TTS, and above the noise and the rounding of a pause."""


def voiced_bytes(pcm: bytes) -> int:
    """Return the size of `pcm` up to its last voiced sample (bytes); 0 if all of it is silent.

    pcm: s16le mono, whole samples.
    """
    samples = np.frombuffer(pcm, "<i2")
    loud = np.flatnonzero((samples >= VOICED) | (samples <= -VOICED))
    return int(loud[-1] + 1) * SAMPLE_BYTES if loud.size else 0
