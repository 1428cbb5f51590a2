"""The service in a process of its own that counts what only the cycle collector can free.

Nothing but the service lives in that process, so each object counted belongs to the service or to
its libraries. The collector is off, as if a collection never came; the test asks for one.
"""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any

from tests.support import ROOT, untraced_environment

from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox

CYCLES_MAX = 8
"""Most cycles that a failed test shows."""

_NAMED = (AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, MethodType)


@dataclass(frozen=True, slots=True)
class Garbage:
    """What only the collector could free.

    kinds: number of objects by type; generators that were dropped in the middle are counted too.
    cycles: some of the cycles, each as a chain of types.
    """

    kinds: Counter[str]
    cycles: Sequence[str]

    def shown(self, number: int) -> str:
        """Return a text for the message of a failed test.

        number: of turns or calls that left the garbage.
        """
        rows = [f"{count / number:8.1f}  {kind}" for kind, count in self.kinds.most_common(40)]
        each = f"{self.kinds.total() / number:.1f} objects for each of {number}:"
        return "\n".join([each, *rows, "some of the cycles:", *self.cycles])


@dataclass(frozen=True, slots=True)
class CountedService:
    """The running service.

    ports: by the setting that names the port.
    """

    ports: Mapping[str, int]
    _process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['PORT']}/"

    async def until_no_call(self) -> None:
        """Wait until no call is in progress."""
        assert await self._ask("until_no_call") == 0

    async def garbage(self) -> "Garbage":
        """Collect, and return what was collected."""
        kinds, cycles = await self._ask("garbage")
        return Garbage(Counter(kinds), cycles)

    async def _ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        return json.loads(await _line_of(self._process))


@asynccontextmanager
async def counted_service(cloud: RunningSandbox, **changes: Any) -> AsyncIterator[CountedService]:
    """Run the service against a scripted cloud.

    changes: of the settings; a key is given as its text.
    """
    chosen = {
        "port": 0,
        "extra_ports": [],
        "audiosocket_port": None,
        "http_port": None,
        "speechmatics_api_key": "a-key",
        "speechmatics_rt_url": cloud.rt_url,
        "speechmatics_tts_url": cloud.tts_url,
        "speechmatics_welcome_message": "",
        "disclosure": "",
        "no_input_s": 0.0,
    }
    with TemporaryDirectory() as folder:
        async with _started(chosen | {"data_dir": folder} | changes) as service:
            yield service


@asynccontextmanager
async def _started(chosen: dict[str, Any]) -> AsyncIterator[CountedService]:
    process = subprocess.Popen(  # noqa: ASYNC220 - asyncio's watcher thread outlives a test
        [sys.executable, "-m", __name__, json.dumps(chosen)],
        cwd=ROOT,
        env=untraced_environment()
        | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "src")))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield CountedService(json.loads(await _line_of(process)), process)
        finally:
            process.terminate()
            process.wait()


async def _line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return await asyncio.to_thread(process.stdout.readline)


def _kind(found: object) -> str:
    """Name an object such that a reader finds the code that made the object."""
    kind = type(found)
    # Not `isinstance`: a dead weak proxy among the garbage would raise ReferenceError.
    if issubclass(kind, FrameType):
        assert isinstance(found, FrameType)
        return f"frame of {found.f_code.co_qualname}"
    if issubclass(kind, _NAMED):
        return f"{kind.__name__} {getattr(found, '__qualname__', '')}"
    return (
        kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    )


_suspended: list[str] = []
"""Names of the generators that were dropped before their end."""


def _note_suspended_generators() -> None:
    """Note generators that the event loop must close in a task: the collector resurrects them."""
    iterated, close = sys.get_asyncgen_hooks()

    def dropped(generator: AsyncGenerator[object, object]) -> None:
        _suspended.append(f"suspended async_generator {getattr(generator, '__qualname__', '')}")
        if close is not None:
            close(generator)

    sys.set_asyncgen_hooks(iterated, dropped)


def _cycles(garbage: list[object]) -> list[str]:
    """Return some of the shortest cycles, so that a reader sees what to cut."""
    by_id = {id(found): found for found in garbage}
    explained, cycles = set[int](), list[str]()
    for start in garbage:
        if id(start) in explained or len(cycles) == CYCLES_MAX:
            continue
        came_from: dict[int, int] = {}
        queue = deque([id(start)])
        while queue and id(start) not in came_from:
            here = queue.popleft()
            for other in map(id, gc.get_referents(by_id[here])):
                if other in by_id and other not in came_from:
                    came_from[other] = here
                    queue.append(other)
        if id(start) not in came_from:
            continue  # hangs on a cycle, and is no part of one
        path = [id(start), came_from[id(start)]]
        while path[-1] != id(start):
            path.append(came_from[path[-1]])
        explained.update(path)
        shown = " -> ".join(_kind(by_id[at]) for at in reversed(path))
        if shown not in cycles:
            cycles.append(shown)
    return cycles


def _collected() -> tuple[Counter[str], list[str]]:
    _suspended.clear()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    kinds = Counter([*_suspended, *map(_kind, gc.garbage)])
    cycles = _cycles(gc.garbage)
    gc.garbage.clear()
    gc.collect()
    return kinds, cycles


async def _run(settings: dict[str, Any]) -> None:
    from avr_sts_speechmatics.server import Server
    from avr_sts_speechmatics.settings import Settings
    from avr_sts_speechmatics.values import Secret

    for name, value in settings.items():
        if name.endswith("_key") and value is not None:
            settings[name] = Secret(value)
        elif name.endswith("_dir") and value is not None:
            settings[name] = Path(value)
    server = Server(Settings(**settings))
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)

    def asked() -> None:
        for what in os.read(0, 4096).decode().split():
            if what == "garbage":
                print(json.dumps(_collected()), flush=True)
            else:
                tell_no_call()

    def tell_no_call() -> None:
        calls = server.health()["calls"]
        if calls:
            loop.call_later(0.01, tell_no_call)  # announced by nobody
        else:
            print(calls, flush=True)

    _note_suspended_generators()
    await server.start()
    try:
        while server.health()["phrases_missing"]:  # noqa: ASYNC110 - announced by nobody
            await asyncio.sleep(0.01)
        warm = asyncio.Event()
        server.when_warm(warm.set)
        await warm.wait()
        kept = None if server._parts is None else server._parts.kept
        if kept is not None:
            await kept.database.open()  # once: what it leaves belongs to no call
        loop.add_reader(0, asked)
        gc.collect()
        gc.freeze()
        gc.disable()
        print(json.dumps({name: port for name, (_, port) in server.ports.items()}), flush=True)
        await over.wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_run(json.loads(sys.argv[1])))
