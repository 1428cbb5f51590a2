"""Sound files: what goes in comes out, at the telephone's rate, or a sentence says why not."""

import wave
from pathlib import Path

import numpy as np
import pytest
from tests.audio.test_riff import fmt, wav

from avr_sts_speechmatics.audio.riff import EXTENSIBLE, PCM
from avr_sts_speechmatics.audio.wav import (
    AudioFileError,
    read_speech,
    resample,
    write_stereo,
)


def write(path: Path, samples: np.ndarray, rate: int, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def tone(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return 8000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def decibels(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) / (8000 / np.sqrt(2)) + 1e-12))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_a_tone_keeps_its_pitch_level_and_place_at_every_rate(tmp_path: Path, rate: int) -> None:
    path = write(tmp_path / "tone.wav", tone(1000, rate).astype("<i2"), rate)
    heard = np.frombuffer(read_speech(path), dtype="<i2").astype(float)
    assert len(heard) == 4000
    # Without the ends, where the filter reaches into the silence around the recording.
    error = (heard - tone(1000, 8000))[300:-300]
    assert np.abs(error).max() < 20


@pytest.mark.parametrize("hertz", [4100, 5000, 7900])
def test_what_a_telephone_cannot_carry_does_not_come_back_as_another_sound(hertz: int) -> None:
    assert decibels(resample(tone(hertz, 16000), 16000, 8000)[300:-300]) < -60


@pytest.mark.parametrize("hertz", [300, 3400])
def test_the_telephone_band_passes_untouched(hertz: int) -> None:
    assert abs(decibels(resample(tone(hertz, 48000), 48000, 8000)[300:-300])) < 0.05


def test_a_long_recording_is_resampled_without_seams() -> None:
    whole = resample(tone(440, 44100, seconds=3), 44100, 8000)
    assert np.abs(whole - tone(440, 8000, seconds=3))[300:-300].max() < 2


def test_both_channels_of_a_stereo_file_are_heard(tmp_path: Path) -> None:
    pair = np.array([[1000, 3000], [-200, 0]], dtype="<i2")
    path = write(tmp_path / "pair.wav", pair, 8000, channels=2)
    assert np.frombuffer(read_speech(path), dtype="<i2").tolist() == [2000, -100]


def test_headerless_samples_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "line.raw").write_bytes(b"\x01\x02\x03\x04")
    assert read_speech(tmp_path / "line.raw") == b"\x01\x02\x03\x04"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        (
            "line.wav",
            b"ID3 this is music",
            "not a 16-bit PCM WAV file: .*; convert it with: ffmpeg",
        ),
        ("line.wav", b"", "not a 16-bit PCM WAV file"),
        ("line.raw", b"odd", "odd number of bytes"),
        ("line.raw", b"", "holds no sound"),
    ],
)
def test_an_unusable_file_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioFileError, match=complaint) as refusal:
        read_speech(tmp_path / name)
    assert "\n" not in str(refusal.value)


def test_eight_bit_samples_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write(tmp_path / "old.wav", np.zeros(80, dtype=np.uint8), 8000, width=1)
    with pytest.raises(AudioFileError, match=r"8-bit samples at 8000 Hz.*ffmpeg"):
        read_speech(path)


def test_an_extensible_file_is_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "line.wav").write_bytes(wav(fmt(code=EXTENSIBLE, subformat=PCM), b"\x01\x02"))
    assert read_speech(tmp_path / "line.wav") == b"\x01\x02"


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        (fmt(bits=24), r"1 channel\(s\) of 24-bit samples at 8000 Hz"),
        (fmt(code=EXTENSIBLE, subformat=PCM, bits=24), r"24-bit samples at 8000 Hz"),
        (fmt(code=3, bits=32), r"floating point, 1 channel\(s\) of 32-bit"),
        (fmt(code=EXTENSIBLE, subformat=3, bits=32), r"floating point, 1 channel\(s\) of 32-bit"),
        (fmt(code=6, bits=8), r"A-law, 1 channel\(s\) of 8-bit"),
        (fmt(code=EXTENSIBLE), r"format 0xfffe"),
        (fmt(channels=6), r"6 channel\(s\) of 16-bit"),
        (fmt(rate=0), r"at 0 Hz"),
    ],
)
def test_another_format_is_named_with_the_remedy(
    tmp_path: Path, form: bytes, complaint: str
) -> None:
    (tmp_path / "line.wav").write_bytes(wav(form, bytes(48)))
    with pytest.raises(AudioFileError, match=f"{complaint}.*ffmpeg"):
        read_speech(tmp_path / "line.wav")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"nowhere\.wav: No such file"):
        read_speech(tmp_path / "nowhere.wav")


def test_a_recording_of_two_voices_keeps_them_apart_and_in_time(tmp_path: Path) -> None:
    write_stereo(tmp_path / "both.wav", b"\x01\x00\x02\x00", b"\x00\x00\x07\x00\x08\x00")
    with wave.open(str(tmp_path / "both.wav"), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        pairs = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert pairs.tolist() == [[1, 0], [2, 7], [0, 8]]


def test_a_recording_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"both\.wav: cannot be written: No such file"):
        write_stereo(tmp_path / "missing" / "both.wav", b"", b"")
