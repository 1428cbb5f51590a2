"""The agent's synthetic voice: recognised after resampling, with every cut detected."""

import numpy as np
import pytest
from bench.codewords import Turn, answer
from bench.voiceprint import Samples, compare, pcm, sound
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = answer(Turn(17, 3))


def as_heard(texts: list[str], taps: int = 64, gain: float = 1.0) -> list[bytes]:
    """The sentences after a service's processing: low-pass, 16 to 8 kHz, whole frames."""
    at = np.arange(taps) - (taps - 1) / 2
    low_pass = 0.47 * np.sinc(0.47 * at) * np.kaiser(taps, 8)
    sentences = []
    for text in texts:
        spoken = np.frombuffer(pcm(text, 16000), dtype="<i2").astype(float)
        line = gain * np.convolve(spoken, low_pass)[::2]
        frames = np.concatenate((line, np.zeros(-line.size % 160)))
        sentences.append(frames.clip(-32768, 32767).astype("<i2").tobytes())
    return sentences


def faults(heard: bytes, *, interrupted: bool = False) -> list[str]:
    return compare(heard, TEXTS, interrupted=interrupted)


@pytest.mark.parametrize("taps", [31, 64, 101])
@pytest.mark.parametrize("gain", [0.3, 1.5])
def test_an_answer_is_recognised_after_any_filter_and_gain(taps: int, gain: float) -> None:
    assert faults(b"".join(as_heard(TEXTS, taps, gain))) == []


@given(st.integers(0, 675), st.integers(0, 675))
@settings(max_examples=25, deadline=None)
def test_the_answer_of_every_turn_is_recognised(call: int, turn: int) -> None:
    texts = answer(Turn(call, turn))
    assert compare(b"".join(as_heard(texts)), texts, interrupted=False) == []


def test_a_pause_between_sentences_is_not_a_fault() -> None:
    assert faults(bytes(2 * 1600).join(as_heard(TEXTS))) == []


WHOLE = b"".join(as_heard(TEXTS))
FRAMES = len(WHOLE) // 320
# At both ends of a sentence the filter changes the sound, and silence fills the last frame: a cut
# there may remove nothing.
EDGES = {
    edge + near
    for edge in np.cumsum([0, *(len(sentence) // 320 for sentence in as_heard(TEXTS))])
    for near in (-2, -1, 0)
}
inner_frames = st.sampled_from(sorted(set(range(FRAMES)) - EDGES))


@given(inner_frames)
@settings(max_examples=40, deadline=None)
def test_a_missing_frame_is_detected_anywhere(frame: int) -> None:
    assert faults(WHOLE[: 320 * frame] + WHOLE[320 * (frame + 1) :])


@given(inner_frames)
@settings(max_examples=40, deadline=None)
def test_a_repeated_frame_is_detected_anywhere(frame: int) -> None:
    assert faults(WHOLE[: 320 * (frame + 1)] + WHOLE[320 * frame :])


@given(inner_frames, st.integers(1, 159))
@settings(max_examples=40, deadline=None)
def test_a_slip_of_single_samples_is_detected(frame: int, slip: int) -> None:
    at = 320 * frame
    assert faults(WHOLE[:at] + WHOLE[at + 2 * slip :])


@given(inner_frames)
@settings(max_examples=40, deadline=None)
def test_a_frame_of_another_answer_is_detected(frame: int) -> None:
    other = b"".join(as_heard(answer(Turn(18, 3))))
    at = 320 * frame
    assert faults(WHOLE[:at] + other[at : at + 320] + WHOLE[at + 320 :])


def test_a_missing_last_frame_of_a_sentence_is_detected() -> None:
    first, second, third = as_heard(TEXTS)
    assert faults(first[:-320] + second + third)


def test_sentences_in_the_wrong_order_are_detected() -> None:
    first, second, third = as_heard(TEXTS)
    assert faults(first + third + second)[0].startswith("sentence 2: not heard at")


def test_a_truncated_answer_is_detected_unless_interrupted() -> None:
    cut = WHOLE[: 320 * (FRAMES // 2)]
    assert faults(cut)[0].startswith("sentence 2: its last")
    assert faults(cut, interrupted=True) == []


@given(st.integers(0, FRAMES))
@settings(max_examples=40, deadline=None)
def test_an_interruption_is_not_a_fault_anywhere(frame: int) -> None:
    assert faults(WHOLE[: 320 * frame], interrupted=True) == []


def test_an_interrupted_answer_must_be_correct_up_to_its_end() -> None:
    cut = WHOLE[: 320 * (FRAMES // 2)]
    assert faults(cut[:3200] + cut[3520:], interrupted=True)


def test_sound_after_the_end_is_detected() -> None:
    assert any("too long" in fault for fault in faults(WHOLE + WHOLE[:6400]))


def test_the_tones_stay_within_the_telephone_band() -> None:
    spectrum: Samples = np.abs(np.fft.rfft(sound(TEXTS[0], 16000)))
    above = spectrum[np.fft.rfftfreq(2 * (spectrum.size - 1), 1 / 16000) > 3200]
    assert (above**2).sum() < 1e-3 * (spectrum**2).sum()
