"""Thinking over the wire of Chat Completions: what is sent, what comes back, what fails how."""

import asyncio
import contextlib
import gc
import json
import sys
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from typing import Any

import openai as vendor
import pytest
import uvloop
from aiohttp import web
from tests.services.llm.wire import END, FINISHED, STREAM, WireServer, piece, wire, words
from tests.services.llm.wire import whole as reply_of

from avr_sts_speechmatics.conversation import Message, ToolCall
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.sandbox.faults import (
    Chunks,
    Error,
    Malformed,
    RefuseKey,
    Stall,
    Status,
    Truncate,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox, running_sandbox, scripted
from avr_sts_speechmatics.services.llm import event_stream, openai
from avr_sts_speechmatics.services.llm.openai import OpenAiLlm
from avr_sts_speechmatics.services.llm.protocol import Brief, Usage
from avr_sts_speechmatics.values import Secret

ASKED = [Message("user", "When do you close?")]


@asynccontextmanager
async def llm(url: str | RunningSandbox, **options: Any) -> AsyncIterator[OpenAiLlm]:
    base = url if isinstance(url, str) else url.openai_url
    model = OpenAiLlm("a-model", Secret("a-key"), base, **options)
    try:
        yield model
    finally:
        await model.close()


async def whole(model: OpenAiLlm) -> str:
    return "".join([str(text) async for text in model.reply(Brief("Be brief."), ASKED)])


async def collect(text: AsyncGenerator[str | ToolCall, None], came: list[str]) -> None:
    async for part in text:
        came.append(str(part))


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("/?api-version=2024-10-21", {"api-version": "2024-10-21"}),
        ("?api-version=2024-10-21&x=", {"api-version": "2024-10-21", "x": ""}),
        ("?token=a%2Fb%20c", {"token": "a/b c"}),
        ("/", {}),
    ],
)
async def test_the_query_of_an_address_goes_behind_the_path(
    query: str, sent: dict[str, str]
) -> None:
    async with running_sandbox(scripted(answers=["At five."])) as cloud:
        async with llm(cloud.openai_url + query) as model:
            assert await whole(model) == "At five."
        request = cloud.received.chats[0]
        assert (request.path, dict(request.query)) == ("/v1/chat/completions", sent)


async def test_an_answer_is_streamed() -> None:
    async with running_sandbox(scripted(answers=["At five. See you."])) as cloud:
        async with llm(cloud) as model:
            pieces = [str(text) async for text in model.reply(Brief("Be brief."), ASKED)]
        assert "".join(pieces) == "At five. See you."
        assert len(pieces) > 1
        request = cloud.received.chats[0]
        assert request.headers["Authorization"] == "Bearer a-key"
        assert request.body == {
            "model": "a-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "When do you close?"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 300,
        }


async def test_what_is_configured_is_sent() -> None:
    async with running_sandbox() as cloud:
        async with llm(cloud, temperature=0.3, max_tokens=50, effort="low") as model:
            await whole(model)
        body = cloud.received.chats[0].body
        assert (body["temperature"], body["max_tokens"], body["reasoning_effort"]) == (
            0.3,
            50,
            "low",
        )


def test_openai_itself_is_told_not_to_reason_and_other_servers_are_told_little() -> None:
    official = OpenAiLlm("gpt", Secret("k"))._form.parameters
    assert official["reasoning_effort"] == "none"
    assert "max_completion_tokens" in official
    other = OpenAiLlm("gpt", None, "http://localhost/v1")._form.parameters
    assert set(other) == {"model", "stream", "stream_options", "max_tokens"}


async def test_a_caller_who_interrupts_stops_the_work() -> None:
    never = asyncio.Event()
    async with running_sandbox(scripted(answers=[["One, ", never]])) as cloud:
        async with llm(cloud) as model, aclosing(model.reply(Brief(""), ASKED)) as reply:
            assert await anext(reply) == "One, "
        await cloud.received.until(lambda: cloud.received.chats[0].status == 200)
        assert not cloud.received.chats[0].done


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_server_is_asked_once_more(status: int) -> None:
    async with running_sandbox(scripted(answers=["Yes."])) as cloud:
        cloud.faults.add(Status(part="llm", status=status))
        async with llm(cloud) as model:
            assert await whole(model) == "Yes."
        assert len(cloud.received.chats) == 2


