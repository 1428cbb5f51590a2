"""The tape of a call: both sides as the caller's phone would play them."""

import numpy as np
import pytest
from tests.phone.simple_agent import RATE, sound

from avr_sts_speechmatics.phone.tape import Tape, end_of_speech


def test_late_frames_within_a_jitter_buffer_leave_no_gap() -> None:
    tape = Tape()
    for number in range(10):
        late = 0.03 if number % 2 else 0.0
        tape.heard(sound(20), at=1.0 + 0.02 * number + late)
    assert len(tape.utterances) == 1
    assert tape.utterances[0].end == pytest.approx(1.2, abs=0.001)


def test_a_recording_with_background_noise_ends_with_its_speech() -> None:
    traffic = np.random.default_rng(1).normal(0, 200, 2 * RATE)
    traffic[RATE // 2 : RATE] += 6000 * np.sin(np.arange(RATE // 2))
    assert end_of_speech(traffic.astype("<i2").tobytes()) == pytest.approx(1.0, abs=0.01)


def test_a_recording_without_a_pause_is_speech_to_its_end() -> None:
    assert end_of_speech(sound(500)) == pytest.approx(0.5, abs=0.01)
