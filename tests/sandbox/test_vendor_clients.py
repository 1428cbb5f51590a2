"""The vendors' own clients work with the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from speechmatics.agent_stt import (
    AgentSttAsyncClient,
    TranscriptionConfig,
    TurnConfig,
    TurnDetectionMode,
)
from speechmatics.rt import AudioEncoding, AudioFormat, TranscriptionError
from speechmatics.rt import ConnectionError as RefusedConnection
from speechmatics.tts import AsyncClient, OutputFormat, Voice
from tests.sandbox.agent_wire import FRAME, Clip

from avr_sts_speechmatics.sandbox import faults
from avr_sts_speechmatics.sandbox.engines import ToolCall
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    Thought,
    running_sandbox,
    scripted,
    tone,
    turn,
)

NARROW = AudioFormat(encoding=AudioEncoding.PCM_S16LE, sample_rate=8000)


def stt_client(cloud: RunningSandbox, **options: Any) -> AgentSttAsyncClient:
    config = TranscriptionConfig(language="en", enable_partials=True)
    chosen: dict[str, Any] = {"transcription_config": config, "audio_format": NARROW} | options
    return AgentSttAsyncClient(api_key="a-key", url=cloud.rt_url, **chosen)


def names(client: AgentSttAsyncClient) -> list[str]:
    return [e["message"] for e in client.events if e["message"] != "AudioAdded"]


async def test_the_agent_stt_client_receives_a_scripted_turn() -> None:
    script = turn("Hello there.", start=0.1, end=0.6, partials=["Hello"])
    async with running_sandbox(scripted(script)) as cloud:
        client = stt_client(cloud)
        async with client:
            for _ in range(75):
                await client.send_audio(FRAME)
        assert client.transcript == "Hello there."
        assert client.session_error is None
        assert names(client)[0] == "RecognitionStarted"
        assert names(client)[-2:] == ["EndOfTurn", "EndOfTranscript"]
        assert cloud.received.sessions[0].frames == 75


async def test_the_agent_stt_client_can_force_the_end_of_a_turn() -> None:
    async with running_sandbox() as cloud:
        external = TurnConfig(turn_detection_mode=TurnDetectionMode.EXTERNAL)
        client = stt_client(cloud, turn_config=external)
        async with client:
            await client.send_audio(FRAME * 50)
            await client.force_end_of_utterance()
        assert "EndOfTurn" in names(client)
        assert cloud.received.sessions[0].messages[1]["timestamp"] == 1.0


async def test_the_agent_stt_client_receives_refusals() -> None:
    async with running_sandbox(max_calls=1) as cloud:
        async with stt_client(cloud):
            with pytest.raises(TranscriptionError, match="1 calls at a time"):
                await stt_client(cloud).connect()
        cloud.faults.add(faults.RefuseKey(part="stt"))
        with pytest.raises(RefusedConnection, match="401"):
            await stt_client(cloud).connect()
        french = TranscriptionConfig(language="fr")
        with pytest.raises(TranscriptionError, match="hears only en"):
            await stt_client(cloud, transcription_config=french).connect()


async def test_the_tts_client_receives_audio() -> None:
    async with running_sandbox() as cloud, AsyncClient(api_key="k", url=cloud.tts_url) as client:
        async with await client.generate(text="Good morning.", voice=Voice.THEO) as response:
            assert await response.read() == tone("Good morning.")
        wav = OutputFormat.WAV_16000
        async with await client.generate(text="Good morning.", output_format=wav) as response:
            assert (await response.read())[:4] == b"RIFF"


@pytest.fixture
async def cloud_that_thinks() -> AsyncIterator[RunningSandbox]:
    call = ToolCall("avr_transfer", '{"transfer_extension": "1000"}')
    answers: list[Thought] = ["I can help you with that.", ["One moment.", call]]
    async with running_sandbox(scripted(answers=answers)) as cloud:
        yield cloud


TRANSFER: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "avr_transfer", "parameters": {"type": "object", "properties": {}}},
}


async def test_the_openai_client_receives_chat_completions(
    cloud_that_thinks: RunningSandbox,
) -> None:
    async with openai.AsyncOpenAI(
        api_key="k", base_url=cloud_that_thinks.openai_url, max_retries=0
    ) as client:
        text, usage = "", None
        async with await client.chat.completions.create(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": "Help me."}],
            stream=True,
            stream_options={"include_usage": True},
            reasoning_effort="none",
        ) as stream:
            async for chunk in stream:
                usage = chunk.usage
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        assert text == "I can help you with that."
        assert usage is not None
        assert usage.completion_tokens == 7

        whole = await client.chat.completions.create(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": "An operator."}],
            tools=[TRANSFER],
        )
        calls = whole.choices[0].message.tool_calls
        assert calls is not None
        assert calls[0].type == "function"
        assert calls[0].function.arguments == '{"transfer_extension": "1000"}'
        assert whole.choices[0].finish_reason == "tool_calls"
        assert [model.id async for model in client.models.list()] == ["receptionist"]


async def test_the_openai_client_receives_errors(cloud_that_thinks: RunningSandbox) -> None:
    async with openai.AsyncOpenAI(
        api_key="k", base_url=cloud_that_thinks.openai_url, max_retries=0
    ) as client:

        async def ask() -> str:
            text = ""
            async with await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
            ) as stream:
                async for chunk in stream:
                    text += chunk.choices[0].delta.content or ""
            return text

        cloud_that_thinks.faults.add(
            faults.RefuseKey(part="llm"),
            faults.Status(part="llm", status=429),
            faults.Status(part="llm", status=503),
            faults.Error(part="llm", after=1, reason="overloaded"),
            faults.Truncate(part="llm", after=1),
        )
        with pytest.raises(openai.AuthenticationError):
            await ask()
        with pytest.raises(openai.RateLimitError):
            await ask()
        with pytest.raises(openai.InternalServerError):
            await ask()
        with pytest.raises(openai.APIError, match="overloaded"):
            await ask()
        with pytest.raises(openai.APIConnectionError):
            await ask()


async def test_the_openai_client_receives_speech() -> None:
    async with (
        running_sandbox() as cloud,
        openai.AsyncOpenAI(api_key="k", base_url=cloud.openai_url, max_retries=0) as client,
    ):

        async def say(voice: str) -> list[bytes]:
            async with client.audio.speech.with_streaming_response.create(
                model="gpt-4o-mini-tts",
                voice=voice,
                input="Good morning.",
                response_format="pcm",
                instructions="Speak calmly.",
            ) as response:
                assert response.headers["Content-Type"] == "audio/pcm"
                return [piece async for piece in response.iter_bytes()]

        assert len(b"".join(await say("marin"))) == len(tone("Good morning.")) * 3 // 2
        with pytest.raises(openai.BadRequestError, match="marin"):
            await say("sarah")
        cloud.faults.add(
            faults.RefuseKey(part="openai_tts"),
            faults.Status(part="openai_tts", status=503),
            faults.Truncate(part="openai_tts", after=8000),
        )
        with pytest.raises(openai.AuthenticationError):
            await say("marin")
        with pytest.raises(openai.InternalServerError):
            await say("marin")
        with pytest.raises(httpx2.RemoteProtocolError):
            await say("marin")


@pytest.mark.models
async def test_a_caller_is_recognised_answered_and_spoken_to_by_the_real_engines(
    real_cloud: RunningSandbox, clips: list[Clip]
) -> None:
    """A caller's question is recognised, answered and spoken."""
    clip = next(clip for clip in clips if "operator" in clip.text)
    client = stt_client(real_cloud)
    async with client:
        for start in range(0, len(clip.pcm), 320):
            await client.send_audio(clip.pcm[start : start + 320])
            await asyncio.sleep(0)
        await client.send_audio(bytes(16_000))
    assert client.transcript == clip.text
    assert names(client).count("EndOfTurn") == 1

    async with openai.AsyncOpenAI(api_key="k", base_url=real_cloud.openai_url) as thinker:
        answer = await thinker.chat.completions.create(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": client.transcript}],
            tools=[TRANSFER],
        )
    message = answer.choices[0].message
    assert message.tool_calls is not None
    assert message.content is not None
    async with (
        AsyncClient(api_key="k", url=real_cloud.tts_url) as voice,
        await voice.generate(text=message.content) as response,
    ):
        audio = await response.read()
    assert 1 < len(audio) / 32_000 < 8
