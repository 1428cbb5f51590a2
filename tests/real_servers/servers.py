"""Real servers for tests: Redis, Valkey and HAProxy, each on free ports in a folder of its own.

    with redis_server() as redis:
        ...
        redis.freeze()

A server that the machine has is used; otherwise Debian's packages are unpacked, without root, into
a folder of the user's cache (15 MB come down once). Where neither is possible the tests are
skipped, except with CI set in the environment: there a missing server is a failure.

A server dies with the tests, even if these are killed, and is woken up before it is stopped.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.real_servers.debian_packages import CannotUnpack, Wanted, command, run, unpack

START_S = 20.0
"""Longest wait until a server takes connections (s)."""

STOP_S = 10.0
"""Longest wait for the end of a server that was asked to stop (s)."""

PROGRAMS = ("redis-server", "valkey-server", "haproxy")

_PORTS = 12_000, 30_000

_SBIN = "/usr/sbin:/usr/local/sbin:/sbin"


def _try_out(root: Path) -> None:
    for program in PROGRAMS:
        run(command(root, program, "-v"))


SERVERS = Wanted("servers", "trixie", PROGRAMS, _try_out)


@cache
def program(name: str) -> tuple[str, ...]:
    """The beginning of the command line that starts a server.

    name: one of PROGRAMS.
    """
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    if found := shutil.which(name, path=path):
        return (found,)
    try:
        return tuple(command(unpack(SERVERS), name))
    except CannotUnpack as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{name} cannot be had here: {error}")


def free_port() -> int:
    """A port that nobody has at this moment.

    Not one that the kernel would choose: a connection to elsewhere may get that port in the time
    until the server binds the port, or while the server is stopped.
    """
    while True:
        with socket.socket() as probe:
            port = random.randrange(*_PORTS)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def takes_connections(port: int) -> bool:
    """Whether a server listens at a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


_S = TypeVar("_S", bound="RealServer")


class RealServer:
    """A server in a process of its own.

    words: the command line.
    ready: whether the server takes connections.
    folder: working directory, where `server.log` has what the server said.
    environment: variables of the process, besides those of the tests.
    process_options: further options of the process, such as its user.
    stop: the signal that ends the server in order.
    """

    def __init__(
        self,
        words: Sequence[str],
        ready: Callable[[], bool],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        process_options: Mapping[str, Any] | None = None,
        stop: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._process_options = process_options or {}
        self._stop_signal = stop
        self._environment = {**os.environ, **(environment or {})}
        self._words = words
        self._ready = ready
        self._log = folder / "server.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        # The kernel kills the server when the thread that started the server ends: the main thread.
        words = [*self._words]
        if setpriv := shutil.which("setpriv"):
            words = [setpriv, "--pdeathsig", "KILL", *words]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                words,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._process_options,
            )
        end = time.monotonic() + START_S
        ready = False
        while not ready:
            time.sleep(0.02)
            ready = self._ready()
            # Another program may have the port: then this one has ended.
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{words}: {self._log.read_text()[-2000:]}")

    @property
    def pid(self) -> int:
        """The number of the process; 0 if the server was never started."""
        return 0 if self._process is None else self._process.pid

    def freeze(self) -> None:
        """Let the server stand still: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the server in order. Does nothing if the server has ended."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(self._stop_signal)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class RealRedis(RealServer):
    """A Redis or Valkey server.

    name: name of the program.
    port: the TCP port.
    options: further options of the program.
    """

    def __init__(self, name: str, folder: Path, port: int, *options: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.socket = folder / "s"
        words = [
            *program(name),
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
            *("--unixsocket", str(self.socket), *options),
        ]
        super().__init__(words, lambda: takes_connections(port), folder)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short path: the path of a Unix socket ends at 107 bytes."""
    folder = tempfile.mkdtemp(prefix="avr-", dir="/tmp")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server(*options: str, name: str = "redis-server") -> Iterator[RealRedis]:
    """A running Redis, or Valkey by its name. It may be stopped and started meanwhile."""
    with short_folder() as folder:
        server = started(lambda: RealRedis(name, folder, free_port(), *options))
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def haproxy(config: Path, port: int, environment: Mapping[str, str]) -> Iterator[RealServer]:
    """A running HAProxy.

    config: path of its configuration.
    port: one of the ports that the configuration binds.
    environment: the variables of the configuration.
    """
    with short_folder() as folder:
        words = [*program("haproxy"), "-db", "-f", str(config)]
        server = RealServer(words, lambda: takes_connections(port), folder, environment)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def started(make: Callable[[], _S]) -> _S:
    """Make a server and start the server, on another port if another program took the port."""
    server = make()
    try:
        server.start()
    except RuntimeError:  # another program may have taken the port in between
        server = make()
        server.start()
    return server