async def test_a_server_that_stays_busy_fails_in_words_that_can_be_tried_again() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(Status(part="llm", count=None))
        async with llm(cloud) as model:
            with pytest.raises(ServiceError) as failed:
                await whole(model)
        assert failed.value.retryable
        assert len(cloud.received.chats) == openai.TRIES


async def test_a_wait_longer_than_a_caller_would_is_not_waited_for() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(Status(part="llm", status=429, retry_after=60))
        async with llm(cloud) as model:
            with pytest.raises(ServiceError):
                await whole(model)
        assert len(cloud.received.chats) == 1


async def test_a_refused_key_is_not_tried_again_and_not_told() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(RefuseKey(part="llm", count=None))
        async with llm(cloud) as model:
            with pytest.raises(ServiceError) as failed:
                await whole(model)
        assert not failed.value.retryable
        assert "a-key" not in str(failed.value)
        assert len(cloud.received.chats) == 1


@pytest.mark.parametrize("fault", [Truncate(part="llm", after=2), Error(part="llm", after=2)])
async def test_a_stream_that_breaks_gives_what_came_and_is_never_begun_anew(
    fault: Truncate | Error,
) -> None:
    async with running_sandbox(scripted(answers=["One two three four five."])) as cloud:
        cloud.faults.add(fault)
        async with llm(cloud) as model:
            came: list[str] = []
            with pytest.raises(ServiceError) as failed:
                await collect(model.reply(Brief(""), ASKED), came)
        assert "".join(came) == "One two"
        assert failed.value.service == "llm"
        assert len(cloud.received.chats) == 1


@pytest.mark.parametrize("after", [None, 0, 1])
async def test_a_stream_that_stalls_fails(
    after: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "FIRST_S", 0.3)
    monkeypatch.setattr(openai, "GAP_S", 0.3)
    async with running_sandbox(scripted(answers=["One two three."])) as cloud:
        cloud.faults.add(Stall(part="llm", after=after, count=None))
        async with llm(cloud) as model:
            with pytest.raises(ServiceError):
                await asyncio.wait_for(whole(model), 3)


async def test_a_line_of_garbage_in_the_stream_fails_as_a_service_does() -> None:
    async with running_sandbox(scripted(answers=["One two three."])) as cloud:
        cloud.faults.add(Malformed(part="llm", after=1))
        async with llm(cloud) as model:
            with pytest.raises(ServiceError):
                await whole(model)


async def test_a_server_that_is_not_there_fails_as_a_service_does() -> None:
    async with running_sandbox() as cloud:
        url = cloud.openai_url
    async with llm(url) as model:
        with pytest.raises(ServiceError) as failed:
            await whole(model)
        assert failed.value.retryable


@pytest.mark.parametrize("line", ["null", "[]", '{"choices": null}', '{"choices": [{}]}', "7"])
async def test_a_chunk_of_no_known_shape_is_skipped_or_fails_as_a_service_does(line: str) -> None:
    async with running_sandbox(scripted(answers=["One two three."])) as cloud:
        cloud.faults.add(Malformed(part="llm", after=1, text=line))
        async with llm(cloud) as model:
            with contextlib.suppress(ServiceError):
                assert await whole(model) == "One two three."


@asynccontextmanager
async def picky_server(refused: str, bodies: list[dict[str, Any]]) -> AsyncIterator[str]:
    """A compatible server that answers 400 to any request with the parameter `refused`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        bodies.append(body)
        if refused in body:
            error = {"message": f"Unsupported parameter: '{refused}'", "param": refused}
            return web.json_response({"error": error}, status=400)
        text = (
            'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
            '[{"index":0,"delta":{"content":"Fine."},"finish_reason":null}]}\n\n'
            "data: [DONE]\n\n"
        )
        return web.Response(text=text, content_type="text/event-stream")

    async with serving(handle) as url:
        yield url


@asynccontextmanager
async def serving(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """A server of the API; its base address."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("refused", ["max_tokens", "reasoning_effort", "temperature"])
async def test_a_parameter_a_server_refuses_is_left_out_from_then_on(refused: str) -> None:
    bodies: list[dict[str, Any]] = []
    async with (
        picky_server(refused, bodies) as url,
        llm(url, temperature=0.5, effort="low") as model,
    ):
        assert await whole(model) == "Fine."
        assert await whole(model) == "Fine."
    assert [refused in body for body in bodies] == [True, False, False]
    kept = {"max_tokens", "reasoning_effort", "temperature"} - {refused}
    assert kept <= set(bodies[-1])


