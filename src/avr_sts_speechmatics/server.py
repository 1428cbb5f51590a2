"""The service: its listeners, its calls, when it is ready and how it ends.

The only module that knows every room. Start: listen, then get ready (the sandbox, the kept phrases)
while `/ready` answers 503. End: take no new call, let running calls finish for DRAIN_S, then end
them. Nothing is left behind, whatever was under way.
"""

import asyncio
import errno
import logging
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from picows import WSListener, WSUpgradeRequest, WSUpgradeResponseWithListener

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly import Parts, assembled, needs_sandbox
from avr_sts_speechmatics.audio.playout import PlayoutClock
from avr_sts_speechmatics.call.call import Call
from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.errors import CallerError, SettingsError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.websocket import accept
from avr_sts_speechmatics.runtime.collector import Collector
from avr_sts_speechmatics.sandbox_process import SandboxProcess
from avr_sts_speechmatics.service_trials import ServiceTrials
from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.settings import DEFAULTS, Settings
from avr_sts_speechmatics.speech.languages import primary
from avr_sts_speechmatics.telemetry.log import lines_lost
from avr_sts_speechmatics.transports import asterisk_websocket, http_stream
from avr_sts_speechmatics.transports.announced_calls import AnnouncedCalls
from avr_sts_speechmatics.transports.audiosocket import AudioSocketConnection
from avr_sts_speechmatics.transports.avr_core_http import AvrCoreHttp
from avr_sts_speechmatics.transports.avr_websocket import AvrWebSocket
from avr_sts_speechmatics.transports.http_connection import HttpConnection
from avr_sts_speechmatics.transports.limited_log import LimitedLog
from avr_sts_speechmatics.transports.reception import PortWatch, Reception
from avr_sts_speechmatics.transports.shared_port import SharedPort
from avr_sts_speechmatics.transports.waiting_connections import WaitingConnections
from avr_sts_speechmatics.values import counted

WAITING_MIN = 256
"""Most connections without a call, or MAX_CALLS if that is larger."""

RECEIVE_BUFFER_BYTES = 32 * 1024
"""Data of a connection that the kernel holds until this process reads it (bytes): over a second
of a call. The default, megabytes, would let one client that sends as fast as it can occupy the
process for seconds, because a connection's data is handled in one go."""

END_S = 1.0
"""How long a call that was ended may take to release everything (s)."""

_LIBRARIES = ("aiohttp", "msgspec", "numpy", "picows", "uvloop")

_log = logging.getLogger(__name__)


