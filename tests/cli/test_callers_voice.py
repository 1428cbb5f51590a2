"""The simulated caller's voice: opened when the first words are spoken, closed at the end."""

import pytest

from avr_sts_speechmatics.cli.callers_voice import callers_voice
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, tone
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import Secret


async def test_the_voice_of_the_settings_speaks_at_8_khz() -> None:
    async with running_sandbox() as cloud:
        key, url = Secret("a-key"), cloud.tts_url
        chosen = Settings(speechmatics_api_key=key, speechmatics_tts_url=url)
        async with callers_voice(chosen) as say:
            assert not cloud.received.speech
            pcm = await say("Hello there.")
        assert abs(len(pcm) - len(tone("Hello there.")) / 2) < 400
        assert [request.body["text"] for request in cloud.received.speech] == ["Hello there."]


async def test_a_voice_that_fails_is_one_sentence() -> None:
    chosen = Settings(
        speechmatics_api_key=Secret("a-key"), speechmatics_tts_url="http://127.0.0.1:9"
    )
    async with callers_voice(chosen) as say:
        with pytest.raises(SettingsError, match="could not be spoken"):
            await say("Hello.")


async def test_with_a_server_of_voices_the_caller_speaks_by_it() -> None:
    async with running_sandbox() as cloud:
        chosen = Settings(
            tts="http",
            openai_tts_api_key=Secret("a-key"),
            openai_tts_url=cloud.openai_url,
            openai_tts_voice="echo",
            speechmatics_api_key=Secret("another-key"),
            speechmatics_tts_url=cloud.tts_url,
        )
        async with callers_voice(chosen) as say:
            assert await say("Guten Tag.")
        (request,) = cloud.received.speech
        assert (request.path, request.body["voice"]) == ("/v1/audio/speech", "echo")
