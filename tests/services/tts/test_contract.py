"""What a call may rely on, whichever voice speaks: the same promises, kept by each.

Each voice speaks by the sandbox's server of its wire, which the vendors' own clients accept
(tests/sandbox/test_vendor_clients.py). What only one vendor does is in the vendor's test module.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import pytest
from tests.support import until

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
from avr_sts_speechmatics.services.tts.fallback import FallbackTts
from avr_sts_speechmatics.services.tts.openai import OpenAiTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.speechmatics import SpeechmaticsTts
from avr_sts_speechmatics.values import Secret

TEXT = "We close at five."
ANOTHER = "Another sentence."
KEY = Secret("a-key")
PATIENCE_S = 0.2
ENDLESS: list[bytes | float | asyncio.Event] = [tone(ANOTHER), asyncio.Event()]


def tone_of(text: str, rate: int) -> bytes:
    """What the sandbox says for a text, at a rate."""
    made = np.frombuffer(tone(text), "<i2")
    at = np.arange(len(made) * rate // 16000) * (16000 / rate)
    pcm: bytes = np.rint(np.interp(at, np.arange(len(made)), made)).astype("<i2").tobytes()
    return pcm


@dataclass
class Cloud:
    """A voice, and the sandbox it speaks by.

    kind: name of the voice in VOICES.
    """

    kind: str
    sandbox: RunningSandbox
    voice: Tts

    def misbehave(self, *faults: Fault) -> None:
        # Copies: a fault counts down while it hits. Both voices of a pair misbehave.
        for part in VOICES[self.kind].parts:
            self.sandbox.faults.add(*(msgspec.structs.replace(f, part=part) for f in faults))

    @property
    def asked(self) -> int:
        """How often the voice, or the first of a pair, was asked."""
        path = VOICES[self.kind].path
        return sum(request.path == path for request in self.sandbox.received.speech)

    async def whole(self, text: str = TEXT) -> bytes:
        return b"".join([pcm async for pcm in self.voice.speak(text)])


@dataclass(frozen=True)
class Kind:
    """A voice under contract.

    make: makes the voice.
    path: of its requests.
    parts: names of its servers in the sandbox.
    named: the setting that a refusal names, by status.
    header: bytes before the samples.
    """

    make: Callable[[RunningSandbox], Tts]
    path: str
    parts: tuple[Literal["tts", "openai_tts"], ...]
    named: dict[int, str]
    header: int = 0


def speechmatics(cloud: RunningSandbox) -> Tts:
    return SpeechmaticsTts(cloud.tts_url, KEY, "sarah", patience=PATIENCE_S)


def http(cloud: RunningSandbox, form: str = "pcm") -> Tts:
    return OpenAiTts(KEY, "a-model", "alloy", cloud.openai_url, form=form, patience=PATIENCE_S)


def pair(cloud: RunningSandbox) -> Tts:
    return FallbackTts(speechmatics(cloud), http(cloud), patience=5, longest=10)


_OF_SPEECHMATICS = {
    401: "SPEECHMATICS_API_KEY",
    403: "SPEECHMATICS_API_KEY",
    404: "SPEECHMATICS_VOICE",
}
_OF_HTTP = {
    400: "OPENAI_TTS_VOICE",
    401: "OPENAI_TTS_API_KEY",
    403: "OPENAI_TTS_API_KEY",
    404: "OPENAI_TTS_URL",
    422: "OPENAI_TTS_MODEL",
}
VOICES = {
    "speechmatics": Kind(speechmatics, "/generate/sarah", ("tts",), _OF_SPEECHMATICS),
    "http": Kind(http, "/v1/audio/speech", ("openai_tts",), _OF_HTTP),
    "http in WAV": Kind(
        lambda cloud: http(cloud, "wav"), "/v1/audio/speech", ("openai_tts",), _OF_HTTP, header=44
    ),
    "pair": Kind(pair, "/generate/sarah", ("tts", "openai_tts"), _OF_SPEECHMATICS),
}
"""A further voice is a row here."""


@pytest.fixture(params=VOICES)
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    async with under_contract(request.param) as made:
        yield made


@asynccontextmanager
async def under_contract(kind: str, voice: ScriptedTts | None = None) -> AsyncIterator[Cloud]:
    sounds = voice or ScriptedTts({"Silence.": [], "Without end.": ENDLESS})
    async with running_sandbox(scripted(voice=sounds)) as sandbox:
        made = VOICES[kind].make(sandbox)
        try:
            yield Cloud(kind, sandbox, made)
        finally:
            await made.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def collect(audio: AsyncGenerator[bytes, None], came: list[bytes]) -> None:
    async for pcm in audio:
        came.append(pcm)


async def test_a_sentence_comes_whole_at_the_rate_the_voice_names(cloud: Cloud) -> None:
    assert cloud.voice.rate == (16000 if VOICES[cloud.kind].parts[0] == "tts" else 24000)
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
    heard = 6000 - VOICES[cloud.kind].header
    assert tone_of(TEXT, cloud.voice.rate)[:heard] == b"".join(came)
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


@pytest.mark.parametrize("kind", VOICES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
async def test_a_refusal_names_its_status_or_its_setting_and_is_retried_only_if_it_may_pass(
    kind: str, status: int
) -> None:
    async with under_contract(kind) as cloud:
        cloud.misbehave(Status(part="tts", status=status, count=None))
        named = VOICES[kind].named.get(status, f"{status}")
        with pytest.raises(ServiceError, match=named) as failed:
            await cloud.whole()
        passes = status in (429, 500, 503)
        assert failed.value.retryable is passes
        assert cloud.asked == (pcm_over_http.TRIES if passes else 1)


@pytest.mark.parametrize("after", [None, 0, 6000])
async def test_a_voice_that_stalls_fails(cloud: Cloud, after: float | None) -> None:
    cloud.misbehave(Stall(part="tts", after=after, count=None))
    with pytest.raises(ServiceError):
        await asyncio.wait_for(cloud.whole(), 3)


async def test_a_body_without_audio_is_a_failure(cloud: Cloud) -> None:
    with pytest.raises(ServiceError, match="without audio"):
        await cloud.whole("Silence.")


@pytest.mark.parametrize("kind", VOICES)
async def test_the_first_audio_is_heard_while_the_rest_is_not_made_yet(kind: str) -> None:
    made = asyncio.Event()
    sounds = ScriptedTts({TEXT: [tone(TEXT), made, tone(ANOTHER)]})
    async with under_contract(kind, sounds) as cloud:
        audio = cloud.voice.speak(TEXT)
        came = [await asyncio.wait_for(anext(audio), 5)]
        made.set()
        await collect(audio, came)
        heard = b"".join(came)
        meant = len(tone_of(TEXT, cloud.voice.rate)) + len(tone_of(ANOTHER, cloud.voice.rate))
        assert abs(len(heard) - meant) <= 4


async def test_a_request_that_hangs_is_overtaken_by_a_second_one(cloud: Cloud) -> None:
    cloud.misbehave(Stall(part="tts", after=None))
    assert await cloud.whole() == tone_of(TEXT, cloud.voice.rate)
    assert cloud.asked == 2


async def test_an_interrupted_sentence_is_not_read_to_its_end(cloud: Cloud) -> None:
    async with aclosing(cloud.voice.speak("Without end.")) as audio:
        assert await anext(audio)
    assert await asyncio.wait_for(cloud.whole(), 2) == tone_of(TEXT, cloud.voice.rate)
    assert not cloud.sandbox.received.speech[0].done


@pytest.mark.parametrize("text", ["Without end.", TEXT])
async def test_nothing_is_left_of_a_cancelled_sentence_nor_of_a_closed_voice(
    cloud: Cloud, text: str
) -> None:
    before, tasks = open_files(), len(asyncio.all_tasks())
    speaking = asyncio.create_task(cloud.whole(text))
    await cloud.sandbox.received.until(lambda: bool(cloud.sandbox.received.speech))
    speaking.cancel()
    with suppress(asyncio.CancelledError):
        await speaking
    await cloud.voice.close()
    await until(lambda: open_files() == before and len(asyncio.all_tasks()) == tasks)
