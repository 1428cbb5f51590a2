"""The sandbox as a process of its own: load, listen, print the service's settings, end.

The process prints sentences for a person, or JSON lines for a parent process:

    {"event": "loading", "part": "stt", "done": 2, "of": 3}
    {"event": "ready", "url": "http://127.0.0.1:8090"}
    {"event": "failed", "reason": "…"}

The process ends on SIGINT and on SIGTERM. With `watch_stdin` it also ends when stdin is closed,
because the parent process has ended: otherwise an unused sandbox would keep half a gigabyte of
memory.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
from aiohttp import web

from avr_sts_speechmatics.receptionist import FaqError, load_faq
from avr_sts_speechmatics.sandbox.app import create_app
from avr_sts_speechmatics.sandbox.local_engines import PARTS, MissingExtra, local_engines

Announce = Literal["text", "json"]

MAX_CALLS = 2
SHUTDOWN_S = 0.3
"""Time for answers still being sent when the sandbox stops (s)."""


class CannotServe(Exception):
    """The sandbox cannot run; the message is one sentence that says what to do."""


class Announcer:
    """Prints the progress of the start to stdout."""

    def __init__(self, form: Announce) -> None:
        self._form = form
        self._done = 0

    def loaded(self, part: str) -> None:
        self._done += 1
        if self._form == "json":
            self._line(event="loading", part=part, done=self._done, of=len(PARTS))
        else:
            self._say(f"Loaded {part} ({self._done} of {len(PARTS)}).")

    def ready(self, where: str, max_calls: int) -> None:
        """Print that the sandbox is ready.

        where: host and port as in a URL.
        max_calls: number of simultaneous calls.
        """
        if self._form == "json":
            self._line(event="ready", url=f"http://{where}")
            return
        calls = "one call" if max_calls == 1 else f"{max_calls} calls"
        self._say(f"The sandbox is ready, for {calls} at a time. Start the service with")
        self._say(f"  SPEECHMATICS_RT_URL=ws://{where}/v2")
        self._say(f"  SPEECHMATICS_TTS_URL=http://{where}")
        self._say(f"  OPENAI_BASE_URL=http://{where}/v1")
        self._say(f"  OPENAI_TTS_URL=http://{where}/v1")
        self._say("and any text as SPEECHMATICS_API_KEY and OPENAI_API_KEY.")

    def stopped(self) -> None:
        """Print that the sandbox ends because it was told to."""
        if self._form == "text":
            self._say("The sandbox has ended.")

    def failed(self, reason: str) -> None:
        if self._form == "json":
            self._line(event="failed", reason=reason)  # The parent process reports the error.
            return
        print(f"The sandbox cannot start: {reason}", file=sys.stderr, flush=True)

    def _line(self, **event: object) -> None:
        self._say(msgspec.json.encode(event).decode())

    def _say(self, text: str) -> None:
        print(text, flush=True)


async def serve_sandbox(
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    max_calls: int = MAX_CALLS,
    faq_file: Path | None = None,
    on_loaded: Callable[[str], None] | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve with the local engines until `stop` is set.

    host: address to listen on.
    port: port to listen on; 0 for any free port.
    stop: ends the sandbox.
    max_calls: number of simultaneous calls.
    faq_file: the receptionist's FAQ; None for the packaged file.
    on_loaded: called with the name of each of PARTS when the part is loaded.
    on_ready: called with host and port as in a URL.

    The port is bound before the models are loaded, so that a busy port is reported at once.
    Raises CannotServe.
    """
    try:
        faq = load_faq(faq_file)
        with _bind(host, port) as listening:
            async with local_engines(faq, on_loaded=on_loaded) as engines:
                app = create_app(engines, max_calls=max_calls)
                async with _serving(app, listening):
                    if on_ready is not None:
                        on_ready(_where(host, listening))
                    await stop.wait()
    except (FaqError, MissingExtra) as error:
        raise CannotServe(str(error)) from error


def run(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    max_calls: int = MAX_CALLS,
    faq_file: Path | None = None,
    announce: Announce = "text",
    watch_stdin: bool = False,
) -> int:
    """Run the sandbox process. The parameters are those of `serve_sandbox` and these:

    announce: "text" prints sentences, "json" prints JSON lines.
    watch_stdin: end when stdin is closed.

    Returns the exit code: 0, or 1 if the sandbox cannot run.
    """
    logging.basicConfig(level=logging.WARNING, format="sandbox: %(message)s")
    announcer = Announcer(announce)
    try:
        asyncio.run(_run(announcer, host, port, max_calls, faq_file, watch_stdin))
    except CannotServe as error:
        announcer.failed(str(error))
        return 1
    return 0


async def _run(
    announcer: Announcer,
    host: str,
    port: int,
    max_calls: int,
    faq_file: Path | None,
    watch_stdin: bool,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    ready = False

    def end() -> None:
        if not ready:
            # A thread that loads a model cannot be stopped, and nothing needs closing yet.
            announcer.stopped()
            os._exit(0)
        stop.set()

    def on_ready(where: str) -> None:
        nonlocal ready
        ready = True
        announcer.ready(where, max_calls)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    if watch_stdin:
        _when_stdin_ends(lambda: loop.call_soon_threadsafe(end))
    await serve_sandbox(
        host,
        port,
        stop=stop,
        max_calls=max_calls,
        faq_file=faq_file,
        on_loaded=announcer.loaded,
        on_ready=on_ready,
    )
    announcer.stopped()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Bind the port even if old connections of its last owner are in TIME_WAIT.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise CannotServe(f"port {port} on {host} cannot be used ({reason})") from error
    return listening


@asynccontextmanager
async def _serving(app: web.Application, listening: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(
        app, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S, access_log=None
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()


def _where(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    if host in ("0.0.0.0", ""):  # noqa: S104 - compared, not bound
        return f"127.0.0.1:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _when_stdin_ends(call: Callable[[], object]) -> None:
    def watch() -> None:
        while os.read(0, 4096):
            pass
        # The event loop may have ended before the parent process.
        with contextlib.suppress(RuntimeError):
            call()

    # os.read, not sys.stdin: a thread that still reads at exit would hold the lock of its buffer.
    threading.Thread(target=watch, name="stdin", daemon=True).start()