async def test_another_400_is_the_operators_to_mend() -> None:
    bodies: list[dict[str, Any]] = []
    async with picky_server("model", bodies) as url, llm(url) as model:
        with pytest.raises(ServiceError) as failed:
            await whole(model)
        assert not failed.value.retryable
    assert len(bodies) == 1


@asynccontextmanager
async def reasoner(*answers: str, model: str = "a-model") -> AsyncIterator[OpenAiLlm]:
    """A model that streams these answers."""
    async with running_sandbox(scripted(answers=answers)) as cloud:
        client = OpenAiLlm(model, None, cloud.openai_url)
        try:
            yield client
        finally:
            await client.close()


REASONED = "They ask. I know.</think> At five."


async def test_reasoning_without_its_beginning_is_remembered_for_the_server() -> None:
    async with reasoner("Hours it is. I know.</think> At five.", REASONED) as model:
        assert (await whole(model)).endswith("\nAt five.")
        assert await whole(model) == "At five."
        assert await whole(model) == "At five."
        (change,) = model.state().adaptations
        assert "answers wait for the end of the reasoning" in change


@pytest.mark.parametrize("name", ["deepseek-r1:8b", "qwq-32b", "Qwen3-4B-Thinking-2507"])
async def test_the_first_answer_of_a_model_that_may_reason_waits(name: str) -> None:
    async with reasoner(REASONED, model=name) as model:
        assert await whole(model) == "At five."
        assert await whole(model) == "At five."


@pytest.mark.parametrize("begin", ["They ask", "Okay, so the user asks", "The caller wants hours"])
async def test_a_first_answer_that_begins_as_reasoning_does_waits(begin: str) -> None:
    async with reasoner(f"{begin}. I know.</think> At five.") as model:
        assert await whole(model) == "At five."
        assert await whole(model) == "At five."
    async with reasoner(f"{begin}. At five.") as model:
        pieces = [[str(piece) async for piece in model.reply(Brief(""), ASKED)] for _ in range(2)]
        assert list(map("".join, pieces)) == [f"{begin}. At five."] * 2
        assert len(pieces[0]) == 1 < len(pieces[1])


async def test_a_model_that_does_not_reason_after_all_waits_once() -> None:
    async with reasoner("At five. Or six.", model="deepseek-r1") as model:
        pieces = [[str(piece) async for piece in model.reply(Brief(""), ASKED)] for _ in range(2)]
        assert list(map("".join, pieces)) == ["At five. Or six."] * 2
        assert list(map(len, pieces)) == [1, 4]
        assert model.state().adaptations == ()


async def test_reasoning_in_a_field_of_its_own_holds_no_text_back() -> None:
    deltas: list[dict[str, Any]] = [{"reasoning_content": "They ask."}]
    deltas += [{"content": "At "}, {"content": "five."}]
    async with running_sandbox() as cloud:
        cloud.faults.add(Chunks(deltas=deltas))
        model = OpenAiLlm("deepseek-r1", None, cloud.openai_url)
        pieces = [piece async for piece in model.reply(Brief(""), ASKED)]
        await model.close()
    assert pieces == ["At ", "five."]


async def test_a_server_that_does_not_stream_is_read_too() -> None:
    async def handle(request: web.Request) -> web.Response:
        message = {"role": "assistant", "content": "At five."}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})

    async with serving(handle) as url, llm(url) as model:
        assert await whole(model) == "At five."


