"""The service under test: a child process on its own core, measured through /proc."""

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
# Prefixes of settings: the service gets them only from the benchmark, not from the environment.
_OWN_PREFIXES = ("SPEECHMATICS_", "OPENAI_", "AVR_", "AMI_", "WEBHOOK_")


class BenchError(Exception):
    """The run failed; the text is one sentence for the person who started the benchmark."""


def waited_seconds(process: int) -> float:
    """Time (s) in which a process's main thread was ready to run but waited for its core.

    process: process id.

    Returns 0 if the kernel does not count this time.
    """
    try:
        fields = Path(f"/proc/{process}/schedstat").read_text().split()
    except FileNotFoundError:
        return 0.0
    return int(fields[1]) / 1e9


class Service:
    """The running service.

    ready_seconds: time from the start until the service was ready; 0 before.
    """

    def __init__(self, command: list[str], environment: dict[str, str], core: int) -> None:
        """Start the service. Raises BenchError if the command cannot be run.

        command: program and arguments.
        environment: the service's settings, added to the inherited environment.
        core: number of the core on which the service runs.
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OWN_PREFIXES)}
        # An empty working folder, so that the service does not find a developer's .env file.
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
                # The benchmark's own stdout is reserved for the figures.
                stdout=sys.stderr,
            )
        except OSError as error:
            self._home.cleanup()
            raise BenchError(f"--command {command[0]}: cannot be run: {error.strerror}.") from error
        os.sched_setaffinity(self._process.pid, {core})

    async def wait_until_ready(self) -> None:
        """Wait until GET /ready is answered with any status but 503.

        Other implementations have no /ready and answer 404. Raises BenchError if the service is
        not ready in time, or if its process ends.
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
        """CPU time of the service so far (s), user and system time."""
        ticks = 0
        for stat in self._read("stat"):
            # The process name in parentheses may contain spaces: count the fields after it.
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS_PER_SECOND

    def waited_seconds(self) -> float:
        """Time in which the service has waited for its core so far (s)."""
        return sum(waited_seconds(process) for process in self._processes())

    def memory_bytes(self) -> int:
        """Anonymous memory of the process, including swapped memory (bytes).

        Memory of mapped files does not count, because its resident part depends on other programs.
        """
        own = 0
        for line in "\n".join(self._read("smaps_rollup")).splitlines():
            if line.startswith(("Anonymous:", "Swap:")):
                own += int(line.split()[1]) * 1024
        return own

    def stop(self) -> None:
        """Stop the process with SIGTERM, and with SIGKILL after _STOP_SECONDS."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._home.cleanup()

    def _processes(self) -> list[int]:
        """The process and its children: the service's workers do the work."""
        own = self._process.pid
        try:
            children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        except OSError:
            children = []
        return [own, *map(int, children)]

    def _read(self, name: str) -> list[str]:
        """The content of a file of each process under /proc."""
        try:
            return [Path(f"/proc/{one}/{name}").read_text() for one in self._processes()]
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
