"""The end of speech within its audio: TTS voices add silence after the last word."""

import numpy as np

from avr_sts_speechmatics.audio.pcm import SAMPLE_BYTES

VOICED = 160
"""Smallest level of a sample that is heard as speech (of 32,768; -46 dBFS). The level is below the
quietest consonants of TTS, and above the noise and the rounding of a pause."""

_UNSIGNED = np.dtype("<u2")
_OFFSET = VOICED - 1


def voiced_bytes(pcm: bytes) -> int:
    """Return the size of `pcm` up to its last voiced sample (bytes); 0 if all of it is silent.

    pcm: s16le mono, whole samples.
    """
    # A level from 1 - VOICED to VOICED - 1 becomes one from 0 to 2 * VOICED - 2; all others become
    # greater, negative levels because they are read as unsigned.
    loud = np.frombuffer(pcm, _UNSIGNED) + _OFFSET > 2 * _OFFSET
    return (loud.tobytes().rfind(1) + 1) * SAMPLE_BYTES
