"""Fixtures for all tests: a leak fails the test, and the product runs against a scripted cloud."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from coverage import Coverage
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from tests.support import Serve, open_sockets, until

from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.settings import DECLARATIONS, Settings
from avr_sts_speechmatics.values import Secret

# A busy machine, or one that measures coverage, is slow: that is no defect of the code.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")

# What a developer has in the environment must not change what a test sees.
for setting, declaration in DECLARATIONS.items():
    for name in (setting.upper(), *declaration.also):
        os.environ.pop(name, None)
# Services that tests start as processes keep no calls in the directory of the tests.
os.environ["HISTORY"] = "off"


async def nothing_left(tasks: set[asyncio.Task[object]], sockets: set[str]) -> str:
    """What there is beyond `tasks` and `sockets`, after giving it a second to go; "" if nothing."""
    left = ""
    # uvloop makes a pair of Unix sockets each time it is run.
    unix = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    for _ in range(100):
        more = {task for task in asyncio.all_tasks() if task not in tasks and not task.done()}
        left = " ".join((*map(repr, more), *(open_sockets(unix=unix) - sockets)))
        if not left:
            break
        # Closing takes a turn or two of the loop; there is no event for "nothing is left".
        await asyncio.sleep(0.01)
    return left


@pytest.fixture
async def leaves_nothing() -> AsyncIterator[None]:
    """Fail an async test that leaves a task, a socket or a thread behind."""
    tasks, sockets, threads = asyncio.all_tasks(), open_sockets(), set(threading.enumerate())
    yield
    tasks |= {task for task in (asyncio.current_task(),) if task is not None}
    left = await nothing_left(tasks, sockets)
    assert not left, f"left behind: {left}"
    await asyncio.get_running_loop().shutdown_default_executor()
    for thread in set(threading.enumerate()) - threads:
        # One that waited for a child process tells the loop of its end before it ends itself.
        thread.join(timeout=1)
    assert set(threading.enumerate()) <= threads


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every async test is watched; first in, so that it looks after all else is torn down."""
    for item in items:
        if isinstance(item, pytest.Function) and asyncio.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "leaves_nothing")


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A test module with a function `new_event_loop` runs its tests on that loop."""
    module = item.module if isinstance(item, pytest.Function) else None
    return {"loop": getattr(module, "new_event_loop", asyncio.new_event_loop)}


@pytest.fixture
def untraced() -> Iterator[None]:
    """Pause `make coverage` for a test of very many events or of exact times.

    Tracing slows pure Python down four times.
    """
    measuring = Coverage.current()
    if measuring is None:
        yield
        return
    measuring.stop()
    yield
    measuring.start()


@pytest.fixture
def serve() -> Serve:
    """Runs the service on a free port, hearing and speaking through a given cloud."""

    @asynccontextmanager
    async def serving(
        cloud: RunningSandbox, *, prepared: bool = True, **changes: object
    ) -> AsyncIterator[Server]:
        """prepared: wait until the kept phrases are there."""
        chosen: dict[str, object] = {
            "port": 0,
            "extra_ports": (),
            "audiosocket_port": None,
            "http_port": None,
            "speechmatics_api_key": Secret("a-key"),
            "speechmatics_rt_url": cloud.rt_url,
            "speechmatics_tts_url": cloud.tts_url,
            "openai_api_key": Secret("another-key"),
            "openai_base_url": cloud.openai_url,
            "speechmatics_welcome_message": "",
            "disclosure": "",
            "history": "off",
            "overload_lag_ms": 0,  # the clouds and the callers of a test share its event loop
        }
        server = Server(Settings(**(chosen | changes)))  # type: ignore[arg-type]
        await server.start()
        try:
            if prepared:
                await until(lambda: server.health()["phrases_missing"] == 0)
            yield server
        finally:
            await server.stop()

    return serving
