"""Log-mel features for Whisper: 80 bands, 25 ms windows, one every 10 ms, from audio at 16 kHz.

The filters are Slaney's: linear below 1 kHz, logarithmic above, all of equal area.
"""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 16_000
WINDOW = 400
HOP = 160
BANDS = 80
FRAMES_PER_SECOND = RATE // HOP

_KNEE_HERTZ = 1000.0
_MEL_PER_HERTZ = 3 / 200
_MEL_PER_OCTAVE = 27 / math.log(6.4)


def log_mel(samples: Samples) -> Samples:
    """The features of a clip.

    samples: at RATE Hz, -1 to 1.

    Returns an array of shape (BANDS, frames), with one frame for each whole HOP of samples.
    """
    padded = np.pad(samples, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    frames = frames[: len(samples) // HOP]
    power = np.abs(np.fft.rfft(frames * _window(), axis=1)) ** 2
    # Band by band, not as one matrix product: a product of this size makes the linear algebra
    # library start threads, which then spin on the cores that the models need.
    bands = np.stack([power[:, bins] @ weights for bins, weights in _filters()])
    logs = np.log10(np.maximum(bands, 1e-10))
    # Values more than 80 dB below the loudest carry no speech and are raised to that floor.
    logs = np.maximum(logs, logs.max() - 8.0)
    return np.ascontiguousarray((logs + 4.0) / 4.0, dtype=np.float32)


@cache
def _window() -> Samples:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@cache
def _filters() -> list[tuple[slice, Samples]]:
    """For each band, the bins of the spectrum that the band covers, and their weights."""
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    edges = _hertz(np.linspace(0.0, _mel(RATE / 2), BANDS + 2))
    widths = np.diff(edges)
    slopes = edges[:, None] - bins[None, :]
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    equal_area = 2.0 / (edges[2:] - edges[:-2])
    weights = (triangles * equal_area[:, None]).astype(np.float32)
    covered = [np.flatnonzero(band) for band in weights]
    slices = [slice(bins[0], bins[-1] + 1) for bins in covered]
    return [(bins, band[bins]) for bins, band in zip(slices, weights, strict=True)]


def _mel(hertz: float) -> float:
    if hertz < _KNEE_HERTZ:
        return hertz * _MEL_PER_HERTZ
    return _KNEE_HERTZ * _MEL_PER_HERTZ + math.log(hertz / _KNEE_HERTZ) * _MEL_PER_OCTAVE


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE_HERTZ * _MEL_PER_HERTZ
    above = _KNEE_HERTZ * np.exp((mels - knee) / _MEL_PER_OCTAVE)
    return np.where(mels < knee, mels / _MEL_PER_HERTZ, above)
