"""What OpenAI's speech endpoint is asked, and how other servers answer; see `test_contract`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.services.tts.sounds import HUM_HZ, HUM_S, hum, pitch, wav

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox
from avr_sts_speechmatics.services.tts.openai import OpenAiTts
from avr_sts_speechmatics.values import Secret

TEXT = "Wir schließen um fünf."
MODEL = "gpt-4o-mini-tts"


async def say(cloud: RunningSandbox, voice: str = "alloy", text: str = TEXT) -> None:
    speaker = OpenAiTts(Secret("a-key"), MODEL, voice, cloud.openai_url)
    try:
        assert [pcm async for pcm in speaker.speak(text)]
    finally:
        await speaker.close()


async def test_a_sentence_is_asked_for_as_the_reference_says() -> None:
    async with running_sandbox() as cloud:
        await say(cloud, "coral")
        request = cloud.received.speech[0]
        assert request.path == "/v1/audio/speech"
        assert request.headers["Authorization"] == "Bearer a-key"
        assert request.body == {
            "model": MODEL,
            "voice": "coral",
            "input": TEXT,
            "response_format": "pcm",
        }


async def test_an_unknown_voice_names_its_setting_and_repeats_nothing_of_what_was_said() -> None:
    async with running_sandbox() as cloud:
        with pytest.raises(ServiceError, match="OPENAI_TTS_VOICE") as failed:
            await say(cloud, "nobody")
        assert not failed.value.retryable
        assert TEXT not in str(failed.value)


async def test_the_query_of_an_address_goes_behind_the_path() -> None:
    async with running_sandbox() as cloud:
        voice = OpenAiTts(Secret("a"), "m", "nova", f"{cloud.openai_url}/?api-version=2024-10-21")
        assert b"".join([pcm async for pcm in voice.speak("Hello.")])
        await voice.close()
        request = cloud.received.speech[-1]
        assert request.path == "/v1/audio/speech"
        assert dict(request.query) == {"api-version": "2024-10-21"}


async def test_a_server_that_wants_no_key_is_sent_none() -> None:
    async with running_sandbox() as cloud:
        speaker = OpenAiTts(None, MODEL, "alloy", f"{cloud.openai_url}/")
        with pytest.raises(ServiceError):  # the sandbox does want one
            await anext(speaker.speak(TEXT))
        await speaker.close()
        assert cloud.received.speech[0].path == "/v1/audio/speech"
        assert "Authorization" not in cloud.received.speech[0].headers


# --- servers that are not OpenAI's ----------------------------------------------------------------


@asynccontextmanager
async def server(
    content_type: str, pieces: list[bytes], asked: list[object] | None = None
) -> AsyncIterator[OpenAiTts]:
    """A voice at a server that gives this answer, whatever it is asked for."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if asked is not None:
            asked.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        return response

    app = web.Application()
    app.router.add_post("/v1/audio/speech", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    voice = OpenAiTts(None, "kokoro", "af_heart", f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    try:
        yield voice
    finally:
        await voice.close()
        await runner.cleanup()


async def heard(voice: OpenAiTts) -> bytes:
    return b"".join([pcm async for pcm in voice.speak(TEXT)])


@pytest.mark.parametrize(
    ("content_type", "body", "rate"),
    [
        # Kokoro-FastAPI, and speaches with Kokoro.
        ("audio/pcm", hum(24000), 24000),
        # openedai-speech with Piper.
        ("audio/pcm;rate=22050", hum(22050), 22050),
        # LocalAI: a whole file, whatever is asked.
        ("audio/x-wav", wav(hum(22050), 22050), 22050),
        # speaches, openedai-speech: written by ffmpeg to a pipe.
        ("audio/wav", wav(hum(16000), 16000, size=0xFFFFFFFF, info=True), 16000),
        ("application/octet-stream", wav(hum(44100), 44100), 44100),
    ],
)
async def test_what_servers_return_is_heard_at_its_own_pitch(
    content_type: str, body: bytes, rate: int
) -> None:
    cuts = [body[at : at + 3333] for at in range(0, len(body), 3333)]
    async with server(content_type, cuts) as voice:
        pcm = await heard(voice)
    assert abs(len(pcm) / 2 / 24000 - HUM_S) < 0.01
    assert pitch(pcm, 24000) == pytest.approx(HUM_HZ, abs=3)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("audio/mpeg", b"\xff\xfb\x90\x64" + bytes(400)),
        ("application/octet-stream", b"\xff\xfb\x90\x64" + bytes(400)),
        ("audio/pcm", b"ID3\x04" + bytes(400)),
        ("audio/ogg; codecs=opus", b"OggS" + bytes(400)),
        ("audio/pcm", b"fLaC" + bytes(400)),
        ("audio/wav", wav(hum(24000), 24000, bits=24)),
    ],
)
async def test_audio_that_cannot_be_played_is_refused_with_what_to_set(
    content_type: str, body: bytes
) -> None:
    asked: list[object] = []
    async with server(content_type, [body], asked) as voice:
        with pytest.raises(ServiceError, match="set OPENAI_TTS_FORMAT to wav") as failed:
            await heard(voice)
    assert not failed.value.retryable
    assert len(asked) == 1


@pytest.mark.parametrize("content_type", ["audio/pcm", "application/json", "text/event-stream"])
async def test_an_error_in_words_is_never_played_whatever_its_type(content_type: str) -> None:
    async with server(content_type, [b'{"error": "the model is being loaded"}']) as voice:
        with pytest.raises(ServiceError, match="came back instead of audio"):
            await heard(voice)


async def test_the_format_of_the_settings_is_asked_for() -> None:
    async with running_sandbox() as cloud:
        voice = OpenAiTts(Secret("a"), MODEL, "nova", cloud.openai_url, form="wav")
        assert await heard(voice)
        await voice.close()
        assert cloud.received.speech[0].body["response_format"] == "wav"
