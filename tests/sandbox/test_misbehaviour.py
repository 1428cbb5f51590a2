"""Every fault, as a client sees it."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from tests.sandbox.agent_wire import FRAME, KEY, Connect

from avr_sts_speechmatics.sandbox import faults
from avr_sts_speechmatics.sandbox.faults import Fault
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox, scripted

SAY = "/generate/sarah?output_format=pcm_16000"
TEXT = {"text": "Good morning."}
SPEECH = {"model": "m", "voice": "alloy", "input": "Hi.", "response_format": "pcm"}
HALF_A_SECOND = FRAME * 25


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **more}


async def events(response: aiohttp.ClientResponse) -> list[str]:
    """The contents of the stream's data lines."""
    return [
        line[6:].decode().strip() async for line in response.content if line.startswith(b"data: ")
    ]


@pytest.mark.parametrize(
    ("part", "path", "body"),
    [
        ("tts", SAY, TEXT),
        ("openai_tts", "/v1/audio/speech", SPEECH),
        ("llm", "/v1/chat/completions", chat()),
    ],
)
async def test_a_refused_key_and_a_busy_server_are_followed_by_normal_answers(
    http: aiohttp.ClientSession, part: faults.Part, path: str, body: dict[str, Any]
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(
            faults.RefuseKey(part=part),
            faults.Status(part=part, status=429, retry_after=7),
            faults.Status(part=part, count=2),
        )
        answers = []
        for _ in range(5):
            async with http.post(cloud.tts_url + path, json=body, headers=KEY) as response:
                answers.append((response.status, response.headers.get("Retry-After")))
        assert answers == [(401, None), (429, "7"), (503, None), (503, None), (200, None)]


@pytest.mark.parametrize(
    ("fault", "status"),
    [(faults.RefuseKey(part="stt"), 401), (faults.Status(part="stt", status=429), 429)],
)
async def test_a_handshake_can_be_refused(connect: Connect, fault: Fault, status: int) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await connect(cloud)
        assert caught.value.status == status
        assert (await (await connect(cloud)).started())["message"] == "RecognitionStarted"


async def test_a_key_can_be_refused_after_the_handshake(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.RefuseKey(part="stt", at="close"))
        client = await connect(cloud)
        assert (await client.started())["type"] == "not_authorised"
        assert await client.close_code() == 4001


async def test_one_sample_rate_can_be_refused_while_the_other_is_accepted(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.RefuseRate(rate=8000, count=None))
        client = await connect(cloud)
        assert (await client.started())["type"] == "invalid_audio_type"
        client = await connect(cloud)
        wide = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
        assert (await client.started(audio_format=wide))["message"] == "RecognitionStarted"


@pytest.mark.parametrize(("close", "seen"), [(None, 1006), (1011, 1011), (4013, 4013)])
async def test_a_session_can_be_dropped(connect: Connect, close: int | None, seen: int) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Drop(after=0.5, close=close))
        client = await connect(cloud)
        await client.started()
        await client.audio(HALF_A_SECOND)
        assert await client.close_code() == seen
        session = cloud.received.sessions[0]
        await cloud.received.until(lambda: session.close_code == seen)


async def test_a_session_can_end_with_an_error(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Error(part="stt", type="job_error", reason="tired"))
        client = await connect(cloud)
        await client.started()
        assert await client.next() == {"message": "Error", "type": "job_error", "reason": "tired"}
        assert await client.close_code() == 4013


async def test_a_session_can_send_malformed_text_and_go_on(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Malformed(part="stt"))
        client = await connect(cloud)
        await client.started()
        assert (await client.socket.receive_str()) == faults.HALF_AN_OBJECT
        assert [m["message"] for m in await client.finish(0)] == ["EndOfTranscript"]


async def test_a_session_can_stall_before_it_starts(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Stall(part="stt", after=None))
        client = await connect(cloud)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.started()
        await client.socket.close()
        await cloud.received.until(lambda: cloud.received.sessions_open == 0)


