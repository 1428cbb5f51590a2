"""What tests share besides fixtures."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TextIO

from avr_sts_speechmatics.server import Server

ROOT = Path(__file__).parent.parent
"""The checkout."""

CLIPS = ROOT / "tests" / "clips"
"""Recorded callers."""

Serve = Callable[..., AbstractAsyncContextManager[Server]]
"""Runs the service against a scripted cloud; see the fixture `serve`."""


def open_sockets(*, unix: bool = True) -> set[str]:
    """Names of the sockets this process holds (Linux; elsewhere none are seen).

    unix: whether Unix sockets are included.
    """
    found = set()
    for entry in os.scandir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(entry.path)
        except FileNotFoundError:
            continue
        if target.startswith("socket:") and (unix or not _is_unix(int(entry.name))):
            found.add(target)
    return found


def _is_unix(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as found:
            return found.family == socket.AF_UNIX
    except OSError:
        return False


@contextmanager
def full_pipe() -> Iterator[tuple[int, TextIO]]:
    """A pipe that takes nothing more. Yields its reading end and its writing end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    with open(writing, "w", encoding="utf-8") as stream:
        yield reading, stream
        os.close(reading)


async def until(holds: Callable[[], bool], *, timeout: float = 10) -> None:
    """Wait for something that nobody announces; TimeoutError after `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def url_of(server: Server, path: str = "/") -> str:
    return "ws://{}:{}".format(*server.addresses[0]) + path


def untraced_environment() -> dict[str, str]:
    """Return the environment of a child process whose coverage is not measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}
