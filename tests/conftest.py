"""Fixtures for all tests: a leak fails the test, and the product runs against a scripted cloud."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from avr_sts_speechmatics.sandbox.scripted import RunningSandbox
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.settings import Secret, Settings

# What a developer has in the environment must not change what a test sees.
for name in list(os.environ):
    if name.startswith(("SPEECHMATICS_", "OPENAI_")):
        del os.environ[name]


def open_sockets() -> set[str]:
    """Names of the sockets this process holds (Linux; elsewhere none are seen)."""
    found = set()
    for entry in os.scandir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(entry.path)
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a socket or a thread behind."""
    sockets, threads = open_sockets(), set(threading.enumerate())
    yield
    if "event_loop_policy" in request.fixturenames or asyncio.iscoroutinefunction(request.function):
        return  # the loop itself holds sockets; `no_tasks_left` looks inside
    assert open_sockets() <= sockets
    assert set(threading.enumerate()) <= threads


Serve = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serve() -> Serve:
    """Runs the service on a free port, hearing and speaking through a given cloud."""

    @asynccontextmanager
    async def serving(cloud: RunningSandbox, **changes: object) -> AsyncIterator[Server]:
        chosen: dict[str, object] = {
            "port": 0,
            "extra_ports": (),
            "speechmatics_api_key": Secret("a-key"),
            "speechmatics_rt_url": cloud.rt_url,
            "speechmatics_tts_url": cloud.tts_url,
            "openai_api_key": Secret("another-key"),
            "openai_base_url": cloud.openai_url,
            "speechmatics_welcome_message": "",
        }
        server = Server(Settings(**(chosen | changes)))  # type: ignore[arg-type]
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    return serving


def url_of(server: Server, path: str = "/") -> str:
    return "ws://{}:{}".format(*server.addresses[0]) + path
