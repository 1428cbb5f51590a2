"""G.711: the tables against the standard's own arithmetic, and whose law it is by the sound."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.g711 import encode
from tests.support import CLIPS as CLIP_FILES

from avr_sts_speechmatics.audio.g711 import (
    GUESS_MAX_BYTES,
    Coding,
    Law,
    UnlabelledStream,
    decode,
    guess,
)
from avr_sts_speechmatics.audio.wav import read_speech

ALL: tuple[Coding, ...] = ("ulaw", "alaw", "slin")
CLIPS = sorted(CLIP_FILES.glob("*.wav"))


def louder(pcm: bytes, factor: float) -> bytes:
    samples = np.frombuffer(pcm, "<i2") * factor
    return samples.clip(-32768, 32767).astype("<i2").tobytes()


def tone(frequency: float, level: float, seconds: float = 0.5) -> bytes:
    at = np.arange(round(8000 * seconds)) / 8000
    return (level * np.sin(2 * np.pi * frequency * at)).astype("<i2").tobytes()


def samples_of(pcm: bytes) -> list[int]:
    samples: list[int] = np.frombuffer(pcm, "<i2").tolist()
    return samples


@pytest.mark.parametrize(
    ("law", "codes", "samples"),
    [
        ("ulaw", "00 0F 10 7E 7F FF FE 90 8F 80", [-32124, -16764, -15996, -8, 0, 0, 8, 15996]),
        ("alaw", "2A 00 54 55 D5 D4 80 AA", [-32256, -5504, -24, -8, 8, 24, 5504, 32256]),
    ],
)
def test_codes_stand_for_the_standards_samples(law: Law, codes: str, samples: list[int]) -> None:
    assert samples_of(decode(bytes.fromhex(codes), law))[: len(samples)] == samples


@given(value=st.integers(-32768, 32767))
@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_a_sample_comes_back_within_half_a_step(law: Law, value: int) -> None:
    (back,) = samples_of(decode(encode(value.to_bytes(2, "little", signed=True), law), law))
    step = (abs(value) + 132) / 16
    assert abs(back - value) <= max(8, step / 2 + 1)


@pytest.mark.parametrize("gain", [0.03, 0.3, 1])
@pytest.mark.parametrize("coding", ALL)
@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_speech_is_told_wherever_it_begins_and_however_loud(
    clip: Path, coding: Coding, gain: float
) -> None:
    sound = encode(louder(read_speech(clip), gain), coding)
    for at in range(0, len(sound) - GUESS_MAX_BYTES, GUESS_MAX_BYTES):
        assert guess(sound[at : at + GUESS_MAX_BYTES], ALL)[0] == coding


@pytest.mark.parametrize(
    ("coding", "idle"),
    [
        ("ulaw", b"\xff"),
        ("ulaw", b"\x7f"),
        ("ulaw", b"\xff\x7f"),
        ("ulaw", b"\xff\xff\xfe\x7f\x7e\xff\x7f"),
        ("alaw", b"\xd5"),
        ("alaw", b"\x55"),
        ("alaw", b"\xd5\x55"),
        ("alaw", b"\xd5\xd5\xd4\x55\x54\xd5\x55"),
        ("slin", b"\0"),
        ("slin", b"\x01\0\xff\xff\0\0\x02\0"),
    ],
)
def test_silence_is_told_by_its_codes(coding: Coding, idle: bytes) -> None:
    assert guess((idle * 480)[:480], ALL)[0] == coding


@pytest.mark.parametrize("coding", ALL)
@pytest.mark.parametrize("level", [100, 3000, 20000])
@pytest.mark.parametrize("frequency", [100, 425, 1000])
def test_tones_are_told(coding: Coding, level: int, frequency: int) -> None:
    assert guess(encode(tone(frequency, level), coding)[:GUESS_MAX_BYTES], ALL)[0] == coding


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_what_was_kept_until_the_law_was_told_is_given_whole(law: Law) -> None:
    codes = encode(read_speech(CLIPS[0]), law)
    stream, heard, waits = UnlabelledStream(None), b"", 0
    for at in range(0, len(codes), 160):
        pcm = stream.feed(codes[at : at + 160])
        waits += not pcm
        heard += pcm
    assert stream.coding == law
    assert heard == decode(codes, law)
    assert waits * 160 < GUESS_MAX_BYTES


def test_a_frame_of_linear_samples_is_heard_at_once_whatever_is_in_it() -> None:
    noise = np.random.default_rng(7).integers(-32768, 32767, 160, dtype="<i2").tobytes()
    stream = UnlabelledStream(None)
    assert stream.feed(noise) == noise
    assert stream.feed(noise[:99]) + stream.feed(noise[99:]) == noise


@pytest.mark.parametrize("size", [160, 276, 480])
def test_linear_samples_in_other_packets_are_linear_samples(size: int) -> None:
    pcm = read_speech(CLIPS[0])[:16000]
    stream = UnlabelledStream(None)
    heard = b"".join(stream.feed(pcm[at : at + size]) for at in range(0, len(pcm), size))
    assert heard == pcm


def test_a_sound_that_could_be_either_is_not_waited_for_forever() -> None:
    stream = UnlabelledStream(None)
    noise = np.random.default_rng(7).integers(0, 255, GUESS_MAX_BYTES, dtype=np.uint8).tobytes()
    heard = b"".join(stream.feed(noise[at : at + 160]) for at in range(0, len(noise), 160))
    assert stream.coding is not None
    assert heard


def test_a_law_that_was_set_is_not_argued_with() -> None:
    ulaw = encode(read_speech(CLIPS[0]), "ulaw")[:160]
    assert UnlabelledStream("alaw").feed(ulaw) == decode(ulaw, "alaw")
    assert UnlabelledStream("alaw").feed(bytes(320)) == bytes(320)
