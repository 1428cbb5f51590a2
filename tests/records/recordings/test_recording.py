"""The recording of one call: the tap, its bounds, and both sides in one file."""

import random
from pathlib import Path

import numpy as np
from tests.records.recordings.sounds import click, decoded

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.records.recordings.recording import Recording

KEY = "0" * 32
FRAME = 160
QUIET = bytes(2 * FRAME)


def clicking(at: int, frame: int) -> bytes:
    """A frame of a side that clicks at a sample."""
    samples = np.zeros(FRAME, np.int16)
    if frame * FRAME <= at < (frame + 1) * FRAME:
        samples[at - frame * FRAME] = 30_000
    return samples.tobytes()


def begun(tmp_path: Path, **bounds: int) -> Recording:
    return Recording(KEY, tmp_path / "call.flac", 100.0, **bounds)


def test_both_sides_are_aligned_to_the_sample(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for frame in range(500):
        now = 100 + (frame + 1) * 0.02
        recording.caller(now, clicking(12_345, frame))
        if 200 <= frame < 300:  # the agent speaks for two seconds
            recording.agent(100 + frame * 0.02, clicking(40_001, frame))
        if frame % 25 == 0:
            recording.write(now)
    recording.end()
    recording.ended_at = 110.0
    recording.write(110.0)
    recording.close()
    sound = decoded(tmp_path / "call.flac")
    assert len(sound) == 10 * RATE
    assert click(sound[:, 0]) == 12_345
    assert click(sound[:, 1]) == 40_001


def test_a_call_of_an_hour_with_a_wrong_clock_and_jitter_stays_aligned(tmp_path: Path) -> None:
    rolls, recording = random.Random(1), begun(tmp_path)
    arrived, loud = 0.0, np.full(FRAME, 20_000, np.int16).tobytes()
    for frame in range(180_000):
        spoken = (frame + 1) * 0.02 * (1 + 100e-6)  # the caller's clock is slow by 100 ppm
        arrived = max(arrived, spoken + rolls.random() * 0.03)
        recording.caller(100 + arrived, loud if frame == 179_000 else QUIET)
        if frame == 179_000:
            said = spoken
            recording.agent(100 + said - 0.02, loud)
        if not frame % 50:
            recording.write(100 + arrived)
    recording.end()
    recording.ended_at = 100 + arrived
    recording.write(100 + arrived)
    recording.close()
    sound = decoded(tmp_path / "call.flac")
    assert abs(len(sound) / RATE - 3600.36) < 0.1
    assert abs(click(sound[:, 1]) - (said - 0.02) * RATE) <= 1
    assert abs(click(sound[:, 0]) - click(sound[:, 1])) < 0.045 * RATE
    assert (tmp_path / "call.flac").stat().st_size < 3_000_000  # silence is nearly free


def test_a_call_without_a_frame_has_no_file(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    recording.write(105.0)
    recording.end()
    recording.write(110.0)
    assert not recording.begun
    assert not list(tmp_path.iterdir())


def test_the_first_sound_after_a_long_silence_is_in_its_place(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for second in range(60):
        recording.write(100.0 + second)
    recording.agent(160.0, np.full(FRAME, 20_000, np.int16).tobytes())
    recording.write(162.0)
    recording.end()
    recording.ended_at = 163.0
    recording.write(163.0)
    recording.close()
    sound = decoded(tmp_path / "call.flac")
    assert click(sound[:, 1]) == 60 * RATE
    assert len(sound) == 63 * RATE


def test_what_the_thread_is_too_slow_for_is_silence_and_counted(tmp_path: Path) -> None:
    recording = begun(tmp_path, queued_bytes=RATE * 2)  # a second
    loud = np.full(FRAME, 20_000, np.int16).tobytes()
    for frame in range(500):  # nobody writes for ten seconds
        recording.caller(100 + (frame + 1) * 0.02, loud)
        recording.agent(100 + frame * 0.02, loud)
    recording.write(110.0)
    for frame in range(500, 600):
        recording.caller(100 + (frame + 1) * 0.02, loud)
        recording.agent(100 + frame * 0.02, loud)
        if frame % 25 == 0:
            recording.write(100 + frame * 0.02)
    recording.end()
    recording.ended_at = 112.0
    recording.write(112.0)
    recording.close()
    assert 17.5 < recording.lost_s < 18.1
    sound = np.abs(decoded(tmp_path / "call.flac").astype(np.int32)) > 15_000
    for side in (0, 1):
        assert sound[: round(0.9 * RATE), side].all()
        assert not sound[round(1.1 * RATE) : round(9.9 * RATE), side].any()
        assert sound[round(10.1 * RATE) : 12 * RATE, side].all()


def test_a_recording_that_was_given_up_takes_nothing(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    recording.give_up()
    for number in range(10_000):
        recording.caller(100.0 + number, QUIET)
        recording.agent(100.0 + number, QUIET)
        recording.agent_flushed(100.0 + number)
    recording.write(200.0)
    assert not recording.begun
