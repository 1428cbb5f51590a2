"""Resampling a live stream: what is kept, what is removed, and that nothing is held back."""

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avr_sts_speechmatics.audio.resample import Resampler

Samples = NDArray[np.int16]

RATES = [(16000, 8000), (24000, 8000), (22050, 8000), (8000, 16000), (48000, 8000), (8000, 8000)]
TO_THE_PHONE = [(16000, 8000), (24000, 8000), (22050, 8000)]
AMPLITUDE = 16000


def sine(frequency: float, rate: int, duration: float = 0.5) -> bytes:
    wave = AMPLITUDE * np.sin(2 * pi * frequency * np.arange(round(rate * duration)) / rate)
    pcm: bytes = np.rint(wave).astype("<i2").tobytes()
    return pcm


def noise(count: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(-32768, 32768, count, "<i2").tobytes()


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, dtype="<i2")


def resampled(pcm: bytes, source: int, target: int) -> Samples:
    resampler = Resampler(source, target)
    return samples(resampler.feed(pcm) + resampler.flush())


def gain_db(frequency: float, source: int, target: int) -> float:
    """Level of a tone after resampling against before; the edges of the stream not counted."""
    before = samples(sine(frequency, source)).astype(float)
    after = resampled(sine(frequency, source), source, target).astype(float)
    steady = slice(len(after) // 4, -len(after) // 4)
    rms_before, rms_after = np.sqrt(np.mean(before**2)), np.sqrt(np.mean(after[steady] ** 2))
    return float(20 * np.log10(max(rms_after, 1e-3) / rms_before))


@settings(deadline=None)
@given(
    st.sampled_from(RATES), st.lists(st.integers(1, 500), max_size=12), st.integers(0, 2**32 - 1)
)
def test_the_cuts_of_a_stream_are_not_heard(
    rates: tuple[int, int], sizes: list[int], seed: int
) -> None:
    pcm = noise(sum(sizes) + 100, seed)
    cut, at = Resampler(*rates), 0
    pieces = []
    for size in sizes:
        pieces.append(cut.feed(pcm[2 * at : 2 * (at + size)]))
        at += size
    pieces += [cut.feed(pcm[2 * at :]), cut.flush()]
    whole, in_pieces = resampled(pcm, *rates), samples(b"".join(pieces))
    assert len(whole) == len(in_pieces)
    # The order of a sum may differ with the size of a chunk, and with it the rounding.
    assert np.max(np.abs(whole.astype(int) - in_pieces)) <= 1


@settings(deadline=None)
@given(st.sampled_from(RATES), st.lists(st.integers(1, 300), min_size=1, max_size=12))
def test_nothing_is_held_back(rates: tuple[int, int], sizes: list[int]) -> None:
    source, target = rates
    resampler = Resampler(source, target)
    taken = came = 0
    for size in sizes:
        taken += size
        came += len(resampler.feed(noise(size))) // 2
        assert abs(came - taken * target / source) < 1


@settings(deadline=None)
@given(st.sampled_from(RATES), st.integers(1, 3000))
def test_a_stream_keeps_its_length_but_for_the_tail_of_the_filter(
    rates: tuple[int, int], count: int
) -> None:
    source, target = rates
    longer = len(resampled(noise(count), source, target)) - count * target / source
    assert -1 < longer < 0.003 * target  # half the filter is 2 ms


@settings(deadline=None)
@given(st.binary(max_size=400).map(lambda pcm: pcm[: len(pcm) & ~1]))
def test_the_same_rate_changes_nothing(pcm: bytes) -> None:
    resampler = Resampler(8000, 8000)
    assert resampler.feed(pcm) + resampler.flush() == pcm


@pytest.mark.parametrize(("source", "target"), TO_THE_PHONE)
@pytest.mark.parametrize("frequency", [100, 300, 1000, 2000, 3000, 3400])
def test_the_band_of_a_telephone_passes(source: int, target: int, frequency: int) -> None:
    assert abs(gain_db(frequency, source, target)) < 1


@pytest.mark.parametrize(("source", "target"), TO_THE_PHONE)
@pytest.mark.parametrize("frequency", [4600, 5000, 6000, 7000, 7900])
def test_what_a_telephone_cannot_carry_does_not_come_back_as_a_whisper(
    source: int, target: int, frequency: int
) -> None:
    assert gain_db(frequency, source, target) < -70


@pytest.mark.parametrize("frequency", [300, 1000, 3000])
def test_a_telephones_band_is_kept_on_the_way_up(frequency: int) -> None:
    assert abs(gain_db(frequency, 8000, 16000)) < 1


@pytest.mark.parametrize(("source", "target"), RATES)
@pytest.mark.parametrize("level", [-32768, -1000, 1, 1000, 32767])
def test_a_level_stays_what_it_was(source: int, target: int, level: int) -> None:
    after = resampled(np.full(source // 4, level, "<i2").tobytes(), source, target).astype(int)
    steady = after[len(after) // 4 : -len(after) // 4]
    assert np.max(np.abs(steady - level)) <= max(1, abs(level) // 1000)


@pytest.mark.parametrize(("source", "target"), RATES)
def test_the_loudest_signal_is_clipped_and_does_not_turn_over(source: int, target: int) -> None:
    """A square wave overshoots behind a low-pass: that must not wrap round to the other sign."""
    period = source // 100
    square = np.where(np.arange(source // 5) % period < period // 2, 32767, -32768).astype("<i2")
    after = resampled(square.tobytes(), source, target).astype(int)
    settled = after[len(after) // 4 : -len(after) // 4]
    wave = settled[: len(settled) // (target // 100) * (target // 100)]
    flips = np.count_nonzero(np.diff(np.sign(wave)))
    assert flips <= 2 * len(wave) // (target // 100) + 1
    assert wave.max() > 32000
    assert wave.min() < -32000


@pytest.mark.parametrize(("source", "target"), RATES)
def test_silence_stays_silence(source: int, target: int) -> None:
    assert not resampled(bytes(2 * 1000), source, target).any()


@pytest.mark.parametrize(("source", "target"), RATES)
def test_after_a_flush_it_is_as_new(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    resampler.feed(noise(777))
    resampler.flush()
    again = resampler.feed(noise(500, seed=1)) + resampler.flush()
    assert again == resampled(noise(500, seed=1), source, target).tobytes()


def test_a_chunk_of_nothing_is_nothing() -> None:
    assert Resampler(16000, 8000).feed(b"") == b""


@pytest.mark.parametrize("rates", [(0, 8000), (16000, -1)])
def test_a_rate_that_is_none_is_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Resampler(*rates)
