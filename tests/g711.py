"""G.711 as a telephone makes it: the way there, of which the service only needs the way back."""

import numpy as np

from avr_sts_speechmatics.audio.g711 import Coding


def encode(pcm: bytes, coding: Coding) -> bytes:
    """As a telephone does it, by comparing with the segments' ends. [ITU-T G.711]"""
    if coding == "slin":
        return pcm
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    sign = np.where(samples < 0, 0x00, 0x80)
    if coding == "ulaw":
        size = np.minimum(np.abs(samples), 32635) + 132
        segment = np.floor(np.log2(size)).astype(np.int32) - 7
        code = sign | (0x7F ^ (segment << 4 | size >> segment + 3 & 15))
    else:
        size = np.minimum(np.where(samples < 0, -samples - 1, samples), 32767) >> 4
        segment = np.floor(np.log2(np.maximum(size, 16))).astype(np.int32) - 3
        segment[size < 16] = 0
        code = (sign | segment << 4 | size >> np.maximum(segment - 1, 0) & 15) ^ 0x55
    codes: bytes = code.astype(np.uint8).tobytes()
    return codes