class Server:
    """The service of one process.

        server = Server(settings)
        await server.start()
        ...
        await server.stop()

    settings: checked by `settings.load`.
    news: called when the sandbox has loaded a part: its name, how many are loaded, of how many.

    Raises SettingsError when an agent file has a mistake.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        news: Callable[[str, int, int], None] = lambda part, done, of: None,
    ) -> None:
        self.settings = settings
        self._agents = Agents.load(settings)
        self.addresses: list[tuple[str, int]] = []
        """Host and port of every listener, PORT first."""
        self.ports: dict[str, tuple[str, int]] = {}
        """Host and port of a listener, by the setting that names the port."""
        self.warnings = [*_warnings(settings), *self._agents.warnings]
        """Warnings for the operator, one sentence each."""
        self._news = news
        self._clock = PlayoutClock()
        self._calls: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []
        self._runners: list[web.AppRunner] = []
        self._sandbox: SandboxProcess | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._open = AsyncExitStack()
        self._parts: Parts | None = None
        self._announced = AnnouncedCalls(required=settings.require_call)
        log = LimitedLog()
        # A PBX may open all its calls at the same moment.
        waiting = WaitingConnections(log, max(settings.max_calls, WAITING_MIN))
        self._reception = Reception(self.open_call, log, waiting)
        self._announced_reception = replace(self._reception, open_call=self._open_announced_call)
        self._begun = time.monotonic()
        self._draining = False
        self._trials: ServiceTrials | None = None
        self._trying: asyncio.Task[None] | None = None
        self.collector = Collector(lambda: len(self._calls))
        """The schedule of Python's cycle collector, which the process may start."""

    # --- life ----------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Open the ports. Raises SettingsError when PORT cannot be had."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_post(http_stream.PATH, http_stream.HttpStream(self._reception).handle)
        http = await self._serve(app)
        settings = self.settings
        watch = PortWatch(self._reception)

        def shared_port() -> SharedPort:
            return SharedPort(lambda: accept(self._accept_websocket, watch), http, self._reception)

        await self._listen("PORT", settings.port, shared_port)
        for port in settings.extra_ports:
            if port != settings.port:
                await self._listen("EXTRA_PORTS", port, shared_port, needed=False)
        if settings.audiosocket_port is not None:
            # Another program may use the default port, and this operator may not need AudioSocket.
            needed = settings.audiosocket_port != DEFAULTS.audiosocket_port
            await self._listen(
                "AUDIOSOCKET_PORT", settings.audiosocket_port, self._audiosocket, needed=needed
            )
        if settings.http_port is not None:
            port = self.addresses[0][1]
            core = AvrCoreHttp(self._announced, self._ask_webhook, port, self._reception.log)
            core_http = await self._serve(core.application())
            needed = settings.http_port != DEFAULTS.http_port
            await self._listen("HTTP_PORT", settings.http_port, core_http, needed=needed)

    async def start(self) -> None:
        """Listen and get ready. Raises SettingsError."""
        await self.listen()
        await self.make_ready()

    async def make_ready(self) -> None:
        """Open all that a call needs; `/ready` answers 200 afterwards. Raises SettingsError."""
        settings = self.settings
        sandbox_url = ""
        if needs_sandbox(settings):
            self._sandbox = SandboxProcess(news=self._news)
            sandbox_url = await self._sandbox.start()
            self._keeping = asyncio.create_task(self._sandbox.keep_running())
        self._parts = await self._open.enter_async_context(
            assembled(settings, self._agents, sandbox_url)
        )
        self.warnings += self._parts.warnings
        if settings.ready_needs_clouds:
            self.try_services()

    def try_services(self) -> None:
        """Try STT, LLM and TTS now, in the background, and again after failures."""
        if self._trying is None and self._parts is not None:
            self._trials = ServiceTrials(self._parts.tried, lambda: len(self._calls))
            self._trying = asyncio.create_task(self._trials.run())

    def when_warm(self, then: Callable[[], None]) -> None:
        """Call `then` once everything is loaded that was still being loaded after the start."""
        assert self._parts is not None
        self._parts.warm.add_done_callback(lambda _: then())

    async def stop(self, drain_s: float = 0.0) -> None:
        """Take no new call, give running calls `drain_s` (s) to finish, then close everything."""
        self._draining = True
        if self._calls and drain_s:
            _log.info("%s may go on for %.0f s", counted(len(self._calls), "call"), drain_s)
            await asyncio.wait(self._calls, timeout=drain_s)
        for listener in self._listeners:
            listener.close()
        for task in self._calls:
            task.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=END_S)
        for runner in self._runners:
            await runner.cleanup()
        self._reception.log.close()
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait((self._trying,))
        await self._open.aclose()
        await self._agents.close()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
        if self._sandbox is not None:
            await self._sandbox.stop()
        self._clock.close()

    @property
    def ready(self) -> bool:
        """Whether a call can be taken now."""
        sandbox_is_up = self._sandbox is None or self._sandbox.ready
        return self._parts is not None and not self._draining and sandbox_is_up

    async def _serve(self, app: web.Application) -> Callable[[], HttpConnection]:
        """Start an application; returns what makes the protocol of a connection."""
        # A call ends when its caller's connection ends, even while nothing is being written.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        self._runners.append(runner)
        await runner.setup()
        server = runner.server
        assert server is not None
        return lambda: HttpConnection(server, self._reception)

    async def _listen(
        self,
        setting: str,
        port: int,
        protocol: Callable[[], asyncio.BaseProtocol],
        *,
        needed: bool = True,
    ) -> None:
        host = self.settings.host
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(protocol, host, port, backlog=1024)
        except OSError as error:
            reason = cannot_listen(host, port, error)
            if error.errno == errno.EADDRINUSE:
                reason += await self._holder(host, port)
            if needed:
                raise SettingsError(f"{reason}; give another {setting} (or HOST).") from error
            self.warnings.append(
                f"{setting}: {reason}; calls to that port will not reach this service."
            )
            return
        for sock in listener.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._listeners.append(listener)
        found = [sock.getsockname()[:2] for sock in listener.sockets]
        self.addresses += found
        self.ports[setting] = found[0]

    async def _holder(self, host: str, port: int) -> str:
        """The rest of a sentence that says who has a port already; empty if that is unknown."""
        for setting, (_, taken) in self.ports.items():
            if taken == port:
                return f": {setting} is the same port"
        at = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - not bound
        try:
            limit = aiohttp.ClientTimeout(total=1.0)
            async with (
                aiohttp.ClientSession(timeout=limit) as http,
                http.get(f"http://{at}:{port}/health") as response,
            ):
                health = await response.json(content_type=None)
            uptime = float(health["uptime_s"])
            return (
                f": this service (version {health['version']}) runs there already, since "
                f"{uptime:.0f} s, with {counted(int(health['calls']), 'call')}"
            )
        except (aiohttp.ClientError, OSError, ValueError, LookupError, TypeError, TimeoutError):
            return ""  # another program

    # --- calls ---------------------------------------------------------------------------------

    def open_call(self, caller: Caller, line: Line) -> CallerSide:
        """Take a call. Raises CallerError with the reason when it cannot be taken."""
        parts = self._parts
        if parts is None or not self.ready:
            raise CallerError("the service is not ready; try again later")
        if len(self._calls) >= self.settings.max_calls:
            most = counted(self.settings.max_calls, "call")
            raise CallerError(f"the service has its {most} (MAX_CALLS)")
        call = Call(caller, line, parts.services, self._clock)
        # In the context of the connection, so that the lines of its later callbacks name the call.
        current_call.set(call.name)
        if self._trials is not None:
            self._trials.call_begins()
        task = asyncio.create_task(call.run(), name=f"call {caller.uuid}")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return call

    def _accept_websocket(
        self, request: WSUpgradeRequest
    ) -> WSListener | WSUpgradeResponseWithListener:
        path = request.path.decode("latin-1")
        if path.partition("?")[0] == asterisk_websocket.PATH:
            return asterisk_websocket.accept_media(request, self._announced_reception)
        return AvrWebSocket(path, self._reception)

    def _audiosocket(self) -> AudioSocketConnection:
        return AudioSocketConnection(
            self._reception,
            law=self.settings.audiosocket_g711,
            facts_for=self._announced.facts_for,
        )

    def _open_announced_call(self, caller: Caller, line: Line) -> CallerSide:
        """Take a call with its own facts and those of its announcement, if it was announced."""
        announced = self._announced.facts_for(caller.uuid)
        if announced is None:
            raise CallerError("the call was not announced by POST /call (REQUIRE_CALL)")
        return self.open_call(replace(caller, facts={**announced, **caller.facts}), line)

    async def _ask_webhook(
        self, uuid: str, payload: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        webhooks = None if self._parts is None else self._parts.webhooks
        return None if webhooks is None else await webhooks.ask(uuid, payload)

    # --- health and readiness ------------------------------------------------------------------

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response(self.health())

    async def _ready(self, _: web.Request) -> web.Response:
        ready = self.ready
        if self.settings.ready_needs_clouds:
            ready = ready and self._parts is not None and self._parts.states.all_work
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    def health(self) -> dict[str, Any]:
        """The content of `/health`; it holds no secrets."""
        settings = self.settings
        sandboxed = needs_sandbox(settings)
        states = None if self._parts is None else self._parts.states
        return {
            "status": self._status(),
            "ready": self.ready,
            "engine": "sandbox" if sandboxed else "cloud",
            "version": __version__,
            "uptime_s": round(time.monotonic() - self._begun, 1),
            "calls": len(self._calls),
            "calls_refused": self._reception.refused.total(),
            "services": {
                "stt": _shown(Stt(settings).address) or "sandbox",
                "tts": _voice_shown(settings),
                "llm": (
                    f"{_shown(settings.openai_base_url) or 'openai'} ({settings.openai_model})"
                    if settings.has_llm
                    else "nobody (no model is set)"
                    if settings.nobody_answers
                    else "receptionist (scripted)"
                ),
            },
            "service_states": {} if states is None else states.shown(),
            "phrases_missing": None if self._parts is None else self._parts.voices.missing,
            "log_lines_lost": lines_lost(),
            **self.collector.shown(),
            "warnings": self.warnings,
            "versions": {"python": platform.python_version(), **_versions()},
        }

    def _status(self) -> str:
        """In one word: draining, starting, degraded (a service is known to fail) or ok."""
        if self._draining:
            return "draining"
        if self._parts is None or not self.ready:
            return "starting"
        return "degraded" if self._parts.states.degraded else "ok"


def _voice_shown(settings: Settings) -> str:
    """Who speaks for an agent without a voice of its own."""
    engine = tts.ENGINES[tts.first(settings)]
    url, model = engine.address(settings), engine.model(settings)
    return (_shown(url) or "sandbox") + (f" ({model})" if model else "")


def _shown(url: str | None) -> str:
    """An address without its query, which may hold the token of a proxy."""
    return "" if url is None else urlsplit(url)._replace(query="").geturl()


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """A sentence that says why a port cannot be opened."""
    # The text of asyncio repeats the address. A host that does not resolve has a negative errno.
    why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
    return f"Cannot listen on {host}:{port} ({why})"


def how_it_tries(settings: Settings) -> Iterator[str]:
    """Yield hints for an operator who tries the service without keys; the hints are no faults."""
    if needs_sandbox(settings):
        doing = ("hears", Stt(settings).offline), ("speaks", settings.sandbox_speaks)
        does = " and ".join(word for word, done in doing if done)
        yield (
            f"Offline: the local sandbox {does}, for one or two calls. "
            "Set SPEECHMATICS_API_KEY to use Speechmatics."
        )
    if not settings.has_llm and not settings.nobody_answers:
        yield (
            "No model: a scripted receptionist answers from a small FAQ. "
            "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."
        )


def _warnings(settings: Settings) -> Iterator[str]:
    """Warnings about these settings, one sentence each."""
    yield from how_it_tries(settings)
    if settings.nobody_answers:
        yield (
            "No model: callers hear one sentence, then ON_FAILURE is carried out "
            f"({settings.on_failure}). Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your "
            "own; or FAQ_FILE, or THINKING=receptionist, for the scripted receptionist."
        )
    language = settings.speechmatics_language
    speaks = tts.ENGINES[tts.first(settings)].speaks(primary(language))
    if not speaks and settings.voice_fallback is None:
        yield (
            f"SPEECHMATICS_LANGUAGE={language}: callers are heard in that language, "
            "but Speechmatics' voices speak English only; set VOICE_FALLBACK=openai, or TTS=http."
        )
    if Stt(settings).offline and language != "en":
        yield "The sandbox hears English only; SPEECHMATICS_LANGUAGE has no effect offline."


@cache
def _versions() -> dict[str, str]:
    # Kept: reading a package's metadata takes half a millisecond.
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
