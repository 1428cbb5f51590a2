"""What OpenAI's speech endpoint is asked, and what its refusals mean; the rest is `test_voices`."""

import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import RefuseKey, Status
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


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (RefuseKey(part="openai_tts"), "OPENAI_TTS_API_KEY, or OPENAI_API_KEY"),
        (Status(part="openai_tts", status=404), "OPENAI_TTS_MODEL"),
        (Status(part="openai_tts", status=404), "OPENAI_TTS_URL"),
        (Status(part="openai_tts", status=422), "OPENAI_TTS_VOICE"),
    ],
)
async def test_what_never_will_work_is_not_tried_again_and_says_what_to_change(
    fault: RefuseKey | Status, named: str
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        with pytest.raises(ServiceError, match=named) as failed:
            await say(cloud)
        assert not failed.value.retryable
        assert len(cloud.received.speech) == 1


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
