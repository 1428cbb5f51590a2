"""Resampling of a live stream: a polyphase FIR low-pass without block delay.

Dropping or repeating samples folds everything above the new Nyquist frequency into speech, where
the aliases are heard as a metallic whisper. The filter is a Kaiser-windowed sinc. Its only delay is
half its length (2 ms at 8 kHz). Libraries that work in large blocks return live audio in bursts,
which a telephone turns into gaps.

State is kept across chunks, so the borders of chunks are not heard. One `Resampler` serves one
stream. `flush` returns the filter's tail, so that the last consonant is not cut.
"""

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

TAPS_PER_PHASE = 32
KAISER_BETA = 8.0
# Fraction of the lower Nyquist frequency: 3.6 kHz pass; the telephone band ends at 3.4 kHz.
PASSBAND = 0.94

# Smallest number of outputs per block. Each block is one row of a matrix product, which is ten
# times as fast as a dot product for each sample. Larger blocks multiply more zeros, smaller blocks
# copy the same samples into more rows.
_BLOCK = 16

_INT16 = np.dtype("<i2")
_FLOAT = np.dtype(np.float32)


@lru_cache(maxsize=16)
def _filter(up: int, down: int) -> tuple[NDArray[np.float32], int, int]:
    """Make the low-pass for the ratio up/down, arranged for blocks.

    Returns the matrix that turns a row of input samples into a row of output samples, the distance
    between the beginnings of two rows (input samples), and the number of taps per output sample.
    """
    taps = TAPS_PER_PHASE * -(-down // up)
    length = up * taps
    cutoff = PASSBAND / max(up, down)
    at = np.arange(length) - (length - 1) / 2
    impulse = cutoff * np.sinc(cutoff * at) * np.kaiser(length, KAISER_BETA)
    impulse *= up / impulse.sum()
    phases = impulse.reshape(taps, up).T[:, ::-1]  # one row a phase, newest sample last
    periods = max(1, _BLOCK // up)
    matrix = np.zeros((down * periods + taps - 1, up * periods), dtype=np.float32)
    for output in range(up * periods):
        begin, phase = divmod(output * down, up)
        matrix[begin : begin + taps, output] = phases[phase]
    return matrix, down * periods, taps


class Resampler:
    """Changes the rate of one s16le mono stream.

    source: rate of the input (Hz).
    target: rate of the output (Hz).

    The length of the output is within one sample of input x target / source.
    """

    def __init__(self, source: int, target: int) -> None:
        if source <= 0 or target <= 0:
            raise ValueError(f"rates are positive, got {source} and {target} Hz")
        divisor = gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        self._identity = source == target
        self._matrix, self._step, self._taps = _filter(self._up, self._down)
        # Input samples that are still needed, from a point at which input and output coincide, and
        # the number of outputs after that point that were returned already.
        self._past = np.zeros(self._taps - 1, dtype=np.float32)
        self._given = 0

    def feed(self, pcm: bytes) -> bytes:
        """Add s16le samples, any whole number; returns the output that is complete now (s16le)."""
        if self._identity or not pcm:
            return pcm
        past, taps = self._past, self._taps
        kept = past.size
        known = kept + (len(pcm) >> 1)  # samples of the signal
        outputs = -(-(known - taps + 1) * self._up // self._down)
        width, per_block = self._matrix.shape
        blocks = -(-outputs // per_block)
        # Samples that are not known yet are zeros; outputs that need them are not returned.
        signal = np.zeros(max(known, (blocks - 1) * self._step + width), _FLOAT)
        signal[:kept] = past
        signal[kept:known] = np.frombuffer(pcm, _INT16)
        given = self._given
        if outputs <= given:
            self._past = signal[:known]
            return b""
        # Keep the stream from the last point at which input and output coincide.
        periods = outputs // self._up
        self._past = signal[periods * self._down : known].copy()
        self._given = outputs - periods * self._up
        # Overlapping rows without a copy. numpy's helpers for this take longer than the product.
        rows: NDArray[np.float32] = np.ndarray(
            (blocks, width), _FLOAT, signal, 0, (self._step * _FLOAT.itemsize, _FLOAT.itemsize)
        )
        # A product of rows that overlap would not use BLAS.
        product: NDArray[np.float32] = np.ascontiguousarray(rows) @ self._matrix
        out = product.reshape(-1)[given:outputs]
        np.rint(out, out=out)
        np.minimum(np.maximum(out, -32768, out=out), 32767, out=out)
        pcm16: bytes = out.astype(_INT16).tobytes()
        return pcm16

    def flush(self) -> bytes:
        """Return the rest of the stream, which is in the filter, and reset the resampler."""
        if self._identity:
            return b""
        tail = self.feed(bytes(2 * (self._taps // 2)))
        self._past = np.zeros(self._taps - 1, dtype=np.float32)
        self._given = 0
        return tail