async def test_a_refusal_inside_the_stream_is_cured_before_anything_was_said() -> None:
    bodies: list[dict[str, Any]] = []

    async def handle(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        refused = {"error": {"message": "temperature is not supported", "code": 400}}
        fine = {"choices": [{"delta": {"content": "Fine."}, "finish_reason": "stop"}]}
        line = refused if "temperature" in bodies[-1] else fine
        text = f"data: {json.dumps(line)}\n\ndata: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    async with serving(handle) as url, llm(url, temperature=0.5) as model:
        assert await whole(model) == "Fine."
    assert len(bodies) == 2


async def finished(model: OpenAiLlm, _: WireServer) -> None:
    assert await whole(model) == "Until five o'clock."


async def closed(model: OpenAiLlm, _: WireServer) -> None:
    async with aclosing(model.reply(Brief(""), ASKED)) as reply:
        assert str(await anext(reply)).startswith("Until ")


async def cancelled(model: OpenAiLlm, server: WireServer) -> None:
    came: list[str] = []
    task = asyncio.create_task(collect(model.reply(Brief(""), ASKED), came))
    while not came:  # noqa: ASYNC110 - every step of the loop is looked at
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def cancelled_early(model: OpenAiLlm, server: WireServer) -> None:
    task = asyncio.create_task(whole(model))
    asked = len(server.requests)
    await server.until(lambda: len(server.requests) > asked)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def failed(model: OpenAiLlm, _: WireServer) -> None:
    with pytest.raises(ServiceError):
        await whole(model)


def cut(transport: asyncio.Transport) -> None:
    transport.write(UNFINISHED)
    transport.close()


UNFINISHED = STREAM + piece(words("Until "))


@pytest.mark.parametrize(
    ("use", "answer"),
    [
        (finished, FINISHED),
        (finished, FINISHED.removesuffix(END)),
        (closed, UNFINISHED),
        (cancelled, UNFINISHED),
        (cancelled_early, lambda _: None),
        (failed, reply_of(b'{"error": {"message": "wrong key"}}', "401 No")),
        (failed, reply_of(b'{"error": {"message": "odd"}}', "500 No")),
        (failed, cut),
    ],
    ids=["finished", "left open", "closed", "cancelled", "early", "401", "500", "cut"],
)
def test_an_answer_leaves_no_garbage_and_no_generator(
    use: Callable[[OpenAiLlm, WireServer], Awaitable[None]],
    answer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "REST_S", 0.01)
    monkeypatch.setattr(openai, "RETRY_WAIT_S", 0.01)
    # On uvloop, as in service: asyncio's own transports are garbage after their end.
    uvloop.run(leaves_nothing(use, answer))


async def leaves_nothing(
    use: Callable[[OpenAiLlm, WireServer], Awaitable[None]], answer: Any
) -> None:
    begun: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
    hooks = sys.get_asyncgen_hooks()
    assert hooks.firstiter is not None
    loops_own = hooks.firstiter

    def begin(generator: AsyncGenerator[Any, Any]) -> None:
        begun.add(generator)
        loops_own(generator)

    async with wire(answer) as server, llm(server.url) as model:
        await use(model, server)
        sys.set_asyncgen_hooks(firstiter=begin)
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await use(model, server)
            if answer == FINISHED or (isinstance(answer, bytes) and answer.endswith(b"}")):
                assert server.opened == 1
            else:
                await server.until(lambda: not server.open)
            await asyncio.sleep(0.05)
            suspended = [one for one in begun if getattr(one, "ag_frame", None)]
            found = gc.collect()
        finally:
            gc.enable()
        assert found / 20 < 5
        assert not suspended


async def following(reply: AsyncGenerator[str | ToolCall, None]) -> str | ToolCall:
    return await anext(reply)


async def test_a_reply_is_continued_by_other_tasks() -> None:
    async with wire(FINISHED) as server, llm(server.url) as model:
        reply = model.reply(Brief(""), ASKED)
        pieces = []
        with contextlib.suppress(StopAsyncIteration):
            while True:
                pieces.append(str(await asyncio.create_task(following(reply))))
    assert "".join(pieces) == "Until five o'clock."


async def test_an_answer_costs_a_fraction_of_the_sdks() -> None:
    """CPU of requests with twelve messages and twenty chunks, the server's included in both."""
    chunks = b"".join(piece(words(f"word{number}. ")) for number in range(20))
    turns = [Message("user", "When do you close?"), Message("assistant", "At five.")] * 6

    async def by_us() -> None:
        assert len([text async for text in model.reply(Brief("Be brief."), turns[:-1])]) == 20

    async def by_sdk() -> None:
        stream = await sdk.post(
            "/chat/completions",
            cast_to=object,
            body={"model": "m", "messages": [asdict(turn) for turn in turns], "stream": True},
            stream=True,
            stream_cls=vendor.AsyncStream[object],
        )
        assert len([chunk async for chunk in stream]) == 20

    costs = {by_us: 0.0, by_sdk: 0.0}
    async with (
        wire(STREAM + chunks + piece(b"data: [DONE]\n\n") + END) as server,
        llm(server.url) as model,
        vendor.AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0) as sdk,
    ):
        for _ in range(3):  # alternating, so that both meet the same machine
            for way in costs:
                await way()
                begun = time.process_time()
                for _ in range(20):
                    await way()
                costs[way] += time.process_time() - begun
    assert costs[by_us] < costs[by_sdk] / 2, costs


