"""Resampling of a live stream with a real low-pass: polyphase FIR, nothing held back.

Dropping or repeating samples folds everything above the new Nyquist frequency into speech, where
it is heard as a metallic whisper. The filter here is a Kaiser-windowed sinc; its whole delay is
half its length (2 ms at 8 kHz), and every input sample counts in the output at once: libraries
that work in large blocks give live audio out in bursts, which a telephone turns into gaps.

State is kept across chunks, so the cuts of a stream are not heard. One `Resampler` serves one
stream; `flush` gives the filter's tail, so that the last consonant is not cut.
"""

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

TAPS_PER_PHASE = 32
KAISER_BETA = 8.0
# Of the lower Nyquist frequency: speech up to 3.6 kHz passes, the telephone's band ends at 3.4.
PASSBAND = 0.94

# Outputs are computed in blocks of at least so many, each block one row of a matrix product: a
# product of a few small matrices is ten times as fast as a dot product for each sample.
_BLOCK = 32


@lru_cache(maxsize=16)
def _filter(up: int, down: int) -> tuple[NDArray[np.float32], int, int]:
    """The low-pass for the ratio up/down, laid out for blocks.

    Returns the matrix that turns a row of input samples into a row of output samples, how many
    input samples apart the rows begin, and the number of taps a single output sample sees.
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
    """Change the rate of one s16le mono stream.

    source, target: Hz. The output's length is within one sample of input x target / source.
    """

    def __init__(self, source: int, target: int) -> None:
        if source <= 0 or target <= 0:
            raise ValueError(f"rates are positive, got {source} and {target} Hz")
        divisor = gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        self._identity = source == target
        self._matrix, self._step, self._taps = _filter(self._up, self._down)
        # Input samples that are still needed, from a point where input and output coincide, and
        # how many outputs after that point have been given already.
        self._past = np.zeros(self._taps - 1, dtype=np.float32)
        self._given = 0

    def feed(self, pcm: bytes) -> bytes:
        """Take s16le samples (any number), return what they make of the output (s16le)."""
        if self._identity or not pcm:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        signal = np.concatenate((self._past, samples))
        known = len(signal) - (self._taps - 1)
        outputs = -(-known * self._up // self._down)
        if outputs <= self._given:
            self._past = signal
            return b""
        out = self._blocks(signal, outputs)[self._given : outputs]
        # The stream is remembered from the last point where input and output coincide.
        periods = outputs // self._up
        self._past = signal[periods * self._down :]
        self._given = outputs - periods * self._up
        np.rint(out, out=out)
        np.minimum(np.maximum(out, -32768, out=out), 32767, out=out)
        pcm16: bytes = out.astype("<i2").tobytes()
        return pcm16

    def flush(self) -> bytes:
        """The rest of the stream, still in the filter; the resampler is then as new."""
        if self._identity:
            return b""
        tail = self.feed(bytes(2 * (self._taps // 2)))
        self._past = np.zeros(self._taps - 1, dtype=np.float32)
        self._given = 0
        return tail

    def _blocks(self, signal: NDArray[np.float32], outputs: int) -> NDArray[np.float32]:
        """At least `outputs` samples, block by block; those beyond are of no meaning."""
        width, per_block = self._matrix.shape
        blocks = -(-outputs // per_block)
        padded = np.zeros((blocks - 1) * self._step + width, dtype=np.float32)
        used = min(len(signal), len(padded))
        padded[:used] = signal[:used]
        # Rows that overlap, not copied; numpy's own helpers for this cost more than the product.
        stride = padded.itemsize
        rows: NDArray[np.float32] = np.ndarray(
            (blocks, width), np.float32, padded, 0, (self._step * stride, stride)
        )
        product: NDArray[np.float32] = np.ascontiguousarray(rows) @ self._matrix
        return product.reshape(-1)
