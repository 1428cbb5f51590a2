"""The service under test: a child process on a core of its own, watched through /proc."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
# What may change how the service behaves comes from the benchmark alone.
_OWN_PREFIXES = ("SPEECHMATICS_", "OPENAI_", "AVR_", "AMI_", "WEBHOOK_")


class BenchError(Exception):
    """The run cannot be made; the text is one sentence for the person who started it."""


def waited_seconds(process: int) -> float:
    """How long a process's main thread was ready to run while others had its core, so far.

    0 where the kernel does not keep count.
    """
    try:
        fields = Path(f"/proc/{process}/schedstat").read_text().split()
    except FileNotFoundError:
        return 0.0
    return int(fields[1]) / 1e9


class Service:
    """A running service.

    ready_seconds: from its start to its first sign of being ready.
    """

    def __init__(self, command: list[str], environment: dict[str, str], core: int) -> None:
        """Start it. Raises BenchError when the command cannot be run."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OWN_PREFIXES)}
        # An empty folder to live in: no .env file of a developer is found there.
        self._home = tempfile.TemporaryDirectory(prefix="bench-")
        self._port = int(environment["PORT"])
        self._started = time.perf_counter()
        self.ready_seconds = 0.0
        try:
            self._process = subprocess.Popen(
                command,
                env=inherited | environment,
                cwd=self._home.name,
                stdin=subprocess.DEVNULL,
                # Our own stdout is for the figures alone.
                stdout=sys.stderr,
            )
        except OSError as error:
            self._home.cleanup()
            raise BenchError(f"--command {command[0]}: cannot be run: {error.strerror}.") from error
        os.sched_setaffinity(self._process.pid, {core})

    async def wait_until_ready(self) -> None:
        """Return when GET /ready is answered by anything but 503: others have no such page.

        Raises BenchError when it takes too long, or the process ends.
        """
        while time.perf_counter() - self._started < _READY_SECONDS:
            if self._process.poll() is not None:
                raise BenchError(f"The service ended with status {self._process.returncode}.")
            if await self._answers():
                self.ready_seconds = time.perf_counter() - self._started
                return
            await asyncio.sleep(0.01)
        raise BenchError(f"The service was not ready within {_READY_SECONDS:.0f} s.")

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, its own and the kernel's on its behalf."""
        stat = self._read("stat")
        # The name in parentheses may hold spaces: count from behind it.
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def waited_seconds(self) -> float:
        """How long it has waited for its core."""
        return waited_seconds(self._process.pid)

    def memory_bytes(self) -> int:
        """Memory the process has filled itself, also where it was swapped out.

        Not that of files it has mapped: how much of those is resident, and whose share it is,
        depends on other programs.
        """
        own = 0
        for line in self._read("smaps_rollup").splitlines():
            if line.startswith(("Anonymous:", "Swap:")):
                own += int(line.split()[1]) * 1024
        return own

    def stop(self) -> None:
        """End the process, kindly, then not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._home.cleanup()

    def _read(self, name: str) -> str:
        try:
            return Path(f"/proc/{self._process.pid}/{name}").read_text()
        except OSError as error:
            raise BenchError("The service ended in the middle of the run.") from error

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(b"GET /ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                    status = await reader.readline()
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError):
            return False
        return status.startswith(b"HTTP/1.") and b" 503 " not in status
