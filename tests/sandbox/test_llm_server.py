"""Chat Completions over HTTP, with a scripted LLM."""

import asyncio
import json

import aiohttp
from tests.sandbox.agent_wire import KEY

from avr_sts_speechmatics.sandbox.engines import ToolCall
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, running_sandbox, scripted

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


async def test_a_stream_ends_with_finish_reason_usage_and_done(http: aiohttp.ClientSession) -> None:
    async with running_sandbox(scripted(answers=["Hello there."])) as cloud:
        body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
        url = f"{cloud.openai_url}/chat/completions"
        async with http.post(url, json=body, headers=KEY) as response:
            assert response.content_type == "text/event-stream"
            *chunks, done = (await response.text()).strip().split("\n\n")
        assert done == "data: [DONE]"
        values = [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]
        text = [v["choices"][0]["delta"].get("content") for v in values[:-2]]
        assert text == ["", "Hello", " there."]
        assert values[-2]["choices"][0]["finish_reason"] == "stop"
        assert values[-1]["usage"]["total_tokens"] == 4
        assert cloud.received.chats[0].body == body


async def test_scripted_answers_are_given_in_order_and_the_last_is_repeated(
    http: aiohttp.ClientSession,
) -> None:
    answers: list[Thought] = ["One.", ["Two", ToolCall("avr_hangup", "{}")]]
    async with running_sandbox(scripted(answers=answers)) as cloud:
        got = []
        for _ in range(3):
            url = f"{cloud.openai_url}/chat/completions"
            async with http.post(url, json=CHAT, headers=KEY) as response:
                choice = (await response.json())["choices"][0]
                got.append((choice["message"]["content"], choice["finish_reason"]))
        assert got == [("One.", "stop"), ("Two", "tool_calls"), ("Two", "tool_calls")]


async def test_text_is_streamed_as_the_engine_yields_it(http: aiohttp.ClientSession) -> None:
    more = asyncio.Event()
    async with running_sandbox(scripted(answers=[["First", more, " second"]])) as cloud:
        url, body = f"{cloud.openai_url}/chat/completions", {**CHAT, "stream": True}
        async with http.post(url, json=body, headers=KEY) as response:
            assert b"First" in await response.content.readuntil(b'"First"')
            more.set()
            assert b" second" in await response.read()


async def test_errors_name_the_field(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        url, body = f"{cloud.openai_url}/chat/completions", {**CHAT, "temprature": 1}
        async with http.post(url, json=body, headers=KEY) as response:
            assert response.status == 400
            assert (await response.json())["error"]["param"] == "temprature"
        async with http.post(url, data="{", headers=KEY) as response:
            assert response.status == 400
        async with http.post(url, json=CHAT) as response:
            assert response.status == 401


async def test_any_model_name_is_accepted_and_one_is_listed(http: aiohttp.ClientSession) -> None:
    async with running_sandbox() as cloud:
        async with http.get(f"{cloud.openai_url}/models", headers=KEY) as response:
            assert [model["id"] for model in (await response.json())["data"]] == ["receptionist"]
        async with http.get(f"{cloud.openai_url}/models/gpt-6-luna", headers=KEY) as response:
            assert (await response.json())["id"] == "gpt-6-luna"
        async with http.get(f"{cloud.openai_url}/models") as response:
            assert response.status == 401
