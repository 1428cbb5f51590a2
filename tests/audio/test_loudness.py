"""The end of speech within its audio."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.audio.loudness import VOICED, voiced_bytes

LEVELS = st.lists(st.integers(-32768, 32767), max_size=300)


def pcm(levels: list[int]) -> bytes:
    return np.array(levels, "<i2").tobytes()


@given(LEVELS)
def test_nothing_behind_the_end_of_speech_is_voiced(levels: list[int]) -> None:
    end = voiced_bytes(pcm(levels)) // 2
    assert all(abs(level) < VOICED for level in levels[end:])
    assert end == 0 or abs(levels[end - 1]) >= VOICED


@given(LEVELS, st.integers(0, 100))
def test_silence_behind_speech_does_not_move_its_end(levels: list[int], silent: int) -> None:
    assert voiced_bytes(pcm(levels) + bytes(2 * silent)) == voiced_bytes(pcm(levels))
