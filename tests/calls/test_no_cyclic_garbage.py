"""Ended turns and calls are freed at once: next to nothing is left to the cycle collector.

A collection stops the audio of all calls, for as long as it takes to free what has gathered.
"""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.avr_core import dial
from tests.calls.counted_garbage import CountedService, counted_service
from tests.calls.live_call import CHARACTER_S, OWN_TOOLS, PATIENCE_S, LiveCall, asks_for
from tests.support import until

from avr_sts_speechmatics.sandbox.engines import Engines, ToolCall
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedStt,
    ToneTts,
    running_sandbox,
)

TURNS = 50
CALLS = 50

UUID = "5f0f2a4e-0d3c-4a55-9a3c-6d8f7d0e6b11"


class Clerk:
    """The model: uses a tool if the caller asks for a booking; otherwise says two sentences."""

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        last = messages[-1]
        if last["role"] == "user" and "booking" in last["content"]:
            yield asks_for("find_booking")
            return
        for word in "This is what I know about that. And here is a second sentence.".split():
            yield f"{word} "


class Counted:
    """A service whose garbage is counted, and the caller who makes turns in it."""

    def __init__(self, cloud: RunningSandbox, service: CountedService) -> None:
        self.cloud = cloud
        self.service = service
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[LiveCall]:
        sessions = len(self.cloud.received.sessions)
        async with dial(self.service.url) as core:
            await core.init(UUID)
            session = await self.cloud.received.session(sessions, timeout=PATIENCE_S)
            yield LiveCall(self.cloud, None, core, session)  # type: ignore[arg-type]
        await self.over()

    async def over(self) -> None:
        """Wait until the service has no call."""
        while await self.service.calls():
            pass

    async def turn(self, call: LiveCall, kind: str) -> None:
        """Make one turn and wait until the agent's answer is heard."""
        number, heard = next(self._numbers), len(call.heard.transcript)

        def answered(sentences: int) -> bool:
            said = [text for who, text in call.heard.transcript[heard:] if who == "agent"]
            return len(" ".join(said).split(".")) > sentences

        match kind:
            case "plain":
                call.say(f"Question {number}?")
                await call.until(lambda _: answered(2))
            case "draft":
                asked = len(self.cloud.received.chats)
                call.say_partly(f"Question {number}, or rather")
                await call.until_came(lambda: len(self.cloud.received.chats) > asked)
                call.say_partly(f"question {number} b.")
                await call.until_came(lambda: len(self.cloud.received.chats) > asked + 1)
                call.end_turn()
                await call.until(lambda _: answered(2))
            case "barge-in":
                frames = len(call.heard.of("audio"))
                call.say(f"Question {number}?")
                await call.until(lambda heard: len(heard.of("audio")) > frames)
                call.begin_to_speak()
                call.say(f"No, stop, I meant question {number} b!")
                await call.until(lambda _: answered(2))
            case "tool":
                call.say(f"When is my booking {number}?")
                await call.until(lambda _: answered(2))
        heard_all = lambda _: True
        await call.until(heard_all)


@asynccontextmanager
async def counted(**changes: Any) -> AsyncIterator[Counted]:
    engines = Engines(ScriptedStt(), ToneTts(seconds_per_character=CHARACTER_S), Clerk())
    async with running_sandbox(engines) as cloud:
        model = {"openai_api_key": "another-key", "openai_base_url": cloud.openai_url}
        async with counted_service(cloud, **(model | changes)) as service:
            yield Counted(cloud, service)


def shown(garbage: Counter[str], per: int) -> str:
    rows = "\n".join(f"  {number / per:6.1f}  {kind}" for kind, number in garbage.most_common(40))
    return f"{garbage.total() / per:.1f} objects for each of {per}:\n{rows}"


@pytest.mark.parametrize("kind", ["plain", "draft", "barge-in", "tool"])
async def test_a_turn(kind: str) -> None:
    async with counted(tools_dir=str(OWN_TOOLS)) as here, here.call() as call:
        await here.turn(call, kind)
        await here.service.garbage()
        for _ in range(10):
            await here.turn(call, kind)
        garbage = await here.service.garbage()
        print(kind, shown(garbage, 10))


async def test_a_call() -> None:
    async with counted() as here:
        async with here.call() as call:
            await here.turn(call, "plain")
        await here.service.garbage()
        for _ in range(10):
            async with here.call() as call:
                await here.turn(call, "plain")
        garbage = await here.service.garbage()
        print("call", shown(garbage, 10))
