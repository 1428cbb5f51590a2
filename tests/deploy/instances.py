"""Instances of the service behind HAProxy, as an operator runs them: each a process of its own."""

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
from tests.real_servers.servers import free_port, haproxy, short_folder
from tests.support import ROOT, untraced_environment

READY_S = 40.0
"""Longest wait until an instance is ready, on a machine that does other things too (s)."""

CONFIG = ROOT / "deploy" / "haproxy" / "haproxy.cfg"

# The service puts silence in for a caller who sends nothing for half a second, and a machine that
# runs other tests may hold up callers for longer: the recogniser of the tests, which reads a
# signature of each frame, would lose its place.
_SERVE = """
from avr_sts_speechmatics.call import quiet_line
quiet_line.fill_quiet_line.__kwdefaults__["quiet_s"] = 10.0
from avr_sts_speechmatics.cli.main import main
main()
"""


class Instance:
    """One instance of the service, on ports of its own that stay.

    environment: settings, besides the ports.
    folder: the working directory.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.port, self.audiosocket, self.http = free_port(), free_port(), free_port()
        self._folder = folder
        self._log = ""
        self._environment = {
            **untraced_environment(),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "EXTRA_PORTS": "",
            "AUDIOSOCKET_PORT": str(self.audiosocket),
            "HTTP_PORT": str(self.http),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """All that the instance has logged."""
        if self._folder.is_dir():
            self._log = (self._folder / "log").read_text(errors="replace")
        return self._log

    async def start(self) -> None:
        """Start the instance and wait until the instance is ready."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it takes milliseconds
                [sys.executable, "-c", _SERVE, "serve"],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(READY_S), aiohttp.ClientSession() as http:
            quick = 0
            # A library is still being loaded when the service is ready, which a busy machine makes
            # long: ten quick answers in a row say that all is loaded.
            while quick < 10:
                assert self._process.poll() is None, self.log
                asked = time.monotonic()
                ready = await self._is_ready(http)
                quick = quick + 1 if ready and time.monotonic() - asked < 0.1 else 0
                await asyncio.sleep(0.05)

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"http://127.0.0.1:{self.port}/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def drain(self, limit_s: float) -> int:
        """Ask the instance to end; return its exit status once the instance has ended."""
        await self.begin_to_drain()
        return await self.ended(limit_s)

    async def begin_to_drain(self) -> None:
        """Ask the instance to end; return as soon as the instance takes no new call."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(READY_S), aiohttp.ClientSession() as http:
            while await self._is_ready(http):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def ended(self, limit_s: float) -> int:
        """Wait for the end of the instance; return its exit status."""
        assert self._process is not None
        async with asyncio.timeout(limit_s):
            while (status := self._process.poll()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return status

    def kill(self) -> None:
        """End the instance at once, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@asynccontextmanager
async def instances(environment: Mapping[str, str]) -> AsyncIterator[tuple[Instance, Instance]]:
    """Two running instances."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        pair = Instance(environment, Path(one)), Instance(environment, Path(other))
        try:
            await asyncio.gather(*(instance.start() for instance in pair))
            yield pair
        finally:
            for instance in pair:
                instance.kill()
                _ = instance.log  # kept, because the folder goes


class Balancer:
    """A running HAProxy with this project's configuration.

    port: for WebSockets.
    audiosocket: port for AudioSocket.
    http: port for POST /call.
    """

    def __init__(self, folder: Path) -> None:
        self.port, self.audiosocket, self.http = free_port(), free_port(), free_port()
        self._admin = folder / "admin"

    def environment(self, one: Instance, other: Instance) -> dict[str, str]:
        """The environment variables of the configuration."""
        found = {
            "AVR_BIND": "127.0.0.1",
            "AVR_BIND_PORT": self.port,
            "AVR_BIND_AUDIOSOCKET": self.audiosocket,
            "AVR_BIND_HTTP": self.http,
            "AVR_ADMIN": self._admin,
        }
        for name, instance in (("AVR_A", one), ("AVR_B", other)):
            found |= {
                name: "127.0.0.1",
                f"{name}_PORT": instance.port,
                f"{name}_AUDIOSOCKET": instance.audiosocket,
                f"{name}_HTTP": instance.http,
            }
        return {name: str(value) for name, value in found.items()}

    async def command(self, text: str) -> str:
        """Give a command to the runtime API; returns the answer."""
        reader, writer = await asyncio.open_unix_connection(str(self._admin))
        writer.write(f"{text}\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.decode()

    async def set_state(self, server: str, state: str) -> None:
        """Let all sections drain a server, or send calls to the server again.

        server: "a" or "b".
        state: "drain" or "ready".
        """
        for section in ("websocket", "audiosocket", "announcements"):
            answer = await self.command(f"set server {section}/{server} state {state}")
            assert answer.strip() == "", answer

    async def state_of(self, section: str, server: str) -> tuple[str, int]:
        """Return what HAProxy thinks of a server, such as "UP", and its connections."""
        table = (await self.command("show stat")).splitlines()
        names = table[0].removeprefix("# ").split(",")
        for line in table[1:]:
            row = dict(zip(names, line.split(","), strict=False))
            if (row.get("pxname"), row.get("svname")) == (section, server):
                return row["status"], int(row["scur"])
        raise LookupError(server)


@contextmanager
def balancer(one: Instance, other: Instance) -> Iterator[Balancer]:
    """A HAProxy in front of two instances."""
    with short_folder() as folder:
        found = Balancer(folder)
        with haproxy(CONFIG, found.port, found.environment(one, other)):
            yield found
