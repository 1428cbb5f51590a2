"""The commands in processes of their own, as a person starts them."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-m", "avr_sts_speechmatics"]

CLOUDS = {
    "SPEECHMATICS_RT_URL": "ws://127.0.0.1:9/v2",
    "SPEECHMATICS_TTS_URL": "http://127.0.0.1:9",
}
"""Clouds that are not there: with these settings no sandbox is started."""


def run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command from its start to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Started:
    """How `serve` is started.

    redirected: redirections of a shell, such as `2>&-`.
    stderr: a descriptor in place of a pipe that is read at the end.
    under: the beginning of the command line, such as `nohup`.
    """

    redirected: str = ""
    stderr: int = subprocess.PIPE
    under: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        shell = ("sh", "-c", f'exec "$@" {self.redirected}', "sh") if self.redirected else ()
        return [*self.under, *shell, *COMMAND, "serve"]


AS_USUAL = Started()


@contextmanager
def serving(
    cwd: Path, how: Started = AS_USUAL, /, **env: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`serve` in a process of its own, ready for calls; other doors are shut unless asked for."""
    port = free_port()
    ports = {"PORT": str(port), "EXTRA_PORTS": "", "AUDIOSOCKET_PORT": "0", "HTTP_PORT": "0"}
    ports["PHRASE_CACHE_DIR"] = "off"
    ports["OVERLOAD_LAG_MS"] = "0"  # the machine of the tests may be busy with something else
    process = subprocess.Popen(
        how.command,
        cwd=cwd,
        env=os.environ | ports | env,
        stdout=subprocess.PIPE,
        stderr=how.stderr,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)  # another process: nothing here could be awaited
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
