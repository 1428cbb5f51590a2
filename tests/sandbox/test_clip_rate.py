"""Resampling of whole clips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.sandbox.clip_rate import resample

RATES = [(8_000, 16_000), (22_050, 16_000), (16_000, 8_000)]


def sine(
    hertz: float, rate: int, seconds: float = 1
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def rms(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
    return float(np.sqrt(np.mean(samples[200:-200] ** 2)))


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_tone_keeps_its_frequency_after_resampling(from_rate: int, to_rate: int) -> None:
    there = resample(sine(1000, from_rate), from_rate, to_rate)
    assert rms(there - sine(1000, to_rate)) < 0.005


def test_frequencies_above_the_new_nyquist_frequency_are_removed() -> None:
    assert rms(resample(sine(9_000, 22_050), 22_050, 16_000)) < 1e-3


@given(st.integers(0, 3000), st.sampled_from(RATES))
def test_the_resampled_length_matches_the_duration(length: int, rates: tuple[int, int]) -> None:
    result = resample(np.zeros(length, np.float32), *rates)
    assert len(result) == -(-length * rates[1] // rates[0])
    assert result.dtype == np.float32
