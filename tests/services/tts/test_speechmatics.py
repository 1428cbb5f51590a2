"""What Speechmatics is asked, and what its refusals mean; the rest is `test_voices`."""

import pytest

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import RefuseKey, Status
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


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (RefuseKey(part="tts"), "SPEECHMATICS_API_KEY"),
        (Status(part="tts", status=403), "SPEECHMATICS_API_KEY"),
        (Status(part="tts", status=422), "422"),
    ],
)
async def test_what_never_will_work_is_not_tried_again_and_says_what_to_change(
    fault: RefuseKey | Status, named: str
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        with pytest.raises(ServiceError, match=named) as failed:
            await say(SpeechmaticsTts(cloud.tts_url, Secret("a-key"), "theo"))
        assert not failed.value.retryable
        assert len(cloud.received.speech) == 1


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
