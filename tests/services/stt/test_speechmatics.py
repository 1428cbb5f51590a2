"""Speechmatics Agent STT: how a session is asked for, refused rates, trials."""

import asyncio

import pytest
from tests.services.stt.collecting import listening, speechmatics

from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import (
    Drop,
    Error,
    RefuseKey,
    RefuseRate,
    Status,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    running_sandbox,
)
from avr_sts_speechmatics.services.stt.speechmatics import SpeechmaticsStt
from avr_sts_speechmatics.values import Secret, VocabEntry


async def test_a_session_is_asked_for_as_the_reference_says() -> None:
    async with running_sandbox() as cloud:
        stt = SpeechmaticsStt(
            cloud.rt_url + "/agent",
            Secret("a-key"),
            vocab=(VocabEntry("Brandvoll"), VocabEntry("Siobhan", ("shiv awn",))),
        )
        async with listening(cloud, stt):
            session = await cloud.received.session()
        assert session.headers["Authorization"] == "Bearer a-key"
        assert "permessage-deflate" not in session.headers.get("Sec-WebSocket-Extensions", "")
        assert session.start == {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
            "transcription_config": {
                "language": "en",
                "model": "linden-1",
                "enable_partials": True,
                "additional_vocab": [
                    "Brandvoll",
                    {"content": "Siobhan", "sounds_like": ["shiv awn"]},
                ],
            },
            "turn_config": {"turn_detection_mode": "vad"},
        }


async def test_a_refused_rate_is_raised_once_for_the_process() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(RefuseRate(count=None))
        stt = speechmatics(cloud)
        async with listening(cloud, stt) as ears:
            await ears.speak(bytes(16_000))
            session = await cloud.received.session(1)
            assert session.start is not None
            assert session.start["audio_format"]["sample_rate"] == 16_000
            await cloud.received.until(lambda: len(session.audio) == 32_000)
            assert ears.notes.of("lost") == []
        async with listening(cloud, stt):
            again = await cloud.received.session(2)
            assert again.start is not None
            assert again.start["audio_format"]["sample_rate"] == 16_000


@pytest.mark.parametrize(
    "fault",
    [
        RefuseKey(part="stt"),
        RefuseKey(part="stt", at="close"),
        Error(part="stt", type="invalid_model"),
        Drop(close=4003),
        Status(part="stt", status=404),
    ],
)
async def test_a_refusal_that_is_final_is_not_tried_again(
    fault: RefuseKey | Error | Drop | Status,
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        async with listening(cloud) as ears:
            with pytest.raises(ServiceError) as failed:
                await asyncio.wait_for(ears.running, 2)
        assert not failed.value.retryable
        assert failed.value.service == "stt"
        assert "a-key" not in str(failed.value)
        assert len(cloud.received.sessions) <= 1
