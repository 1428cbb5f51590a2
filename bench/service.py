"""The service under test: child processes on cores of their own, measured through /proc."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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
    except OSError:
        return 0.0
    return int(fields[1]) / 1e9


def family(process: int) -> list[int]:
    """A process and all its descendants, as process ids; empty if the process has ended."""
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
    except OSError:
        return []
    found = [process]
    for thread in threads:
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            found += family(int(child))
    return found


def cpu_seconds(process: int) -> float:
    """CPU time of a process and of its children that have ended (s), user and system time.

    Raises OSError if the process has ended.
    """
    stat = Path(f"/proc/{process}/stat").read_text()
    # The process name in parentheses may contain spaces: count the fields after it.
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_SECOND


def memory_bytes(process: int) -> int:
    """Anonymous memory of a process, including swapped memory (bytes).

    Memory of mapped files does not count, because its resident part depends on other programs.
    Memory that processes share since a fork counts in equal parts. Raises OSError if the process
    has ended.
    """
    sizes: dict[str, int] = {}
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name] = int(size) * 1024
    anonymous = sizes.get("Pss_Anon:", sizes.get("Anonymous:", 0))
    return anonymous + sizes.get("SwapPss:", sizes.get("Swap:", 0))


class Service:
    """The running service with all its processes.

    ready_seconds: time from the start until the service was ready; 0 before.
    """

    def __init__(
        self, command: list[str], environment: dict[str, str], cores: Iterable[int]
    ) -> None:
        """Start the service. Raises BenchError if the command cannot be run.

        command: program and arguments.
        environment: the service's settings, added to the inherited environment.
        cores: numbers of the cores on which the service runs.
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OWN_PREFIXES)}
        # An empty working folder, so that the service does not find a developer's .env file.
        self._home = tempfile.TemporaryDirectory(prefix="bench-")
        self._port = int(environment["PORT"])
        self._started = time.perf_counter()
        self.ready_seconds = 0.0
        own = os.sched_getaffinity(0)
        # The child inherits the cores before it can start processes of its own.
        os.sched_setaffinity(0, cores)
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
        finally:
            os.sched_setaffinity(0, own)

    async def wait_until_ready(self) -> None:
        """Wait until GET /ready is answered with any status but 503.

        Other implementations have no /ready and answer 404. Raises BenchError if the service is
        not ready in time, or if its process ends.
        """
        while time.perf_counter() - self._started < _READY_SECONDS:
            if self._process.poll() is not None:
                raise BenchError(f"The service ended with status {self._process.returncode}.")
            status, _ = await self._get("/ready")
            if status and status != 503:
                self.ready_seconds = time.perf_counter() - self._started
                return
            await asyncio.sleep(0.01)
        raise BenchError(f"The service was not ready within {_READY_SECONDS:.0f} s.")

    async def health(self) -> dict[str, Any]:
        """The content of /health; empty if the service has no such page."""
        status, body = await self._get("/health")
        try:
            content = json.loads(body) if status == 200 else {}
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def cpu_seconds(self) -> float:
        """CPU time of all processes so far (s), user and system time."""
        return self._sum(cpu_seconds)

    def waited_seconds(self) -> float:
        """Time in which the processes have waited for their cores so far (s)."""
        return self._sum(waited_seconds)

    def memory_bytes(self) -> int:
        """Anonymous memory of all processes (bytes)."""
        return int(self._sum(memory_bytes))

    @property
    def processes(self) -> int:
        """Number of processes."""
        return len(family(self._process.pid))

    def stop(self) -> None:
        """Stop the process with SIGTERM, and with SIGKILL after _STOP_SECONDS."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                others = family(self._process.pid)[1:]
                self._process.kill()
                self._process.wait()
                for process in others:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
        self._home.cleanup()

    def _sum(self, measure: Callable[[int], float]) -> float:
        if self._process.poll() is not None:
            raise BenchError("The service ended in the middle of the run.")
        total = 0.0
        for process in family(self._process.pid):
            # A worker may end and be replaced at any time.
            with contextlib.suppress(OSError):
                total += measure(process)
        return total

    async def _get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a page; status 0 if there was no answer."""
        head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(head.encode())
                    answer = await reader.read()
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError):
            return 0, b""
        first, _, rest = answer.partition(b"\r\n")
        words = first.split()
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            return 0, b""
        return int(words[1]), rest.partition(b"\r\n\r\n")[2]
