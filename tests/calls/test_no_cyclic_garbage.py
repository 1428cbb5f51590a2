"""Ended turns and calls are freed at once: next to nothing is left to the cycle collector.

A collection stops the audio of all calls, for as long as it takes to free what has gathered.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from tests import asterisk_websocket
from tests.avr_core import AvrCore, dial
from tests.calls.counted_garbage import CountedService, counted_service
from tests.calls.live_call import OWN_TOOLS, PATIENCE_S, LiveCall, asks_for

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.engines import Engines, ToolCall
from avr_sts_speechmatics.sandbox.faults import Drop, Stall, Status, Truncate
from avr_sts_speechmatics.sandbox.received import SttSession
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedStt,
    running_sandbox,
    tone,
)

TURNS = 50
CALLS = 50

TURN_MAX = 5
"""Most objects of a turn that are left to the collector, on average over all kinds of turns."""

UUID = "5f0f2a4e-0d3c-4a55-9a3c-6d8f7d0e6b11"


class Clerk:
    """The model: uses a tool if the caller asks for a booking, else says a sentence or two."""

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        last = messages[-1]
        asked = last["content"] if last["role"] == "user" else ""
        if "booking" in asked:
            yield asks_for("find_booking")
        elif "story" in asked and "stop" not in asked:
            yield "A long story begins. "
        else:
            for piece in ("That", " is", " so.", " And", " good."):
                yield piece


class Voice:
    """The TTS: short tones; a long text never ends."""

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        yield tone(text, seconds_per_character=0.005)
        if "long" in text:
            await asyncio.Event().wait()


class Scene:
    """A service whose garbage is counted, and a caller who makes turns."""

    def __init__(self, cloud: RunningSandbox, service: CountedService) -> None:
        self.cloud = cloud
        self.service = service
        self._numbers = itertools.count(1)

    # --- calls ---------------------------------------------------------------------------------

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
        async with asyncio.timeout(PATIENCE_S):
            while await self.service.calls():
                await asyncio.sleep(0.01)

    # --- turns ---------------------------------------------------------------------------------

    async def turn(self, call: LiveCall, kind: str) -> None:
        """Make one turn, and wait until the agent's answer was heard.

        kind: name of one of the methods below.
        """
        number = next(self._numbers)
        heard = len(call.heard.said("agent"))
        await getattr(self, kind)(call, f"{number}")
        await call.until(
            lambda now: now.transcript[-1:] and now.transcript[-1][0] == "agent" and len(now.said("agent")) > heard
        )

    async def plain(self, call: LiveCall, number: str) -> None:
        call.say(f"Question {number}?")

    async def drafted(self, call: LiveCall, number: str) -> None:
        """Begin two answers ahead; drop the first."""
        asked = len(self.cloud.received.chats)
        call.say_partly(f"Question {number}, or rather")
        await call.until_came(lambda: len(self.cloud.received.chats) > asked)
        call.say_partly(f"question {number} b.")
        await call.until_came(lambda: len(self.cloud.received.chats) > asked + 1)
        call.end_turn()

    async def interrupted(self, call: LiveCall, number: str) -> None:
        frames = len(call.heard.of("audio"))
        call.say(f"Question {number}?")
        await call.until(lambda heard: len(heard.of("audio")) > frames)
        call.begin_to_speak()
        call.say(f"No, stop, I meant question {number} b!")

    async def cut(self, call: LiveCall, number: str) -> None:
        """Interrupt a sentence of which the voice has sent a part."""
        frames = len(call.heard.of("audio"))
        call.say(f"Tell me story {number}.")
        await call.until(lambda heard: len(heard.of("audio")) > frames)
        call.begin_to_speak()
        call.say(f"No, stop, I meant question {number} b!")

    async def coughed(self, call: LiveCall, number: str) -> None:
        frames = len(call.heard.of("audio"))
        call.say(f"Question {number}?")
        await call.until(lambda heard: len(heard.of("audio")) > frames)
        call.begin_to_speak()
        call.session.say(stt_messages.speech_ended(call._at + 1))

    async def with_tool(self, call: LiveCall, number: str) -> None:
        call.say(f"When is my booking {number}?")

    async def tts_refused(self, call: LiveCall, number: str) -> None:
        self.cloud.faults.add(Status(part="tts"))
        call.say(f"Question {number}?")

    async def tts_cut(self, call: LiveCall, number: str) -> None:
        self.cloud.faults.add(Truncate(part="tts", after=0))
        call.say(f"Question {number}?")

    async def tts_late(self, call: LiveCall, number: str) -> None:
        self.cloud.faults.add(Stall(part="tts", after=None))
        call.say(f"Question {number}?")

    async def tts_gone(self, call: LiveCall, number: str) -> None:
        self.cloud.faults.add(*(Status(part="tts", status=400) for _ in range(1)))
        call.say(f"Question {number}?")

    async def llm_refused(self, call: LiveCall, number: str) -> None:
        self.cloud.faults.add(Status(part="llm"))
        call.say(f"Question {number}?")

    async def llm_gone(self, call: LiveCall, number: str) -> None:
        self.cloud.faults.add(Status(part="llm", status=400))
        call.say(f"Question {number}?")

    async def stt_dropped(self, call: LiveCall, number: str) -> None:
        sessions = len(self.cloud.received.sessions)
        call.lose_stt()
        call.session = await self.cloud.received.session(sessions, timeout=PATIENCE_S)
        call.say(f"Question {number}?")


@asynccontextmanager
async def scene(**changes: Any) -> AsyncIterator[Scene]:
    async with running_sandbox(Engines(ScriptedStt(), Voice(), Clerk())) as cloud:
        model = {"openai_api_key": "another-key", "openai_base_url": cloud.openai_url}
        async with counted_service(cloud, **(model | changes)) as service:
            yield Scene(cloud, service)


KINDS="plain drafted interrupted cut coughed with_tool tts_refused tts_cut tts_late tts_gone llm_refused llm_gone stt_dropped".split()
@pytest.mark.parametrize("kind", KINDS)
async def test_a_turn(kind: str) -> None:
    async with scene(tools_dir=str(OWN_TOOLS)) as here, here.call() as call:
        await here.turn(call, kind)
        await here.turn(call, "plain")
        await here.service.garbage()
        for _ in range(5):
            await here.turn(call, kind)
            if kind.endswith("gone"): await here.turn(call, "plain")
        garbage = await here.service.garbage()
        print("KIND", kind, garbage.shown(5))


@asynccontextmanager
async def avr(here):
    async with here.call() as call:
        yield call.session

@asynccontextmanager
async def asterisk(here):
    sessions = len(here.cloud.received.sessions)
    async with asterisk_websocket.dial(here.service.url+"media") as core:
        await core.start()
        yield await here.cloud.received.session(sessions, timeout=PATIENCE_S)
    await here.over()

@asynccontextmanager
async def audiosocket(here):
    from tests.transports.test_audiosocket import HELLO, in_frames
    sessions = len(here.cloud.received.sessions)
    reader, writer = await asyncio.open_connection("127.0.0.1", here.service.ports["AUDIOSOCKET_PORT"])
    writer.write(HELLO+in_frames(bytes(3200)))
    async def drain():
        while await reader.read(4096): pass
    t=asyncio.create_task(drain())
    try:
        yield await here.cloud.received.session(sessions, timeout=PATIENCE_S)
    finally:
        writer.close()
        await writer.wait_closed()
        t.cancel()
    await here.over()

@asynccontextmanager
async def http_stream(here):
    sessions = len(here.cloud.received.sessions)
    async def line():
        while True:
            yield bytes(320)
            await asyncio.sleep(0.02)
    async with aiohttp.ClientSession() as http, http.post(here.service.url.replace("ws:","http:")+"speech-to-speech-stream", data=line()) as response:
        yield await here.cloud.received.session(sessions, timeout=PATIENCE_S)
    await here.over()

@pytest.mark.parametrize("dial", [avr, asterisk, audiosocket, http_stream])
async def test_a_call(dial) -> None:
    async with scene(audiosocket_port=0) as here:
      for n in range(11):
        async with dial(here) as session:
            chats = len(here.cloud.received.speech)
            session.say(stt_messages.segment("Question?", 1.0, 2.0))
            session.say(stt_messages.end_of_turn(2.0))
            await here.cloud.received.until(lambda: len(here.cloud.received.speech) > chats)
            await asyncio.sleep(0.05)
        if n==0: await here.service.garbage()
      garbage = await here.service.garbage()
      print("KIND call", dial, garbage.shown(10))


@pytest.mark.parametrize("path", ["health", "ready", "nothing"])
async def test_probe(path) -> None:
    async with scene() as here, aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
      for n in range(11):
        async with http.get(here.service.url.replace("ws:","http:")+path) as response:
            await response.read()
        await here.over()
        if n==0: await here.service.garbage()
      garbage = await here.service.garbage()
      print("KIND call", path, garbage.shown(10))
