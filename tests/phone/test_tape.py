"""The tape of a call: both sides as the caller's phone would play them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.phone.simple_agent import RATE, sound

from avr_sts_speechmatics.phone.tape import Tape, audible_span, end_of_speech, seconds


def test_late_frames_within_a_jitter_buffer_leave_no_hole() -> None:
    tape = Tape()
    for number in range(10):
        late = 0.03 if number % 2 else 0.0
        tape.heard(sound(20), at=1.0 + 0.02 * number + late)
    assert len(tape.utterances) == 1
    assert tape.utterances[0].end == pytest.approx(1.2, abs=0.001)


def test_a_recording_with_traffic_in_it_ends_with_its_speech() -> None:
    traffic = np.random.default_rng(1).normal(0, 200, 2 * RATE)
    traffic[RATE // 2 : RATE] += 6000 * np.sin(np.arange(RATE // 2))
    assert end_of_speech(traffic.astype("<i2").tobytes()) == pytest.approx(1.0, abs=0.01)


def test_a_recording_without_a_pause_is_speech_to_its_end() -> None:
    assert end_of_speech(sound(500)) == pytest.approx(0.5, abs=0.01)


PCM = st.binary(max_size=2000).map(lambda pcm: pcm[: len(pcm) & ~1])


def test_audio_that_arrives_at_once_is_played_one_after_the_other() -> None:
    tape = Tape()
    for _ in range(3):
        tape.heard(sound(200), at=0.02)
    assert seconds(tape.agent) == pytest.approx(0.6)
    (spoken,) = tape.utterances
    assert spoken.start == pytest.approx(0, abs=0.001)
    assert spoken.end == pytest.approx(0.6, abs=0.001)
    assert tape.quiet_since() == spoken.end


def test_a_late_frame_leaves_a_hole_and_a_long_gap_begins_an_utterance() -> None:
    tape = Tape()
    tape.heard(sound(100), at=0.0)
    tape.heard(sound(100), at=0.3)
    tape.heard(sound(100), at=1.0)
    assert [round(spoken.start, 1) for spoken in tape.utterances] == [0.0, 1.0]
    assert [round(spoken.end, 1) for spoken in tape.utterances] == [0.4, 1.1]
    hole = tape.agent[2 * RATE // 10 : 6 * RATE // 10]
    assert hole == bytes(len(hole))
    second = tape.first_after(0.5)
    assert second is tape.utterances[1]
    assert tape.first_after(1.05) is None


def test_an_interruption_drops_what_was_not_played_yet() -> None:
    tape = Tape()
    tape.heard(sound(1000), at=0.0)
    tape.heard(bytes(2 * RATE), at=1.0)
    tape.heard(sound(1000), at=2.0)
    tape.drop_queued(0.25)
    assert seconds(tape.agent) == pytest.approx(0.25)
    (spoken,) = tape.utterances
    assert spoken.end == 0.25


@given(st.lists(st.tuples(PCM, st.floats(0, 2))), st.floats(0, 3))
def test_whatever_arrives_utterances_are_in_order_and_on_the_tape(
    arrivals: list[tuple[bytes, float]], cut: float
) -> None:
    tape = Tape()
    for pcm, at in sorted(arrivals, key=lambda arrival: arrival[1]):
        tape.heard(pcm, at)
    assert len(tape.agent) >= sum(len(pcm) for pcm, _ in arrivals)
    tape.drop_queued(cut)
    assert seconds(tape.agent) <= cut + 0.001
    assert all(spoken.start <= spoken.end <= cut for spoken in tape.utterances)
    for before, after in pairwise(tape.utterances):
        assert before.end < after.start


@given(PCM)
def test_silence_has_no_audible_part_and_sound_is_within_the_recording(pcm: bytes) -> None:
    assert audible_span(bytes(len(pcm))) is None
    span = audible_span(pcm)
    if span is not None:
        assert 0 <= span[0] < span[1] <= seconds(pcm)
    assert 0 <= end_of_speech(pcm) <= seconds(pcm)


def test_the_loudest_negative_sample_is_heard() -> None:
    assert audible_span(b"\0\0" + b"\x00\x80") == (1 / RATE, 2 / RATE)
