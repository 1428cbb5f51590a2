"""What Speechmatics is asked; the rest is `test_contract`."""

import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.services.tts.speechmatics import SpeechmaticsTts
from avr_sts_speechmatics.values import Secret

TEXT = "We close at five."


async def say(voice: SpeechmaticsTts) -> None:
    try:
        assert [pcm async for pcm in voice.speak(TEXT)]
    finally:
        await voice.close()


async def test_a_sentence_is_asked_for_as_the_reference_says() -> None:
    async with running_sandbox() as cloud:
        await say(SpeechmaticsTts(cloud.tts_url, Secret("a-key"), "theo"))
        request = cloud.received.speech[0]
        assert request.path == "/generate/theo"
        assert request.query == {"output_format": "pcm_16000"}
        assert request.headers["Authorization"] == "Bearer a-key"
        assert request.body == {"text": TEXT}


async def test_an_unknown_voice_names_its_setting() -> None:
    async with running_sandbox() as cloud:
        with pytest.raises(ServiceError, match="SPEECHMATICS_VOICE"):
            await say(SpeechmaticsTts(cloud.tts_url, Secret("a-key"), "nobody"))


async def test_a_query_of_the_address_stays_behind_the_path() -> None:
    async with running_sandbox() as cloud:
        await say(SpeechmaticsTts(f"{cloud.tts_url}/?token=t", Secret("a-key"), "sarah"))
        assert cloud.received.speech[0].path == "/generate/sarah"
        assert cloud.received.speech[0].query == {"token": "t", "output_format": "pcm_16000"}


async def test_the_generate_path_may_be_part_of_the_address() -> None:
    async with running_sandbox() as cloud:
        with pytest.raises(ServiceError):  # no key was sent, as asked
            await say(SpeechmaticsTts(cloud.tts_url + "/generate", None, "jack"))
        assert cloud.received.speech[0].path == "/generate/jack"
        assert "Authorization" not in cloud.received.speech[0].headers
