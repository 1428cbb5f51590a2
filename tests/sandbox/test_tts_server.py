"""Text-to-speech over HTTP, with a scripted TTS engine."""

import asyncio
import io
import wave

import aiohttp
import pytest
from tests.sandbox.agent_wire import KEY

from avr_sts_speechmatics.sandbox import openai_speech
from avr_sts_speechmatics.sandbox.engines import Engines
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    ScriptedLlm,
    ScriptedStt,
    ScriptedTts,
    running_sandbox,
    tone,
)

PCM = "?output_format=pcm_16000"
TEXT = {"text": "Good morning."}
SPEECH = {
    "model": "gpt-4o-mini-tts",
    "voice": "alloy",
    "input": "Good morning.",
    "response_format": "pcm",
}


@pytest.mark.parametrize("voice", ["sarah", "theo", "megan", "jack"])
async def test_every_voice_speaks(http: aiohttp.ClientSession, voice: str) -> None:
    async with running_sandbox() as cloud:
        url = f"{cloud.tts_url}/generate/{voice}{PCM}"
        async with http.post(url, json=TEXT, headers=KEY) as response:
            assert response.status == 200
            assert await response.read() == tone("Good morning.")
        request = cloud.received.speech[0]
        assert (request.path, request.body, request.status) == (f"/generate/{voice}", TEXT, 200)
        assert request.done


async def test_a_wav_answer_has_a_header(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        response = await http.post(f"{cloud.tts_url}/generate/theo", json=TEXT, headers=KEY)
        body = await response.read()
    with wave.open(io.BytesIO(body)) as file:
        assert file.getframerate() == 16_000
        assert file.getnchannels() == 1
        assert file.getsampwidth() == 2
    assert body[44:] == tone("Good morning.")


@pytest.mark.parametrize("voice", sorted(openai_speech.VOICES))
async def test_every_voice_of_openai_speaks_at_its_own_rate(
    http: aiohttp.ClientSession, voice: str
) -> None:
    async with running_sandbox() as cloud:
        url, body = f"{cloud.openai_url}/audio/speech", {**SPEECH, "voice": voice}
        async with http.post(url, json=body, headers=KEY) as response:
            assert response.status == 200
            assert response.content_type == "audio/pcm"
            assert len(await response.read()) == len(tone("Good morning.")) * 3 // 2
        request = cloud.received.speech[0]
        assert (request.path, request.body, request.status) == ("/v1/audio/speech", body, 200)
        assert request.done


async def test_an_openai_wav_answer_has_a_header_with_its_rate(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        url, body = f"{cloud.openai_url}/audio/speech", {**SPEECH, "response_format": "wav"}
        async with http.post(url, json=body, headers=KEY) as response:
            assert response.content_type == "audio/wav"
            with wave.open(io.BytesIO(await response.read())) as file:
                assert file.getframerate() == 24_000


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [(SPEECH, {}, 401), ({**SPEECH, "voice": "sarah"}, KEY, 400), ("text", KEY, 400)],
)
async def test_invalid_requests_are_refused_in_the_form_of_openai(
    http: aiohttp.ClientSession, body: object, headers: dict[str, str], status: int
) -> None:
    async with running_sandbox() as cloud:
        url = f"{cloud.openai_url}/audio/speech"
        async with http.post(url, json=body, headers=headers) as response:
            assert response.status == status
            assert (await response.json())["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (f"/generate/sarah{PCM}", TEXT, {}, 401),
        (f"/generate/sara{PCM}", TEXT, KEY, 404),
        ("/generate/sarah?output_format=mp3", TEXT, KEY, 400),
        (f"/generate/sarah{PCM}", {"text": "  "}, KEY, 400),
        (f"/generate/sarah{PCM}", {"text": 5}, KEY, 400),
        (f"/generate/sarah{PCM}", {}, KEY, 400),
        (f"/generate/sarah{PCM}", "text", KEY, 400),
    ],
)
async def test_invalid_requests_are_refused_in_the_form_of_speechmatics(
    http: aiohttp.ClientSession, path: str, body: object, headers: dict[str, str], status: int
) -> None:
    async with running_sandbox() as cloud:
        async with http.post(cloud.tts_url + path, json=body, headers=headers) as response:
            assert response.status == status
            assert await response.json()
        assert cloud.received.speech[0].status == status


async def test_audio_is_streamed_as_the_engine_yields_it(http: aiohttp.ClientSession) -> None:
    more = asyncio.Event()
    voice = ScriptedTts({"Slowly.": [b"ab", more, b"c"]})
    async with running_sandbox(Engines(ScriptedStt(), voice, ScriptedLlm("."))) as cloud:
        url, body = f"{cloud.tts_url}/generate/sarah{PCM}", {"text": "Slowly."}
        async with http.post(url, json=body, headers=KEY) as response:
            assert await response.content.readexactly(2) == b"ab"
            more.set()
            assert await response.read() == b"c"


async def test_a_client_that_disconnects_ends_the_synthesis(http: aiohttp.ClientSession) -> None:
    voice = ScriptedTts({"For ever.": [b"ab", asyncio.Event()]})
    async with running_sandbox(Engines(ScriptedStt(), voice, ScriptedLlm("."))) as cloud:
        url, body = f"{cloud.tts_url}/generate/sarah{PCM}", {"text": "For ever."}
        response = await http.post(url, json=body, headers=KEY)
        await response.content.readexactly(2)
        response.close()
        assert not cloud.received.speech[0].done
