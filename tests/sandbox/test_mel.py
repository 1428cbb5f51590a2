"""Log-mel features for Whisper."""

import numpy as np

from avr_sts_speechmatics.sandbox.mel import BANDS, RATE, log_mel


def test_a_second_has_a_hundred_frames() -> None:
    assert log_mel(np.zeros(RATE, np.float32)).shape == (BANDS, 100)


def test_a_tone_appears_in_its_band() -> None:
    seconds = np.arange(RATE, dtype=np.float32) / RATE
    for hertz, band in ((500, 12), (1000, 26), (4000, 62)):
        features = log_mel(np.sin(2 * np.pi * hertz * seconds).astype(np.float32))
        assert abs(int(features[:, 50].argmax()) - band) <= 1


def test_silence_has_constant_features() -> None:
    features = log_mel(np.zeros(RATE, np.float32))
    assert np.ptp(features) == 0
