"""Ended turns and calls are freed at once: next to nothing is left to the cycle collector.

A collection stops the audio of all calls, for as long as it takes to free what has gathered.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests import asterisk_websocket
from tests.avr_core import Heard, dial
from tests.calls.counted_garbage import CountedService, counted_service
from tests.calls.live_call import OWN_TOOLS, PATIENCE_S, LiveCall, asks_for, fake_avr_ami
from tests.otlp_receiver import otlp_collector
from tests.transports.test_audiosocket import HELLO, in_frames
from tests.webhook_target import webhook_target

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.engines import Engines, ToolCall
from avr_sts_speechmatics.sandbox.faults import Stall, Status, Truncate
from avr_sts_speechmatics.sandbox.received import SttSession
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedStt,
    running_sandbox,
    tone,
)

TURNS = 50
CALLS = 50

OBJECTS_A_TURN = 5
"""Most objects of a turn that are left to the collector, on average over all kinds of turns."""

OBJECTS_A_CALL = 1
"""Most objects of a call that are left to the collector, on average over all transports."""

LAST_WORDS = "And good."
STORY = "A long story begins."


class Clerk:
    """The model: uses a tool if the caller asks for a booking, else says a sentence or two."""

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        last = messages[-1]
        asked = last["content"] if last["role"] == "user" else ""
        if "booking" in asked:
            yield asks_for("find_booking")
        elif "Goodbye" in asked:
            yield "Goodbye."
            yield ToolCall("avr_hangup", "{}")
        elif "story" in asked and "stop" not in asked:
            yield f"{STORY} "
        else:
            for piece in ("That", " is", " so.", " And", " good."):
                yield piece


class Voice:
    """The TTS: short tones. The story never ends."""

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        yield tone(text, seconds_per_character=0.005)
        if text == STORY:
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
            await core.init()
            session = await self.cloud.received.session(sessions, timeout=PATIENCE_S)
            yield LiveCall(self.cloud, None, core, session)  # type: ignore[arg-type]

    async def session(self, number: int) -> SttSession:
        """Wait for an STT session. number: of the session, from 0."""
        return await self.cloud.received.session(number, timeout=PATIENCE_S)

    async def answered(self, session: SttSession) -> None:
        """Ask a question in a session, and return while the answer is heard."""
        received = self.cloud.received
        spoken = len(received.speech)
        session.say(stt_messages.segment("A question?", 1.0, 2.0))
        session.say(stt_messages.end_of_turn(2.0))
        await received.until(
            lambda: [request.done for request in received.speech[spoken:]] == [True, True],
            timeout=PATIENCE_S,
        )

    async def over(self) -> None:
        """Wait until the service has no call."""
        await self.service.until_no_call()

    # --- turns ---------------------------------------------------------------------------------

    async def turn(self, call: LiveCall, kind: str) -> None:
        """Make one turn, and wait until the agent's answer was heard.

        kind: name of one of the methods below.
        """
        said = len(call.heard.said("agent"))
        await getattr(self, kind)(call, next(self._numbers))
        last = Manners().sorry if kind.endswith("_gone") else LAST_WORDS
        await call.until(lambda heard: last in heard.said("agent")[said:])

    async def plain(self, call: LiveCall, number: int) -> None:
        call.say(f"Question {number}?")

    async def drafted(self, call: LiveCall, number: int) -> None:
        """Begin two answers ahead; drop the first."""
        asked = len(self.cloud.received.chats)
        call.say_partly(f"Question {number}, or rather")
        await call.until_came(lambda: len(self.cloud.received.chats) > asked)
        call.say_partly(f"question {number} b.")
        await call.until_came(lambda: len(self.cloud.received.chats) > asked + 1)
        call.end_turn()

    async def interrupted(self, call: LiveCall, number: int) -> None:
        frames = len(call.heard.of("audio"))
        call.say(f"Question {number}?")
        await call.until(lambda heard: len(heard.of("audio")) > frames)
        call.begin_to_speak()
        call.say(f"No, stop, I meant question {number} b!")

    async def cut(self, call: LiveCall, number: int) -> None:
        """Interrupt a sentence of which the voice has sent a part."""
        frames = len(call.heard.of("audio"))
        call.say(f"Tell me story {number}.")
        await call.until(lambda heard: len(heard.of("audio")) > frames)
        call.begin_to_speak()
        call.say(f"No, stop, I meant question {number} b!")

    async def coughed(self, call: LiveCall, number: int) -> None:
        frames = len(call.heard.of("audio"))
        call.say(f"Question {number}?")
        await call.until(lambda heard: len(heard.of("audio")) > frames)
        call.begin_to_speak()
        call.session.say(stt_messages.speech_ended(10.0 * number))

    async def with_tool(self, call: LiveCall, number: int) -> None:
        call.say(f"When is my booking {number}?")

    async def tts_refused(self, call: LiveCall, number: int) -> None:
        self.cloud.faults.add(Status(part="tts"))
        call.say(f"Question {number}?")

    async def tts_cut(self, call: LiveCall, number: int) -> None:
        self.cloud.faults.add(Truncate(part="tts", after=0))
        call.say(f"Question {number}?")

    async def tts_late(self, call: LiveCall, number: int) -> None:
        self.cloud.faults.add(Stall(part="tts", after=None))
        call.say(f"Question {number}?")

    async def tts_gone(self, call: LiveCall, number: int) -> None:
        self.cloud.faults.add(Status(part="tts", status=400))
        call.say(f"Question {number}?")

    async def llm_refused(self, call: LiveCall, number: int) -> None:
        self.cloud.faults.add(Status(part="llm"))
        call.say(f"Question {number}?")

    async def llm_gone(self, call: LiveCall, number: int) -> None:
        self.cloud.faults.add(Truncate(part="llm", after=0))
        call.say(f"Question {number}?")

    async def stt_dropped(self, call: LiveCall, number: int) -> None:
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


KINDS = (
    "plain",
    "drafted",
    "interrupted",
    "cut",
    "coughed",
    "with_tool",
    "tts_refused",
    "tts_cut",
    "tts_late",
    "tts_gone",
    "llm_refused",
    "llm_gone",
    "stt_dropped",
)


# --- the calls of each transport -----------------------------------------------------------------


async def avr_call(scene: Scene) -> None:
    async with scene.call() as call:
        call.say("Tell me a story.")
        await call.until(lambda heard: bool(heard.frames))


async def vanishing_avr_call(scene: Scene) -> None:
    async with scene.call() as call:
        await scene.answered(call.session)
        call.core.vanish()


async def hung_up_avr_call(scene: Scene) -> None:
    """The agent says goodbye and hangs up."""
    async with scene.call() as call:
        call.say("Goodbye.")
        await call.until_closed()


async def asterisk_call(scene: Scene) -> None:
    before = len(scene.cloud.received.sessions)
    async with asterisk_websocket.dial(f"{scene.service.url}media") as asterisk:
        await asterisk.start()
        await scene.answered(await scene.session(before))


async def audiosocket_call(scene: Scene) -> None:
    before = len(scene.cloud.received.sessions)
    port = scene.service.ports["AUDIOSOCKET_PORT"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HELLO + in_frames(bytes(3200)))
    await scene.answered(await scene.session(before))
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def http_call(scene: Scene) -> None:
    async def line() -> AsyncIterator[bytes]:
        while True:
            yield bytes(320)
            await asyncio.sleep(0.02)

    before = len(scene.cloud.received.sessions)
    url = scene.service.url.replace("ws:", "http:") + "speech-to-speech-stream"
    async with aiohttp.ClientSession() as http, http.post(url, data=line()):
        await scene.answered(await scene.session(before))


CALLS_OF_TRANSPORTS = (
    avr_call,
    vanishing_avr_call,
    hung_up_avr_call,
    asterisk_call,
    audiosocket_call,
    http_call,
)


def says_more(than: int, heard: Heard) -> bool:
    return len(heard.said("agent")) > than


@asynccontextmanager
async def a_scene(**changes: Any) -> AsyncIterator[Scene]:
    async with running_sandbox(Engines(ScriptedStt(), Voice(), Clerk())) as cloud:
        model = {"openai_api_key": "another-key", "openai_base_url": cloud.openai_url}
        async with counted_service(cloud, **(model | changes)) as service:
            yield Scene(cloud, service)


# --- the tests -----------------------------------------------------------------------------------


@pytest.mark.timeout(180)
async def test_turns_leave_next_to_nothing_to_the_collector() -> None:
    async with a_scene(tools_dir=str(OWN_TOOLS)) as scene, scene.call() as call:
        for kind in KINDS:  # what is made once and kept is no garbage
            await scene.turn(call, kind)
        await scene.service.garbage()
        for kind in itertools.islice(itertools.cycle(KINDS), TURNS):
            await scene.turn(call, kind)
        garbage = await scene.service.garbage()
    a_turn = garbage.kinds.total() / TURNS
    assert a_turn < OBJECTS_A_TURN, garbage.shown(TURNS)


@pytest.mark.timeout(180)
async def test_calls_that_are_traced_leave_next_to_nothing_to_the_collector() -> None:
    async with (
        otlp_collector() as collector,
        a_scene(otel_exporter_otlp_endpoint=collector.url) as scene,
    ):
        await avr_call(scene)
        await collector.ended()
        await scene.service.garbage()
        calls = 10
        for _ in range(calls):
            async with scene.call() as call:
                for kind in ("plain", "drafted", "interrupted"):
                    await scene.turn(call, kind)
            await scene.over()
        await collector.ended(calls + 1)
        garbage = await scene.service.garbage()
    a_turn = garbage.kinds.total() / (3 * calls)
    assert a_turn < OBJECTS_A_TURN, garbage.shown(3 * calls)


async def test_turns_of_the_receptionist_leave_nothing_to_the_collector() -> None:
    none = {"openai_api_key": None, "openai_base_url": None, "thinking": "receptionist"}
    async with a_scene(**none) as scene, scene.call() as call:
        await scene.service.garbage()
        for _ in range(TURNS):
            said = len(call.heard.said("agent"))
            await scene.interrupted(call, 1)
            await call.until(partial(says_more, said))
        garbage = await scene.service.garbage()
    a_turn = garbage.kinds.total() / TURNS
    assert a_turn < 1, garbage.shown(TURNS)


@pytest.mark.timeout(180)
async def test_ended_calls_leave_nothing_to_the_collector(tmp_path: Path) -> None:
    async with (
        fake_avr_ami() as ami,
        webhook_target() as target,
        a_scene(
            audiosocket_port=0,
            ami_url=ami.url,
            webhook_url=target.url,
            call_trace_dir=str(tmp_path),
            farewell_margin_ms=0.0,
        ) as scene,
    ):
        for number in range(-len(CALLS_OF_TRANSPORTS), CALLS):
            if number == 0:
                await scene.service.garbage()
            await CALLS_OF_TRANSPORTS[number % len(CALLS_OF_TRANSPORTS)](scene)
            await scene.over()
        garbage = await scene.service.garbage()
    a_call = garbage.kinds.total() / CALLS
    assert a_call < OBJECTS_A_CALL, garbage.shown(CALLS)
