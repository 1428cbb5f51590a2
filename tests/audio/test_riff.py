"""The WAV container, as tidy and untidy programs write it."""

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.audio.riff import EXTENSIBLE, PCM, NotWav, Wav, parse

SOUND = b"\x01\x00\x02\x00\x03\x00"


def chunk(name: bytes, content: bytes, size: int | None = None, *, padded: bool = True) -> bytes:
    size = len(content) if size is None else size
    pad = b"\0" if len(content) % 2 and padded else b""
    return name + size.to_bytes(4, "little") + content + pad


def fmt(
    *,
    code: int = PCM,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    subformat: int | None = None,
) -> bytes:
    block = channels * bits // 8
    numbers = ((code, 2), (channels, 2), (rate, 4), (rate * block, 4), (block, 2), (bits, 2))
    content = b"".join(number.to_bytes(size, "little") for number, size in numbers)
    if subformat is not None:
        end = bytes.fromhex("000000001000800000aa00389b71")
        content += (22).to_bytes(2, "little") + bits.to_bytes(2, "little") + bytes(4)
        content += subformat.to_bytes(2, "little") + end
    return chunk(b"fmt ", content)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    size = len(content) if size is None else size
    return b"RIFF" + size.to_bytes(4, "little") + content


def wav(form: bytes, samples: bytes) -> bytes:
    return riff(form, chunk(b"data", samples))


def test_a_file_of_the_standard_library_is_read() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(bytes(8))
    assert parse(file.getvalue()) == Wav(PCM, 2, 16000, 16, bytes(8))


def test_an_extensible_format_is_its_subformat() -> None:
    found = parse(wav(fmt(code=EXTENSIBLE, subformat=PCM), SOUND))
    assert found == Wav(PCM, 1, 8000, 16, SOUND)


LIST = chunk(b"LIST", b"INFOISFT" + (5).to_bytes(4, "little") + b"Lavf\0", padded=True)


@pytest.mark.parametrize(
    "data",
    [
        riff(fmt(), LIST, chunk(b"data", SOUND)),
        riff(LIST, fmt(), chunk(b"data", SOUND), LIST),
        riff(fmt(), chunk(b"odd ", b"abc"), chunk(b"data", SOUND)),
        riff(fmt(), chunk(b"odd ", b"abc", padded=False), chunk(b"data", SOUND)),
        riff(fmt(), chunk(b"fact", bytes(4)), chunk(b"JUNK", bytes(28)), chunk(b"data", SOUND)),
        riff(fmt(), chunk(b"data", SOUND, size=0xFFFFFFFF), size=0xFFFFFFFF),
        riff(fmt(), chunk(b"data", SOUND, size=0), size=0),
        riff(fmt(), chunk(b"data", SOUND, size=1 << 30)),
        riff(fmt(), chunk(b"data", SOUND), size=4),
    ],
)
def test_other_chunks_and_odd_sizes_do_not_hide_the_sound(data: bytes) -> None:
    assert parse(data) == Wav(PCM, 1, 8000, 16, SOUND)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "begin"),
        (b"RIFX" + riff(fmt())[4:], "begin"),
        (riff(), "name its format"),
        (riff(chunk(b"data", SOUND)), "name its format"),
        (riff(fmt()), "no sound"),
        (riff(chunk(b"fmt ", bytes(8)), chunk(b"data", SOUND)), "format is cut"),
    ],
)
def test_what_is_no_wav_file_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(NotWav, match=why):
        parse(data)


@given(st.binary(max_size=200), st.integers(0, 100))
def test_any_bytes_are_a_file_or_are_refused(noise: bytes, at: int) -> None:
    good = riff(LIST, fmt(code=EXTENSIBLE, subformat=PCM), chunk(b"data", SOUND))
    for data in (noise, good[:at], good[:at] + noise, b"RIFF0000WAVE" + noise):
        try:
            parse(data)
        except NotWav as error:
            assert str(error)  # noqa: PT017
