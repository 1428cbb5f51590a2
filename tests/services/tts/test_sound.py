"""Samples of an answer: the same wherever the body is cut, and never anything but speech."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.tts.sounds import HUM_HZ, HUM_S, hum, pitch, wav

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.sound import Sound, refuse_type

RATE = 24000


def heard(body: bytes, cuts: list[int] | None = None, content_type: str = "audio/pcm") -> bytes:
    """The samples of a body that comes in pieces; each piece must be whole samples."""
    sound = Sound(content_type, RATE, "set something else")
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts or []), len(body)]
    pieces = [sound.feed(body[a:b]) for a, b in pairwise(edges) if a < b]
    pieces.append(sound.flush())
    assert not any(len(piece) % 2 for piece in pieces)
    return b"".join(pieces)


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
SAMPLES = st.binary(max_size=80).map(lambda end: b"\x01\x00" * 8 + end)


@given(SAMPLES, CUTS)
def test_raw_samples_come_through_unchanged_wherever_the_body_is_cut(
    body: bytes, cuts: list[int]
) -> None:
    assert heard(body, cuts) == body[: len(body) & ~1]


@given(SAMPLES.map(lambda pcm: pcm[: len(pcm) & ~1]), CUTS, st.booleans(), st.booleans())
def test_a_file_gives_its_samples_and_nothing_of_its_header(
    pcm: bytes, cuts: list[int], endless: bool, info: bool
) -> None:
    size = 0xFFFFFFFF if endless else None
    assert heard(wav(pcm, RATE, size=size, info=info), cuts) == pcm


@given(CUTS)
def test_what_follows_the_samples_of_a_file_is_not_heard(cuts: list[int]) -> None:
    pcm = hum(RATE, 0.01)
    assert heard(wav(pcm, RATE) + b"LIST\x06\x00\x00\x00loud!!", cuts) == pcm


@given(CUTS)
def test_files_one_after_another_are_one_sentence(cuts: list[int]) -> None:
    one, other = hum(RATE, 0.01), hum(RATE, 0.02)
    assert heard(wav(one, RATE) + wav(other, RATE), cuts) == one + other


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000, 44100, 48000])
def test_a_file_is_heard_at_its_own_pitch_and_speed(rate: int) -> None:
    pcm = heard(wav(hum(rate), rate), [7, 45, 1001])
    assert abs(len(pcm) / 2 / RATE - HUM_S) < 0.01
    assert pitch(pcm, RATE) == pytest.approx(HUM_HZ, abs=3)


def test_a_rate_in_the_type_is_the_rate_of_raw_samples() -> None:
    for content_type in ("audio/pcm;rate=16000", 'audio/L16; channels=1; rate="16000"'):
        pcm = heard(hum(16000), content_type=content_type)
        assert pitch(pcm, RATE) == pytest.approx(HUM_HZ, abs=3)


def test_two_channels_become_one() -> None:
    mono = hum(RATE, 0.01)
    both = b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2))
    assert heard(wav(both, RATE, channels=2), [45, 46, 47]) == mono


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (wav(bytes(60), RATE, bits=24), "24-bit PCM"),
        (wav(bytes(60), RATE, bits=32, code=3), "32-bit floating point"),
        (wav(bytes(60), RATE, bits=8, code=7), "mu-law"),
        (wav(bytes(60), RATE, channels=6), "6 channel"),
        (wav(bytes(60), 100), "100 Hz"),
        (b"RIFX" + bytes(60), "RIFX"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + bytes(60), "without a format"),
        (b"ID3\x04" + bytes(60), "MP3"),
        (b"OggS" + bytes(60), "Ogg"),
        (b"fLaC" + bytes(60), "FLAC"),
    ],
)
@given(cuts=CUTS)
def test_what_is_no_pcm_is_refused_with_a_remedy(body: bytes, named: str, cuts: list[int]) -> None:
    with pytest.raises(ServiceError, match=f"{named}.*; set something else") as failed:
        heard(body, cuts)
    assert not failed.value.retryable


@pytest.mark.parametrize("mark", [b"\xff\xfb\x90\x64", b"\xff\xf3\x64\xc4", b"\xff\xf1\x50\x80"])
def test_mp3_and_aac_without_a_name_are_known_by_their_mark(mark: bytes) -> None:
    with pytest.raises(ServiceError, match="compressed audio"):
        heard(mark + bytes(60), [1, 2, 3], "application/octet-stream")
    assert heard(mark + bytes(60), [1, 2, 3]) == mark + bytes(60)  # a server says that it is PCM


@given(CUTS)
def test_near_silence_is_no_mark(cuts: list[int]) -> None:
    quiet = b"\xff\xff\x00\x00\xfe\xff\x01\x00" * 4
    assert heard(quiet, cuts, "application/octet-stream") == quiet


@given(cuts=CUTS)
def test_words_are_not_heard(cuts: list[int]) -> None:
    with pytest.raises(ServiceError, match="text came back") as failed:
        heard(b'{"detail": "loading the model"}', cuts)
    assert failed.value.retryable


@pytest.mark.parametrize("body", [b"", b"\x00", wav(b"", RATE), wav(b"", 16000)])
def test_an_answer_without_samples_is_empty(body: bytes) -> None:
    assert heard(body) == b""


def test_types_that_hold_no_samples_are_known_before_the_body() -> None:
    for good in ("", "audio/pcm", "audio/wav", "audio/x-wav", "application/octet-stream"):
        refuse_type(good, "x")
    for bad in ("audio/mpeg", "audio/ogg; codecs=opus", "audio/x-flac", "audio/aac", "video/mp4"):
        with pytest.raises(ServiceError, match="compressed audio"):
            refuse_type(bad, "x")
    for words in ("text/html", "application/problem+json", "text/event-stream"):
        with pytest.raises(ServiceError, match="instead of audio"):
            refuse_type(words, "x")


@pytest.mark.parametrize("level", [0x2121, 0x4141, 0x2034, 0x7A30])
def test_a_steady_loud_level_is_no_text(level: int) -> None:
    pcm = level.to_bytes(2, "little") * 400
    sound = Sound("application/octet-stream", 16000, "")
    assert sound.feed(pcm) + sound.flush() == pcm
