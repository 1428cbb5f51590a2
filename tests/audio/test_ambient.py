"""A room under the voice: never a click, never a wrap-round, its own place in each call."""

import random
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avr_sts_speechmatics.audio.ambient import SEAM_S, Ambience, quiet
from avr_sts_speechmatics.audio.pcm import FRAME_BYTES

RATE = 8000
SEAM = round(SEAM_S * RATE)


def pcm_of(samples: NDArray[np.float64]) -> bytes:
    return np.rint(samples).astype("<i2").tobytes()


def noise(seconds: float, level: float = 1000) -> bytes:
    generator = np.random.default_rng(3)
    return pcm_of(level * generator.standard_normal(round(RATE * seconds)))


def heard(ambience: Ambience, seconds: float) -> NDArray[np.int32]:
    background = ambience.background()
    frames = b"".join(background(None) for _ in range(round(seconds * 50)))
    return np.frombuffer(frames, "<i2").astype(np.int32)


def test_the_loop_goes_round_without_a_click() -> None:
    # A slope: its end and its beginning are as far apart as can be.
    slope = pcm_of(np.linspace(-8000, 8000, 2 * RATE))
    steps = np.abs(np.diff(heard(Ambience(slope, 1.0), 6)))
    assert steps.max() < 100


def test_the_seam_is_as_loud_as_the_rest() -> None:
    rounds = heard(Ambience(noise(2), 1.0), 10).astype(np.float64)
    pieces = rounds[: len(rounds) // SEAM * SEAM].reshape(-1, SEAM)
    levels = np.sqrt(np.square(pieces).mean(axis=1))
    assert levels.min() > 850
    assert levels.max() < 1150


def test_each_round_is_the_same_and_loses_no_sample() -> None:
    # No multiple of a frame: the loop's end lies within one.
    sound = heard(Ambience(noise(1.2345), 1.0), 5)
    round_trip = round(1.2345 * RATE) - SEAM
    assert np.array_equal(sound[:round_trip], sound[round_trip : 2 * round_trip])


def test_calls_do_not_hear_the_same_at_the_same_time() -> None:
    ambience = Ambience(noise(5), 1.0)
    assert len({ambience.background()(None) for _ in range(10)}) > 5


def test_the_room_goes_on_under_the_speech() -> None:
    ambience = Ambience(noise(2), 1.0)
    random.seed(5)
    alone = ambience.background()
    random.seed(5)
    under = ambience.background()
    for number in range(200):
        speech = np.full(160, number, "<i2")
        mixed = np.frombuffer(under(speech.tobytes()), "<i2")
        assert np.array_equal(mixed, np.frombuffer(alone(None), "<i2") + speech)


@given(speech=st.integers(-32768, 32767), room=st.integers(-32768, 32767))
def test_what_is_too_loud_is_limited_not_turned_round(speech: int, room: int) -> None:
    # Faded into itself the constant is louder at the seam, so only signs and bounds are compared.
    ambience = Ambience(np.full(RATE, room, "<i2").tobytes(), 1.0)
    frame = ambience.background()(np.full(160, speech, "<i2").tobytes())
    mixed = np.frombuffer(frame, "<i2").astype(np.int32)
    exact = min(32767, max(-32768, speech + room))
    if room >= 0:
        assert mixed.min() >= exact
    else:
        assert mixed.max() <= exact


def test_level_says_how_loud_the_room_is() -> None:
    full, tenth = (heard(Ambience(noise(2), level), 2).std() for level in (1.0, 0.1))
    assert tenth == pytest.approx(full / 10, rel=0.02)


def test_without_a_room_speech_is_as_it_was_and_pauses_are_silent() -> None:
    speech = noise(0.02)
    assert quiet(speech) is speech
    assert quiet(None) == bytes(FRAME_BYTES)


def write_wav(path: Path, samples: bytes, *, rate: int, channels: int, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return path


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2), (44100, 1), (48000, 2)])
def test_wav_files_of_any_usual_rate_are_heard_right(
    tmp_path: Path, rate: int, channels: int
) -> None:
    at = np.arange(2 * rate) / rate
    tone = pcm_of(np.repeat(4000 * np.sin(2 * np.pi * 500 * at), channels))
    path = write_wav(tmp_path / "room.wav", tone, rate=rate, channels=channels)
    spectrum = np.abs(np.fft.rfft(heard(Ambience.load(path, 1.0), 1)))
    assert spectrum.argmax() == 500


def test_files_without_a_header_are_8_khz_samples(tmp_path: Path) -> None:
    path = tmp_path / "office.raw"
    path.write_bytes(noise(2))
    assert np.array_equal(
        np.sort(heard(Ambience.load(path, 1.0), 1.9)), np.sort(heard(Ambience(noise(2), 1.0), 1.9))
    )


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("missing.wav", None, "check the file name"),
        ("odd.raw", bytes(16001), "whole 16-bit samples"),
        ("short.raw", bytes(8000), "0.50 s are too short"),
        ("empty.raw", b"", "too short"),
        ("named.raw", b"RIFF", "call it .wav"),
        ("broken.wav", b"RIFF....", "not a 16-bit PCM WAV"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=complaint) as refused:
        Ambience.load(path, 0.5)
    assert name in str(refused.value)


def test_eight_bit_wav_is_refused_with_the_command_that_converts_it(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "old.wav", bytes(16000), rate=8000, channels=1, width=1)
    with pytest.raises(ValueError, match="ffmpeg"):
        Ambience.load(path, 0.5)
