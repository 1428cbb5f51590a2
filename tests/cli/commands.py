"""The commands in processes of their own, as a person starts them."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def serving(cwd: Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`serve` in a process of its own, ready for calls; other doors are shut unless asked for."""
    port = free_port()
    ports = {"PORT": str(port), "EXTRA_PORTS": "", "AUDIOSOCKET_PORT": "0", "HTTP_PORT": "0"}
    ports["PHRASE_CACHE_DIR"] = "off"
    process = subprocess.Popen(
        [*COMMAND, "serve"],
        cwd=cwd,
        env=os.environ | ports | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
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
