"""The service as an operator runs it: a process of its own, told everything by its environment.

A process of its own, because what is measured is how even its audio is, and the tests themselves
keep an event loop busy. Its log is kept, to be read by a test and shown where one fails.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from tests.asterisk.etc import AMI_PASSWORD, AMI_USER, TRANSFER_CONTEXT, Ports

from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox

READY_S = 30.0
STOP_S = 10.0
STARVED = 0.25
_ASK_AGAIN_S = 0.05
_OWN_PREFIXES = ("SPEECHMATICS_", "OPENAI_", "AVR_", "AMI_", "WEBHOOK_")


class ServiceFailed(Exception):
    """The service did not start; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Time of a process (s): that has passed, running on a processor, and waiting for one.

    What it waits is the fault of whatever else the machine does.
    """

    passed: float
    ran: float
    waited: float

    def since(self, before: "Spent") -> "Spent":
        return Spent(
            self.passed - before.passed, self.ran - before.ran, self.waited - before.waited
        )

    @property
    def starved(self) -> bool:
        """Whether it waited so much that nothing can be said of how even its audio is."""
        return self.waited > STARVED * self.passed


class Service:
    """A running service. Made by `serving`."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self._log = home / "log"
        self._url = f"http://127.0.0.1:{environment['PORT']}"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_OWN_PREFIXES)
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "avr_sts_speechmatics", "serve"],
                env=inherited | {"OVERLOAD_LAG_MS": "0"} | environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def spent(self) -> "Spent":
        """What its event loop has had of the machine so far. [Linux, sched-stats]"""
        supervisor = self._process.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        task = children[0]  # the worker
        ran, waited, _ = Path(f"/proc/{task}/task/{task}/schedstat").read_text().split()
        return Spent(time.monotonic(), int(ran) / 1e9, int(waited) / 1e9)

    async def health(self) -> dict[str, Any]:
        """What it says of itself."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/health") as reply:
            said: dict[str, Any] = await reply.json()
        return said

    async def until_calls(self, number: int, *, timeout: float) -> float:
        """Wait until it has so many calls; returns how long that took (s), or TimeoutError."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.timeout(timeout):
            while (await self.health())["calls"] != number:  # noqa: ASYNC110 - in another process
                await asyncio.sleep(_ASK_AGAIN_S)
        return loop.time() - begin

    async def until_ready(self) -> None:
        """Raises ServiceFailed."""
        try:
            async with asyncio.timeout(READY_S):
                while not await self._is_ready():
                    if self._process.poll() is not None:
                        raise ServiceFailed(self.log()[-3000:])
                    await asyncio.sleep(_ASK_AGAIN_S)
        except TimeoutError:
            raise ServiceFailed(f"not ready after {READY_S:.0f} s:\n{self.log()[-3000:]}") from None

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    async def _is_ready(self) -> bool:
        try:
            return (await self.health())["ready"] and not (await self.health())["phrases_missing"]
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def serving(cloud: RunningSandbox, ports: Ports, **settings: str) -> AsyncIterator[Service]:
    """The service with a cloud of ours behind it, at the ports where the rig looks for it.

    settings: further environment variables, in small letters. The log is printed when the block
    fails. Raises ServiceFailed.
    """
    environment = {
        "HOST": "127.0.0.1",
        "PORT": str(ports.service),
        "EXTRA_PORTS": "",
        "AUDIOSOCKET_PORT": str(ports.audiosocket),
        "HTTP_PORT": str(ports.http),
        "AMI_HOST": "127.0.0.1",
        "AMI_PORT": str(ports.manager),
        "AMI_USERNAME": AMI_USER,
        "AMI_PASSWORD": AMI_PASSWORD,
        "TRANSFER_ALLOW": "600",
        "TRANSFER_CONTEXT": TRANSFER_CONTEXT,
        "SPEECHMATICS_API_KEY": "test-key",
        "SPEECHMATICS_RT_URL": cloud.rt_url,
        "SPEECHMATICS_TTS_URL": cloud.tts_url,
        "OPENAI_API_KEY": "test-key",
        "OPENAI_BASE_URL": cloud.openai_url,
        "SPEECHMATICS_WELCOME_MESSAGE": "",
        "DISCLOSURE": "off",
        # Whatever is heard shall be an answer.
        "NO_INPUT_S": "0",
        "FILLER_AFTER_MS": "0",
        "DRAIN_S": "0.1",
        "ON_DRAIN": "close",
        # A trial would be among what the calls asked of the cloud.
        "TRY_SERVICES": "false",
    } | {name.upper(): value for name, value in settings.items()}
    with tempfile.TemporaryDirectory(prefix="service-") as home:
        service = Service(Path(home), environment)
        try:
            await service.until_ready()
            yield service
        except BaseException:
            print(f"--- log of the service\n{service.log()}")
            raise
        finally:
            service.stop()
