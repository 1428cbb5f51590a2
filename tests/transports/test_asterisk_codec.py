"""A channel's codec: what was said comes back, and what cannot be spoken is refused."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.audio import g711
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.transports.asterisk_codec import SLIN_RATES, ChannelCodec

FRAMES = 50


def tone(rate: int, hertz: float = 440, level: int = 8000) -> bytes:
    """A second of it."""
    step = 2 * math.pi * hertz / rate
    return struct.pack(f"<{rate}h", *(round(level * math.sin(step * n)) for n in range(rate)))


def loudness(pcm: bytes) -> float:
    samples = memoryview(pcm).cast("h")
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


@pytest.mark.parametrize("name", [*SLIN_RATES, "ulaw", "alaw"])
def test_speech_in_whole_frames_comes_back_as_it_was(name: str) -> None:
    codec = ChannelCodec(name)
    said = tone(8000)
    sent = b""
    for at in range(0, len(said), 3200):
        piece = codec.encode(said[at : at + 3200])
        assert len(piece) == 10 * codec.frame_bytes
        sent += piece
    back = codec.decode(sent)
    assert len(back) == len(said)
    assert loudness(back[1600:]) == pytest.approx(loudness(said), rel=0.01)


@pytest.mark.parametrize("name", SLIN_RATES)
def test_the_rate_is_that_of_the_name(name: str) -> None:
    codec = ChannelCodec(name)
    rate = SLIN_RATES[name]
    assert codec.frame_bytes == rate // 50 * 2
    heard = codec.decode(tone(rate))
    crossings = sum(
        a < 0 <= b for a, b in zip(*(memoryview(heard).cast("h")[n:] for n in (0, 1)), strict=False)
    )
    assert crossings == pytest.approx(440, abs=8)  # a filter rings before it begins


@pytest.mark.parametrize("name", ["opus", "g722", "slin11", "SLIN", ""])
def test_an_unsupported_codec_is_rejected_with_the_option_to_set(name: str) -> None:
    with pytest.raises(CallerError, match=r"c\(slin\)"):
        ChannelCodec(name)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
@given(samples=st.lists(st.integers(-32768, 32767), min_size=1))
def test_each_sample_is_coded_as_the_nearest_value_of_its_law(
    law: g711.Law, samples: list[int]
) -> None:
    values = memoryview(g711.decode(bytes(range(256)), law)).cast("h").tolist()
    codec = ChannelCodec(law)
    coded = codec.encode(struct.pack(f"<{len(samples)}h", *samples))
    for sample, got in zip(samples, memoryview(codec.decode(coded)).cast("h"), strict=True):
        assert abs(got - sample) == min(abs(value - sample) for value in values)


@pytest.mark.parametrize("name", ["slin", "slin16", "slin44", "ulaw"])
def test_speech_after_an_end_contains_nothing_of_the_speech_before(name: str) -> None:
    codec = ChannelCodec(name)
    codec.encode(tone(8000)[: 320 * 10])
    assert len(codec.end()) % codec.frame_bytes == 0
    silence = codec.encode(bytes(320))
    assert silence == ChannelCodec(name).encode(bytes(320))
    assert codec.end() == b""
