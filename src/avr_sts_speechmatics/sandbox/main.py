"""The sandbox as a process of its own: load, listen, say where to point the service, end.

It speaks to a person in sentences, or to a parent process in JSON lines on stdout:

    {"event": "loading", "part": "stt", "done": 2, "of": 3}
    {"event": "ready", "url": "http://127.0.0.1:8090"}
    {"event": "failed", "reason": "…"}

It ends on SIGINT, on SIGTERM and, when asked to watch, when stdin ends because the parent
did: a sandbox nobody can reach any more should not go on holding half a gigabyte.
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
"""Answers still going out at the end get this long."""


class CannotServe(Exception):
    """The sandbox cannot run; the message is one sentence and says what to do."""


class Announcer:
    """Tells whoever started us how far we are."""

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
        """where: host and port as in a URL."""
        if self._form == "json":
            self._line(event="ready", url=f"http://{where}")
            return
        self._say(f"The sandbox is ready, for {max_calls} calls at a time. Start the service with")
        self._say(f"  SPEECHMATICS_RT_URL=ws://{where}/v2")
        self._say(f"  SPEECHMATICS_TTS_URL=http://{where}")
        self._say(f"  OPENAI_BASE_URL=http://{where}/v1")
        self._say(f"  OPENAI_TTS_URL=http://{where}/v1")
        self._say("and any text as SPEECHMATICS_API_KEY and OPENAI_API_KEY.")

    def failed(self, reason: str) -> None:
        if self._form == "json":
            self._line(event="failed", reason=reason)  # whoever reads this tells the person
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

    port: 0 takes a free one. faq_file: None for the packaged one. on_loaded: called with each
    of PARTS when it is there. on_ready: called with host and port as in a URL.

    The port is taken before the models are loaded, so that a busy one is known at once.
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
    """Be the sandbox process. Returns its exit code: 0, or 1 with the reason on stderr."""
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
            # A thread that loads a model cannot be told to stop, and there is nothing to close.
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


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A port whose last owner just ended is free, whatever its old connections say.
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
    if host in ("0.0.0.0", ""):  # noqa: S104 - the address to reach it at, not one to bind
        return f"127.0.0.1:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _when_stdin_ends(call: Callable[[], object]) -> None:
    def watch() -> None:
        while os.read(0, 4096):
            pass
        # The loop may have ended before its parent did.
        with contextlib.suppress(RuntimeError):
            call()

    # Without Python's buffers, whose lock a thread still reading would hold at exit.
    threading.Thread(target=watch, name="stdin", daemon=True).start()
