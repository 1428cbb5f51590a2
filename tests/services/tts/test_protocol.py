"""What a call may rely on, whichever voice speaks: the same promises, kept by each."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import (
    Fault,
    Malformed,
    RefuseKey,
    Stall,
    Status,
    Truncate,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedTts,
    running_sandbox,
    scripted,
    tone,
)
from avr_sts_speechmatics.services.tts import pcm_over_http
from avr_sts_speechmatics.services.tts.openai import OpenAiTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.speechmatics import SpeechmaticsTts
from avr_sts_speechmatics.values import Secret

TEXT = "We close at five."
ANOTHER = "Another sentence."
KEY = Secret("a-key")
PATIENCE_S = 0.2
RATES = {"tts": 16000, "openai_tts": 24000}
ENDLESS: list[bytes | float | asyncio.Event] = [tone(ANOTHER), asyncio.Event()]


def tone_of(text: str, rate: int) -> bytes:
    """What the sandbox says for a text, at a rate."""
    made = np.frombuffer(tone(text), "<i2")
    at = np.arange(len(made) * rate // 16000) * (16000 / rate)
    pcm: bytes = np.rint(np.interp(at, np.arange(len(made)), made)).astype("<i2").tobytes()
    return pcm


@dataclass
class Cloud:
    """A voice, and the sandbox it speaks by. part: its name there."""

    part: Literal["tts", "openai_tts"]
    sandbox: RunningSandbox
    voice: Tts

    def misbehave(self, *faults: Fault) -> None:
        # Copies: a fault counts down while it hits.
        mine = (msgspec.structs.replace(fault, part=self.part) for fault in faults)
        self.sandbox.faults.add(*mine)

    @property
    def asked(self) -> int:
        return len(self.sandbox.received.speech)

    async def whole(self, text: str = TEXT) -> bytes:
        return b"".join([pcm async for pcm in self.voice.speak(text)])


MAKE: dict[str, Callable[[RunningSandbox], Tts]] = {
    "tts": lambda cloud: SpeechmaticsTts(cloud.tts_url, KEY, "sarah", patience=PATIENCE_S),
    "openai_tts": lambda cloud: OpenAiTts(
        KEY, "gpt-4o-mini-tts", "alloy", cloud.openai_url, patience=PATIENCE_S
    ),
}


@pytest.fixture(params=["tts", "openai_tts"])
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    sounds = ScriptedTts({"Silence.": [], "Without end.": ENDLESS})
    async with running_sandbox(scripted(voice=sounds)) as sandbox:
        voice = MAKE[request.param](sandbox)
        try:
            yield Cloud(request.param, sandbox, voice)
        finally:
            await voice.close()


async def collect(audio: AsyncGenerator[bytes, None], came: list[bytes]) -> None:
    async for pcm in audio:
        came.append(pcm)


async def test_a_sentence_comes_whole_at_the_rate_the_voice_names(cloud: Cloud) -> None:
    assert cloud.voice.rate == RATES[cloud.part]
    assert await cloud.whole() == tone_of(TEXT, cloud.voice.rate)


async def test_every_piece_holds_whole_samples(cloud: Cloud) -> None:
    pieces = [pcm async for pcm in cloud.voice.speak(TEXT)]
    assert all(pieces)
    assert not any(len(pcm) % 2 for pcm in pieces)


async def test_sentences_side_by_side_do_not_mix(cloud: Cloud) -> None:
    one, other = await asyncio.gather(cloud.whole(TEXT), cloud.whole(ANOTHER + ANOTHER))
    assert one == tone_of(TEXT, cloud.voice.rate)
    assert other == tone_of(ANOTHER + ANOTHER, cloud.voice.rate)


@pytest.mark.parametrize(
    "fault",
    [
        Status(part="tts", status=503, count=2),
        Status(part="tts", status=429, retry_after=1),
        Truncate(part="tts", after=0),
        Malformed(part="tts", text="<html>Bad gateway</html>"),
        Stall(part="tts", after=None),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_before_its_first_audio_a_sentence_is_tried_again(cloud: Cloud, fault: Fault) -> None:
    cloud.misbehave(fault)
    assert await cloud.whole() == tone_of(TEXT, cloud.voice.rate)


async def test_after_its_first_audio_a_sentence_is_never_begun_anew(cloud: Cloud) -> None:
    cloud.misbehave(Truncate(part="tts", after=6000))
    came: list[bytes] = []
    with pytest.raises(ServiceError) as failed:
        await collect(cloud.voice.speak(TEXT), came)
    assert tone_of(TEXT, cloud.voice.rate)[:6000] == b"".join(came)
    assert not failed.value.retryable
    assert cloud.asked == 1


async def test_a_voice_that_stays_away_fails_soon(cloud: Cloud) -> None:
    cloud.misbehave(Status(part="tts", count=None))
    with pytest.raises(ServiceError) as failed:
        await asyncio.wait_for(cloud.whole(), pcm_over_http.TRY_FOR_S + 1)
    assert failed.value.retryable
    assert cloud.asked == pcm_over_http.TRIES


async def test_a_refused_key_is_not_tried_again_nor_told(cloud: Cloud) -> None:
    cloud.misbehave(RefuseKey(part="tts"))
    with pytest.raises(ServiceError, match="_API_KEY") as failed:
        await cloud.whole()
    assert not failed.value.retryable
    assert failed.value.service == "tts"
    assert KEY.reveal() not in str(failed.value)
    assert cloud.asked == 1


@pytest.mark.parametrize("after", [None, 0, 6000])
async def test_a_voice_that_stalls_fails(cloud: Cloud, after: float | None) -> None:
    cloud.misbehave(Stall(part="tts", after=after, count=None))
    with pytest.raises(ServiceError):
        await asyncio.wait_for(cloud.whole(), 3)


async def test_a_body_without_audio_is_a_failure(cloud: Cloud) -> None:
    with pytest.raises(ServiceError, match="without audio"):
        await cloud.whole("Silence.")


async def test_an_interrupted_sentence_is_not_read_to_its_end(cloud: Cloud) -> None:
    async with aclosing(cloud.voice.speak("Without end.")) as audio:
        assert await anext(audio)
    assert await asyncio.wait_for(cloud.whole(), 2) == tone_of(TEXT, cloud.voice.rate)
    assert not cloud.sandbox.received.speech[0].done
