"""Speaking over the wire of text-to-speech: whole samples, few tries, and never twice the same."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import RefuseKey, Stall, Status, Truncate
from avr_sts_speechmatics.sandbox.scripted import (
    RunningSandbox,
    ScriptedVoice,
    running_sandbox,
    scripted,
    tone,
)
from avr_sts_speechmatics.services import speechmatics_tts
from avr_sts_speechmatics.services.speechmatics_tts import SpeechmaticsVoice
from avr_sts_speechmatics.settings import Secret

TEXT = "We close at five."


@asynccontextmanager
async def voice_of(cloud: RunningSandbox, name: str = "sarah") -> AsyncIterator[SpeechmaticsVoice]:
    voice = SpeechmaticsVoice(cloud.tts_url, Secret("a-key"), name)
    try:
        yield voice
    finally:
        await voice.close()


async def whole(voice: SpeechmaticsVoice) -> bytes:
    return b"".join([pcm async for pcm in voice.speak(TEXT)])


async def collect(audio: AsyncGenerator[bytes, None], came: list[bytes]) -> None:
    async for pcm in audio:
        came.append(pcm)


async def test_a_sentence_is_asked_for_as_the_reference_says_and_comes_whole() -> None:
    async with running_sandbox() as cloud, voice_of(cloud, "theo") as voice:
        assert await whole(voice) == tone(TEXT)
        request = cloud.received.speech[0]
        assert request.path == "/generate/theo"
        assert request.query["output_format"] == "pcm_16000"
        assert request.headers["Authorization"] == "Bearer a-key"
        assert request.body == {"text": TEXT}


async def test_pieces_hold_whole_samples_wherever_the_body_is_cut() -> None:
    spoken = bytes(range(250)) * 2
    go_on = [asyncio.Event() for _ in range(3)]
    cut: list[bytes | float | asyncio.Event] = [
        spoken[:1],
        go_on[0],
        spoken[1:4],
        go_on[1],
        spoken[4:101],
        go_on[2],
        spoken[101:],
    ]
    voice = ScriptedVoice({TEXT: cut})
    async with running_sandbox(scripted(voice=voice)) as cloud, voice_of(cloud) as client:
        pieces = []
        for event in go_on:
            asyncio.get_running_loop().call_later(0.05 * (go_on.index(event) + 1), event.set)
        async for pcm in client.speak(TEXT):
            assert len(pcm) % 2 == 0
            pieces.append(pcm)
        assert b"".join(pieces) == spoken
        assert len(pieces) > 1


async def test_sentences_share_one_connection() -> None:
    async with running_sandbox() as cloud, voice_of(cloud) as voice:
        for _ in range(3):
            await whole(voice)
        assert len(cloud.received.speech) == 3
        assert voice._pool is not None
        assert voice._pool.connector is not None
        assert len(voice._pool.connector._conns) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Status(part="voice", status=503, count=2),
        Status(part="voice", status=429, retry_after=1),
        Truncate(part="voice", after=0),
    ],
)
async def test_before_its_first_audio_a_sentence_is_tried_again(fault: Status | Truncate) -> None:
    async with running_sandbox() as cloud, voice_of(cloud) as voice:
        cloud.faults.add(fault)
        assert await whole(voice) == tone(TEXT)


async def test_after_its_first_audio_a_sentence_is_never_begun_anew() -> None:
    async with running_sandbox() as cloud, voice_of(cloud) as voice:
        cloud.faults.add(Truncate(part="voice", after=6000))
        came: list[bytes] = []
        with pytest.raises(ServiceError) as failed:
            await collect(voice.speak(TEXT), came)
        assert tone(TEXT)[:6000] == b"".join(came)
        assert not failed.value.retryable
        assert len(cloud.received.speech) == 1


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (RefuseKey(part="voice"), "SPEECHMATICS_API_KEY"),
        (Status(part="voice", status=404), "SPEECHMATICS_VOICE"),
        (Status(part="voice", status=422), "422"),
    ],
)
async def test_what_never_will_work_is_not_tried_again_and_says_what_to_change(
    fault: RefuseKey | Status, named: str
) -> None:
    async with running_sandbox() as cloud, voice_of(cloud) as voice:
        cloud.faults.add(fault)
        with pytest.raises(ServiceError, match=named) as failed:
            await whole(voice)
        assert not failed.value.retryable
        assert "a-key" not in str(failed.value)
        assert len(cloud.received.speech) == 1


async def test_a_voice_that_stays_away_fails_soon() -> None:
    async with running_sandbox() as cloud, voice_of(cloud) as voice:
        cloud.faults.add(Status(part="voice", count=None))
        with pytest.raises(ServiceError) as failed:
            await asyncio.wait_for(whole(voice), speechmatics_tts.TRY_FOR_S + 1)
        assert failed.value.retryable
        assert len(cloud.received.speech) == speechmatics_tts.TRIES


@pytest.mark.parametrize("after", [None, 0, 6000])
async def test_a_voice_that_stalls_fails(
    after: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speechmatics_tts, "GAP_S", 0.2)
    async with running_sandbox() as cloud, voice_of(cloud) as voice:
        cloud.faults.add(Stall(part="voice", after=after, count=None))
        with pytest.raises(ServiceError):
            await asyncio.wait_for(whole(voice), 3)


async def test_a_body_without_audio_is_a_failure() -> None:
    silent = ScriptedVoice({TEXT: []})
    async with running_sandbox(scripted(voice=silent)) as cloud, voice_of(cloud) as voice:
        with pytest.raises(ServiceError, match="without audio"):
            await whole(voice)


async def test_an_interrupted_sentence_is_not_read_to_its_end() -> None:
    never = asyncio.Event()
    endless = ScriptedVoice({TEXT: [bytes(3200), never]})
    async with running_sandbox(scripted(voice=endless)) as cloud, voice_of(cloud) as voice:
        async with aclosing(voice.speak(TEXT)) as audio:
            assert await anext(audio)
        await asyncio.wait_for(whole_of_another(cloud, voice), 2)
        assert not cloud.received.speech[0].done


async def whole_of_another(cloud: RunningSandbox, voice: SpeechmaticsVoice) -> None:
    """After an interruption the next sentence comes on a connection of its own."""
    other = "Another sentence."
    assert b"".join([pcm async for pcm in voice.speak(other)]) == tone(other)


async def test_a_query_of_the_address_stays_behind_the_path() -> None:
    async with running_sandbox() as cloud:
        voice = SpeechmaticsVoice(f"{cloud.tts_url}/?token=t", Secret("a-key"), "sarah")
        assert await whole(voice) == tone(TEXT)
        await voice.close()
        assert cloud.received.speech[0].path == "/generate/sarah"
        assert cloud.received.speech[0].query == {"token": "t", "output_format": "pcm_16000"}


async def test_the_generate_path_may_be_part_of_the_address() -> None:
    async with running_sandbox() as cloud:
        voice = SpeechmaticsVoice(cloud.tts_url + "/generate", None, "jack")
        with pytest.raises(ServiceError):  # no key was sent, as asked
            await whole(voice)
        await voice.close()
        assert cloud.received.speech[0].path == "/generate/jack"
        assert "Authorization" not in cloud.received.speech[0].headers