async def test_a_session_can_hang_for_a_while(connect: Connect) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Stall(part="stt", after=0, seconds=0.05))
        client = await connect(cloud)
        await client.started()
        await client.audio(FRAME)
        await asyncio.sleep(0.1)
        await client.audio(FRAME)
        assert (await client.socket.receive_json())["seq_no"] == 1


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        (SAY, TEXT, faults.Stall(part="tts", after=None)),
        ("/v1/chat/completions", chat(stream=True), faults.Stall(part="llm", after=None)),
    ],
)
async def test_an_answer_can_stall_before_it_begins(
    http: aiohttp.ClientSession, path: str, body: dict[str, Any], fault: Fault
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await http.post(cloud.tts_url + path, json=body, headers=KEY)


async def test_a_body_can_stall_half_way_and_then_complete(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        whole = await (await http.post(cloud.tts_url + SAY, json=TEXT, headers=KEY)).read()
        cloud.faults.add(faults.Stall(part="tts", after=5001, seconds=0.05))
        async with http.post(cloud.tts_url + SAY, json=TEXT, headers=KEY) as response:
            first = await response.content.readexactly(5001)
            assert first + await response.read() == whole


async def test_a_body_can_break_off(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Truncate(part="tts", after=5001))
        async with http.post(cloud.tts_url + SAY, json=TEXT, headers=KEY) as response:
            await response.content.readexactly(5001)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


async def test_the_tts_can_answer_with_a_page_instead_of_audio(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Malformed(part="tts", text="<html>"))
        async with http.post(cloud.tts_url + SAY, json=TEXT, headers=KEY) as response:
            assert response.status == 200
            assert await response.text() == "<html>"


async def test_one_of_two_tts_servers_can_fail(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Status(part="tts", count=None))
        cloud.faults.add(faults.Truncate(part="openai_tts", after=11))
        async with http.post(cloud.tts_url + SAY, json=TEXT, headers=KEY) as response:
            assert response.status == 503
        url = f"{cloud.openai_url}/audio/speech"
        async with http.post(url, json=SPEECH, headers=KEY) as response:
            await response.content.readexactly(11)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        async with http.post(url, json=SPEECH, headers=KEY) as response:
            assert await response.read()


async def ask(http: aiohttp.ClientSession, cloud: RunningSandbox) -> aiohttp.ClientResponse:
    url = f"{cloud.openai_url}/chat/completions"
    return await http.post(url, json=chat(stream=True), headers=KEY)


async def test_a_stream_can_break_off(http: aiohttp.ClientSession) -> None:
    async with running_sandbox(scripted(answers=["One two three four five."])) as cloud:
        cloud.faults.add(faults.Truncate(part="llm", after=2))
        content = (await ask(http, cloud)).content
        text = (await content.readuntil(b" two")).decode()
        with pytest.raises(aiohttp.ClientPayloadError):
            text += (await content.read()).decode()
        assert "One" in text
        assert " two" in text
        assert "three" not in text
        assert "[DONE]" not in text


async def test_a_stream_can_contain_an_error(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Error(part="llm", after=0, reason="overloaded"))
        last = (await events(await ask(http, cloud)))[-1]
        assert json.loads(last)["error"]["message"] == "overloaded"


async def test_a_stream_can_contain_malformed_data_and_go_on(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.Malformed(part="llm", after=1))
        lines = await events(await ask(http, cloud))
        assert faults.HALF_AN_OBJECT in lines
        assert lines[-1] == "[DONE]"


async def test_the_model_can_call_a_tool_that_does_not_exist(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(faults.GarbageToolCall())
        chunks = [json.loads(line) for line in (await events(await ask(http, cloud)))[:-1]]
        calls = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", ())]
        assert calls[0]["function"]["name"] == "no_such_tool"
        assert "".join(call["function"]["arguments"] for call in calls) == '{"to": '
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
