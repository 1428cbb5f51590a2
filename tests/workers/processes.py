"""`serve` in processes of its own against a scripted cloud of the test, with callers."""

import asyncio
import os
import signal
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from tests.avr_core import AvrCore, dial
from tests.cli.commands import COMMAND, free_port

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.received import SttSession
from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ToneTts,
    running_sandbox,
    scripted,
)

PATIENCE_S = 30.0
"""How long a test waits for another process (s): processes start slowly on a busy machine."""

QUESTION = "When do you close?"
ANSWER = "We close at five. On Sundays we are closed."


@dataclass(slots=True)
class Caller:
    """One caller on the line, and the STT session that hears them."""

    core: AvrCore
    session: SttSession
    asked: int = 0

    def asks(self) -> None:
        self.asked += 1
        at = 10.0 * self.asked
        self.session.say(stt_messages.segment(QUESTION, at - 1, at))
        self.session.say(stt_messages.end_of_turn(at))

    async def answered(self, times: int = 1) -> None:
        """Wait until the agent has said its whole answer so often."""
        whole = " ".join([ANSWER] * times)
        await self.core.until(lambda heard: heard.said("agent") == whole, timeout=PATIENCE_S)

    async def gone(self) -> None:
        await self.core.until_closed(timeout=PATIENCE_S)


@dataclass(slots=True)
class Service:
    """The service.

    process: the supervisor.
    port: PORT.
    log: lines of standard error so far.
    """

    cloud: RunningSandbox
    process: Process
    folder: Path
    ports: dict[str, int]
    log: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['PORT']}/"

    def http(self, path: str, port: str = "PORT") -> str:
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    async def get(self, path: str) -> tuple[int, Any]:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            async with http.get(self.http(path)) as response:
                return response.status, await response.json()

    async def health(self) -> Any:
        return (await self.get("/health"))[1]

    async def workers(self) -> dict[int, int]:
        """Number of calls of each worker that runs, by process id."""
        return {one["pid"]: one["calls"] for one in (await self.health())["workers"]}

    async def until_workers(self, count: int, *, without: set[int] = frozenset()) -> set[int]:  # type: ignore[assignment]
        """Wait until so many workers take calls, none of them among `without`; their pids."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                taking = {
                    one["pid"]
                    for one in (await self.health())["workers"]
                    if one["status"] in ("ok", "degraded")
                }
                if len(taking) == count and not taking & without:
                    return taking
                await asyncio.sleep(0.05)  # other processes: nothing here could be awaited

    async def until_calls(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.health())["calls"] != count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # as above

    async def until_logged(self, text: str) -> str:
        """Wait for a line of the log; the line."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = [line for line in self.log if text in line]
                if found:
                    return found[0]
                self.changed.clear()
                await self.changed.wait()

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Caller]:
        """A caller whose call has begun."""
        sessions = len(self.cloud.received.sessions)
        async with dial(self.url) as core:
            await core.init(str(uuid4()))
            session = await self.cloud.received.session(sessions, timeout=PATIENCE_S)
            yield Caller(core, session)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())
            self.changed.set()


@asynccontextmanager
async def running_service(
    folder: Path, *, ready: int = 1, character_s: float = 0.01, **settings: str
) -> AsyncIterator[Service]:
    """The service with these settings.

    ready: how many workers take calls when the context begins.
    character_s: how long the voice speaks for a character (s).
    """
    engines = scripted(answers=[ANSWER] * 100, voice=ToneTts(seconds_per_character=character_s))
    ports = {name: free_port() for name in ("PORT", "AUDIOSOCKET_PORT", "HTTP_PORT")}
    async with running_sandbox(engines, max_calls=100) as cloud:
        environment = {
            **{name: str(port) for name, port in ports.items()},
            "EXTRA_PORTS": "",
            "SPEECHMATICS_API_KEY": "a-key",
            "SPEECHMATICS_RT_URL": cloud.rt_url,
            "SPEECHMATICS_TTS_URL": cloud.tts_url,
            "OPENAI_API_KEY": "another-key",
            "OPENAI_BASE_URL": cloud.openai_url,
            "SPEECHMATICS_WELCOME_MESSAGE": "",
            "DISCLOSURE": "off",
            "PHRASE_CACHE_DIR": "off",
            "TRY_SERVICES": "false",
            "PREEMPTIVE": "off",
            "OVERLOAD_LAG_MS": "0",
        }
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "serve", cwd=folder, env=os.environ | environment | settings,
            stdout=subprocess.DEVNULL, stderr=PIPE, start_new_session=True,
        )  # fmt: skip
        service = Service(cloud, process, folder, ports)
        reading = asyncio.create_task(service.read())
        try:
            await service.until_logged("ready; listening on")
            await service.until_workers(ready)
            yield service
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)  # so that what it ran is measured
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()  # its workers end when their calls do
                await process.wait()
            await reading
            print("".join(service.log))
