"""Resampling of a whole clip of speech at once.

The clip is resampled by Fourier transform: exact in time, and without aliases, because everything
above the new Nyquist frequency is removed. The top 6 % of the band fades out, because a sharp edge
would ring. Streams need another method: the transform needs the complete clip.
"""

import math

import numpy as np
from numpy.typing import NDArray

FADE = 0.06
"""Part of the band that fades out, 0 to 1."""


def resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Resample a clip.

    samples: the clip, -1 to 1.
    from_rate: sample rate of the clip, Hz.
    to_rate: sample rate of the result, Hz.

    Returns ceil(length * to_rate / from_rate) samples.
    """
    if from_rate == to_rate or not len(samples):
        return samples
    shrink = math.gcd(from_rate, to_rate)
    step_in, step_out = from_rate // shrink, to_rate // shrink
    length = -(-len(samples) * step_out // step_in)
    # A whole number of steps makes both lengths exact. The extra step is silence: the filter rings
    # from the end of the clip into it, not into the beginning.
    steps = -(-len(samples) // step_in) + 1
    spectrum = np.fft.rfft(samples, steps * step_in)
    kept = min(steps * step_in, steps * step_out) // 2 + 1
    spectrum = spectrum[:kept]
    fade = max(1, int(kept * FADE))
    spectrum[-fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, fade))
    scaled = np.fft.irfft(spectrum, steps * step_out) * (step_out / step_in)
    return scaled[:length].astype(np.float32)
