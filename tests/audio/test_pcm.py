"""The arithmetic of telephone audio, and whole samples out of any cuts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.audio.pcm import (
    BYTES_PER_SECOND,
    FRAME_BYTES,
    FRAME_MS,
    RATE,
    SAMPLE_BYTES,
    SampleAligner,
    seconds,
    silence,
)


def test_a_frame_is_20_ms_of_8_khz_and_two_bytes_a_sample() -> None:
    assert FRAME_BYTES == 320
    assert seconds(FRAME_BYTES) == pytest.approx(FRAME_MS / 1000)
    assert seconds(BYTES_PER_SECOND) == 1


@given(st.integers(0, 10**6), st.sampled_from([8000, 16000, 22050, 24000, 48000]))
def test_silence_lasts_as_long_as_it_should_to_the_sample(samples: int, rate: int) -> None:
    quiet = silence(samples / rate, rate)
    assert len(quiet) == samples * SAMPLE_BYTES
    assert seconds(len(quiet), rate) == pytest.approx(samples / rate)


@given(st.floats(0, 5))
def test_silence_is_whole_samples_of_nothing(duration: float) -> None:
    quiet = silence(duration)
    assert len(quiet) % SAMPLE_BYTES == 0
    assert not any(quiet)
    assert abs(seconds(len(quiet)) - duration) <= 0.5 / RATE + 1e-9


@given(st.lists(st.binary(max_size=9)))
def test_whole_samples_come_out_of_any_cuts(chunks: list[bytes]) -> None:
    aligner = SampleAligner()
    given_so_far = bytearray()
    came = bytearray()
    for chunk in chunks:
        given_so_far += chunk
        piece = aligner.feed(chunk)
        assert len(piece) % SAMPLE_BYTES == 0
        came += piece
        # Nothing but the half of a sample is held back.
        assert given_so_far.startswith(came)
        assert len(given_so_far) - len(came) == len(given_so_far) % SAMPLE_BYTES
