"""A service process that stands still for three seconds in a call: nobody else is blamed for it.

SIGSTOP holds the process as a busy host does. Meanwhile the clouds and the caller go on, and what
they send waits in the sockets.
"""

import asyncio
import json
import os
import re
import signal
import sys
import time
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from tests.avr_core import AvrCore, dial
from tests.cli.commands import free_port

from avr_sts_speechmatics.audio.playout import MAX_CATCH_UP
from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.received import SttSession
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ScriptedTts,
    Thought,
    running_sandbox,
    scripted,
    tone,
)

STOP_S = 3.0

# One process, so that all of the service stands still. Limits below STOP_S, as the longer ones are
# below the length of a longer stop.
SERVICE = """
import asyncio, uvloop
from avr_sts_speechmatics.cli.common import set_up_log
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.settings import load
from avr_sts_speechmatics.services.llm import openai
from avr_sts_speechmatics.services.stt import speechmatics_session, websocket_session
openai.FIRST_S = openai.GAP_S = 2.0
speechmatics_session.STALLED_S = 1.5
websocket_session.WATCH_S = 0.2
async def serve():
    server = Server(load())
    await server.start()
    server.try_services()
    await asyncio.Event().wait()
set_up_log(load())
uvloop.run(serve())
"""

LONG, SHORT, LATER = "We close at five every day.", "At nine.", "Of course."
QUIET_S = 4.0
ANSWERS: list[Thought] = ["Yes.", LONG, [1.5, SHORT], LATER]  # the first is for a trial


async def stand_still(process: Process) -> float:
    """Hold the service for STOP_S; returns when it went on (monotonic s)."""
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(STOP_S)
    process.send_signal(signal.SIGCONT)
    return time.monotonic()


def is_prepared(health: str) -> bool:
    """Whether a service has its phrases and has tried STT, LLM and TTS."""
    try:
        with urllib.request.urlopen(health, timeout=1) as answer:
            now = json.load(answer)
    except OSError:
        return False
    return bool(now["phrases_missing"] == 0 and now["status"] == "ok")


@asynccontextmanager
async def service(
    cloud: RunningSandbox, folder: Path, **more: str
) -> AsyncIterator[tuple[Process, str]]:
    """The service in a process of its own, and its address; ready for calls.

    more: further variables of the environment.
    """
    port = free_port()
    environment = {
        "PORT": str(port),
        "EXTRA_PORTS": "",
        "AUDIOSOCKET_PORT": "0",
        "HTTP_PORT": "0",
        "SPEECHMATICS_API_KEY": "a-key",
        "SPEECHMATICS_RT_URL": cloud.rt_url,
        "SPEECHMATICS_TTS_URL": cloud.tts_url,
        "OPENAI_API_KEY": "another-key",
        "OPENAI_BASE_URL": cloud.openai_url,
        "SPEECHMATICS_WELCOME_MESSAGE": "",
        "DISCLOSURE": "off",
        "NO_INPUT_S": f"{QUIET_S:g}",
        "FILLER_AFTER_MS": "0",
        "PHRASE_CACHE_DIR": "off",
        "OVERLOAD_LAG_MS": "0",
    } | more
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, cwd=folder, env=os.environ | environment, stderr=PIPE,
        stdout=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            health = f"http://127.0.0.1:{port}/health"
            while not await asyncio.to_thread(is_prepared, health):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # another process: nothing here could be awaited
        yield process, f"ws://127.0.0.1:{port}/"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def on_the_line(core: AvrCore) -> AsyncIterator[None]:
    """Begin the call and send silence all the time."""
    await core.init()
    staying = asyncio.create_task(core.stay(60))
    try:
        yield
    finally:
        staying.cancel()
        await asyncio.wait((staying,))


class Caller:
    """A caller who is on the line all the time."""

    def __init__(self, core: AvrCore, session: SttSession) -> None:
        self.core = core
        self._session = session
        self._at = 0.0

    def ask(self, text: str) -> None:
        self._at += 1
        self._session.say(stt_messages.segment(text, self._at - 0.5, self._at))
        self._session.say(stt_messages.end_of_turn(self._at))

    def frames_between(self, begin: float, end: float) -> int:
        return sum(
            message["type"] == "audio" and begin <= at < end
            for at, message in self.core.heard.messages
        )

    async def until_said(self, text: str) -> None:
        await self.core.until(lambda heard: heard.said("agent") == text, timeout=10)


@pytest.mark.usefixtures("untraced")
async def test_a_service_that_stood_still_blames_nobody_and_loses_nothing(tmp_path: Path) -> None:
    pauses = ScriptedTts({LONG: [tone("x" * 10), 1.0, tone("x" * 10), 1.0, tone("x" * 10)]})
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(
            running_sandbox(scripted(answers=ANSWERS, voice=pauses))
        )
        process, url = await stack.enter_async_context(service(cloud, tmp_path))
        sessions, chats = len(cloud.received.sessions), len(cloud.received.chats)
        core = await stack.enter_async_context(dial(url))
        await stack.enter_async_context(on_the_line(core))
        caller = Caller(core, await cloud.received.session(sessions))

        # The voice has said a third of a sentence; the rest comes while nobody can read it.
        caller.ask("When do you close?")
        await core.until(lambda heard: len(heard.frames) >= 5)
        going_on = await stand_still(process)
        await caller.until_said(LONG)
        assert len(core.heard.frames) in (75, 76)  # the resampler has a tail
        await asyncio.sleep(0.1)
        assert caller.frames_between(going_on, going_on + 0.05) <= MAX_CATCH_UP + 4

        # The model answers while nobody can read it.
        caller.ask("When do you open?")
        await cloud.received.until(lambda: len(cloud.received.chats) == chats + 2)
        await stand_still(process)
        await caller.until_said(f"{LONG} {SHORT}")

        # The caller speaks while nobody can read it, and would have been asked about silence.
        await asyncio.sleep(QUIET_S - STOP_S / 2)
        stopped = asyncio.create_task(stand_still(process))
        await asyncio.sleep(0.5)
        caller.ask("May I come on Sunday?")
        await stopped
        await caller.until_said(f"{LONG} {SHORT} {LATER}")

        assert core.heard.close_code is None
        assert len(cloud.received.sessions) == sessions + 1
        assert len(cloud.received.chats) == chats + 3
        process.terminate()
        assert process.stderr is not None
        log = (await process.stderr.read()).decode()
    for blame in ("stalled", "no answer", "nothing came back", "trying again", "no audio", "ERROR"):
        assert blame not in log
    assert re.search(r"this process stood still for (2\.[89]|3\.\d) s", log)


@pytest.mark.usefixtures("untraced")
async def test_a_service_that_stood_still_takes_the_next_call_at_once(tmp_path: Path) -> None:
    async with (
        running_sandbox(scripted(answers=["Yes."])) as cloud,
        service(cloud, tmp_path, OVERLOAD_LAG_MS="200") as (process, url),
    ):
        sessions = len(cloud.received.sessions)
        await stand_still(process)
        async with dial(url) as core:  # no status 503
            await core.init()
            await cloud.received.session(sessions)