# --- what is charged for --------------------------------------------------------------------------


async def used_by(model: OpenAiLlm, history: list[Any] = ASKED) -> list[Usage]:
    used: list[Usage] = []
    with contextlib.suppress(ServiceError):
        async for _ in model.reply(Brief("Be brief."), history, used.append):
            pass
    return used


async def test_tokens_are_reported_with_their_server_and_model() -> None:
    async with running_sandbox() as cloud, llm(cloud) as model:
        (usage,) = await used_by(model)
    assert usage.model == "a-model"
    assert f"//{usage.server}/" in cloud.openai_url
    assert not usage.estimated


async def test_the_tokens_of_a_dropped_answer_are_estimated_from_the_answers_before() -> None:
    never = asyncio.Event()
    async with running_sandbox(scripted(answers=["Yes.", ["One, two", never]])) as cloud:
        async with llm(cloud) as model:
            (counted,) = await used_by(model)
            dropped: list[Usage] = []
            async with aclosing(model.reply(Brief("Be brief."), ASKED, dropped.append)) as reply:
                await anext(reply)
            (usage,) = dropped
    assert usage.estimated
    assert usage.prompt == counted.prompt
    assert usage.completion > 0
    assert usage.cached == 0


async def test_a_request_that_is_dropped_before_its_first_word_is_estimated() -> None:
    never = asyncio.Event()
    async with running_sandbox(scripted(answers=[[never]])) as cloud, llm(cloud) as model:
        used: list[Usage] = []

        async def ask() -> None:
            async for _ in model.reply(Brief("Be brief."), ASKED, used.append):
                pass

        asking = asyncio.create_task(ask())
        await cloud.received.until(lambda: len(cloud.received.chats) == 1)
        asking.cancel()
        await asyncio.wait((asking,))
    (usage,) = used
    assert usage.estimated
    assert usage.prompt > 0
    assert usage.completion == 0


@pytest.mark.parametrize(
    "fault", [RefuseKey(part="llm", count=None), Status(part="llm", count=None)]
)
async def test_a_refused_request_uses_nothing(fault: Any) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        async with llm(cloud) as model:
            assert await used_by(model) == []


async def test_a_refused_request_that_is_changed_and_sent_again_counts_once() -> None:
    bodies: list[dict[str, Any]] = []
    async with picky_server("temperature", bodies) as url, llm(url, temperature=0.5) as model:
        (usage,) = await used_by(model)
    assert len(bodies) == 2
    assert usage.estimated  # this server reports no tokens


async def test_an_answer_that_breaks_off_is_estimated() -> None:
    async with running_sandbox(scripted(answers=["One two three four five."])) as cloud:
        cloud.faults.add(Truncate(part="llm", after=2))
        async with llm(cloud) as model:
            (usage,) = await used_by(model)
    assert usage.estimated
    assert usage.completion > 0
