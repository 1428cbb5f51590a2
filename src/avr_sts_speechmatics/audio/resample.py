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
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

TAPS_PER_PHASE = 32
KAISER_BETA = 8.0
# Of the lower Nyquist frequency: speech up to 3.6 kHz passes, the telephone's band ends at 3.4.
PASSBAND = 0.94


@lru_cache(maxsize=16)
def _filter(up: int, down: int) -> NDArray[np.float32]:
    """Low-pass for the ratio up/down, phase by phase: shape (up, taps), newest sample last."""
    taps = TAPS_PER_PHASE * -(-down // up)
    length = up * taps
    cutoff = PASSBAND / max(up, down)
    at = np.arange(length) - (length - 1) / 2
    impulse = cutoff * np.sinc(cutoff * at) * np.kaiser(length, KAISER_BETA)
    impulse *= up / impulse.sum()
    phases = impulse.reshape(taps, up).T[:, ::-1]
    return np.ascontiguousarray(phases, dtype=np.float32)


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
        self._phases = _filter(self._up, self._down)
        self._taps = self._phases.shape[1]
        self._past = np.zeros(self._taps - 1, dtype=np.float32)
        # Position of the next output sample, in steps of 1/up input samples after `_past`.
        self._next = 0

    def feed(self, pcm: bytes) -> bytes:
        """Take s16le samples (any number), return what they make of the output (s16le)."""
        if self._identity or not pcm:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
        signal = np.concatenate((self._past, samples))
        ends = np.arange(self._next, len(samples) * self._up, self._down)
        self._next = (self._next + len(ends) * self._down) - len(samples) * self._up
        self._past = signal[len(samples) :]
        if not len(ends):
            return b""
        windows = sliding_window_view(signal, self._taps)
        if self._up == 1:
            out = windows[ends[0] :: self._down] @ self._phases[0]
        else:
            out = np.einsum("ij,ij->i", windows[ends // self._up], self._phases[ends % self._up])
        pcm16: bytes = np.clip(np.rint(out), -32768, 32767).astype("<i2").tobytes()
        return pcm16

    def flush(self) -> bytes:
        """The rest of the stream, still in the filter; the resampler is then as new."""
        if self._identity:
            return b""
        tail = self.feed(bytes(2 * (self._taps // 2)))
        self._past = np.zeros(self._taps - 1, dtype=np.float32)
        self._next = 0
        return tail
