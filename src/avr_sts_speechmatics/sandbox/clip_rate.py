"""Another sample rate for a whole piece of speech at once.

By Fourier transform: exact in time, and nothing above the new Nyquist frequency survives to
be heard as an alias. The top 6 % of the band fades out instead of ending in a wall, which
would ring. For a stream that must be cut into frames as it comes this is the wrong tool.
"""

import math

import numpy as np
from numpy.typing import NDArray

FADE = 0.06


def resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """The samples at `to_rate`: ceil(length * to_rate / from_rate) of them."""
    if from_rate == to_rate or not len(samples):
        return samples
    shrink = math.gcd(from_rate, to_rate)
    step_in, step_out = from_rate // shrink, to_rate // shrink
    length = -(-len(samples) * step_out // step_in)
    # A whole number of steps makes both lengths exact; the extra one is silence, into which
    # the end can ring instead of into the beginning.
    steps = -(-len(samples) // step_in) + 1
    spectrum = np.fft.rfft(samples, steps * step_in)
    kept = min(steps * step_in, steps * step_out) // 2 + 1
    spectrum = spectrum[:kept]
    fade = max(1, int(kept * FADE))
    spectrum[-fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, fade))
    scaled = np.fft.irfft(spectrum, steps * step_out) * (step_out / step_in)
    return scaled[:length].astype(np.float32)
