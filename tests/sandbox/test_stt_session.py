"""One Agent STT session over a real socket, with a scripted STT engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.sandbox.agent_wire import FRAME, START, Connect

from avr_sts_speechmatics.sandbox.engines import Engines, Listener, Send
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    ScriptedLlm,
    ToneTts,
    running_sandbox,
    scripted,
    turn,
)
from avr_sts_speechmatics.sandbox.stt_messages import StartRecognition


async def test_a_session_from_start_to_end(connect: Connect) -> None:
    async with running_sandbox(scripted(turn("Hello.", start=0, end=0.1))) as cloud:
        client = await connect(cloud)
        started = await client.started()
        assert started["message"] == "RecognitionStarted"
        assert started["language_pack_info"]["word_delimiter"] == " "
        frames = await client.audio(FRAME * 50)
        names = [message["message"] for message in await client.finish(frames)]
        assert names == [
            "SpeechStarted",
            "StartOfTurn",
            "AddSegment",
            "SpeechEnded",
            "EndOfTurn",
            "EndOfTranscript",
        ]
        assert await client.close_code() == 1000
        session = cloud.received.sessions[0]
        await cloud.received.until(lambda: session.close_code == 1000)


async def test_every_frame_is_acknowledged_in_order(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        await client.audio(FRAME * 3)
        numbers = [(await client.socket.receive_json())["seq_no"] for _ in range(3)]
        assert numbers == [1, 2, 3]


async def test_received_messages_and_audio_can_be_inspected(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        await client.audio(FRAME * 2)
        session = await cloud.received.session()
        await cloud.received.until(lambda: session.frames == 2)
        assert session.start == START
        assert session.audio == FRAME * 2
        assert session.headers["Authorization"] == "Bearer a-key"
        assert cloud.received.sessions_open == 1
        await client.socket.close()
        await cloud.received.until(lambda: cloud.received.sessions_open == 0)


async def test_a_test_can_send_a_message_at_any_moment(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        (await cloud.received.session()).say({"message": "Info", "reason": "now"})
        assert await client.next() == {"message": "Info", "reason": "now"}


@pytest.mark.parametrize(
    ("message", "type", "code"),
    [
        ('{"message": "EndOfStream", "last_seq_no": 0}', "protocol_error", 1003),
        ("not JSON", "invalid_message", 1003),
        ('{"message": "StartRecognition"}', "invalid_message", 1003),
    ],
)
async def test_an_invalid_first_message_ends_the_session(
    connect: Connect, message: str, type: str, code: int
) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.send(message)
        assert (await client.next())["type"] == type
        assert await client.close_code() == code


async def test_an_unknown_model_has_its_own_close_code(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        error = await client.started(transcription_config={"language": "en", "model": "enhanced"})
        assert error["type"] == "invalid_model"
        assert await client.close_code() == 4004


async def test_audio_before_the_start_is_an_error(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.audio(FRAME)
        assert (await client.next())["type"] == "protocol_error"


async def test_audio_with_half_a_sample_is_an_error(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        await client.audio(bytes(3))
        assert (await client.next())["type"] == "protocol_error"


async def test_a_second_start_recognition_is_an_error(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        assert (await client.started())["type"] == "protocol_error"


async def test_a_missing_start_recognition_is_an_error(connect: Connect) -> None:
    async with running_sandbox(start_timeout=0.05) as cloud:
        client = await connect(cloud)
        assert (await client.next())["type"] == "start_recognition_timeout"


async def test_speakers_result_is_sent_on_request(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        await client.send({"message": "GetSpeakers", "final": False})
        assert await client.next() == {"message": "SpeakersResult", "speakers": []}


async def test_the_configuration_can_be_changed_within_limits(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        config: dict[str, Any] = {"enable_partials": False}
        await client.send({"message": "SetRecognitionConfig", "transcription_config": config})
        config = {"max_delay": 1, "enable_partials": False}
        await client.send({"message": "SetRecognitionConfig", "transcription_config": config})
        assert (await client.next())["type"] == "invalid_config"


async def test_force_end_of_utterance_needs_increasing_timestamps(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started(turn_config={"turn_detection_mode": "external"})
        for at in (1.0, 1.0, 2.0):
            await client.send({"message": "ForceEndOfUtterance", "timestamp": at})
        names = [(await client.next())["message"] for _ in range(3)]
        assert names == ["EndOfTurn", "Warning", "EndOfTurn"]


async def test_force_end_of_utterance_is_ignored_in_vad_mode(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        await client.send({"message": "ForceEndOfUtterance", "timestamp": 1.0})
        assert [m["message"] for m in await client.finish(0)] == ["EndOfTranscript"]


class BrokenStt:
    """An engine with a bug."""

    @asynccontextmanager
    async def listen(self, start: StartRecognition, send: Send) -> AsyncIterator[Listener]:
        raise RuntimeError("a bug")
        yield


async def test_a_failing_engine_gives_a_job_error(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    engines = Engines(BrokenStt(), ToneTts(), ScriptedLlm("Yes."))
    async with running_sandbox(engines) as cloud:
        client = await connect(cloud)
        assert (await client.started())["type"] == "job_error"
        assert await client.close_code() == 4013
    assert "a bug" in caplog.text


async def test_ending_the_sandbox_ends_its_sessions(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        client = await connect(cloud)
        await client.started()
        code = asyncio.create_task(client.close_code())
        await asyncio.sleep(0)
    assert await code == 1001
