"""OpenAI's speech request and its audio format, without HTTP."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.sandbox import openai_speech, tts_server

WHOLE: dict[str, Any] = {
    "model": "gpt-4o-mini-tts",
    "voice": "marin",
    "input": "Good morning.",
    "response_format": "pcm",
}


def test_all_fields_of_the_cloud_are_accepted() -> None:
    more = {"instructions": "Calmly.", "speed": 1.2, "stream_format": "audio"}
    asked = openai_speech.parse({**WHOLE, **more, "response_format": "wav"})
    assert (asked.input, asked.voice, asked.response_format) == ("Good morning.", "marin", "wav")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"voice": "sarah"}, "sarah"),
        ({"voice": {"id": "voice_1"}}, "voice"),
        ({"model": ""}, "model"),
        ({"input": " \n"}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"response_format": "mp3"}, "response_format"),
        ({"speed": 5}, "speed"),
        ({"stream_format": "sse"}, "stream_format"),
    ],
)
def test_an_error_names_the_invalid_field(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        openai_speech.parse({**WHOLE, **wrong})


@pytest.mark.parametrize("body", ["text", [], {}])
def test_a_body_that_is_not_a_request_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match=r"object|field"):
        openai_speech.parse(body)


def test_each_voice_of_the_cloud_has_a_voice_in_the_sandbox() -> None:
    assert set(openai_speech.VOICES.values()) == tts_server.VOICES


async def chunks(pcm: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    for begin, end in zip((0, *cuts), (*cuts, len(pcm)), strict=True):
        yield pcm[begin:end]


@given(pcm=st.binary(max_size=200), data=st.data())
async def test_resampling_a_stream_equals_resampling_the_whole_wherever_it_is_cut(
    pcm: bytes, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pcm)), max_size=8)))
    widened = b"".join([p async for p in openai_speech.widen(chunks(pcm, cuts))])
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    at = np.arange(len(samples) * 3 // 2) * (16 / 24)
    whole = np.interp(at, np.arange(len(samples)), samples) if len(samples) else at
    np.testing.assert_allclose(np.frombuffer(widened, "<i2"), whole, atol=0.51)
