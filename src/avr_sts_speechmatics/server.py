"""The service: its listeners, its calls, when it is ready and how it ends.

The only module that knows every room. Start: listen, then get ready (the sandbox, the SDK, the kept
phrases) while `/ready` answers 503. End: take no new call, let running calls finish for DRAIN_S,
then end them. Nothing is left behind, whatever was under way.
"""

import asyncio
import errno
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from picows import WSListener, WSUpgradeRequest, WSUpgradeResponseWithListener

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.admission.refusal import DRAINING, STARTING, Refusal
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly import (
    Parts,
    admission_of,
    assembled,
    needs_sandbox,
    sessions_limit,
)
from avr_sts_speechmatics.audio.playout import PlayoutClock
from avr_sts_speechmatics.call.busy import BusyCalls
from avr_sts_speechmatics.call.call import Call
from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.websocket import accept
from avr_sts_speechmatics.sandbox_process import SandboxProcess
from avr_sts_speechmatics.service_trials import ServiceTrials
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.services.tts.speechmatics import LANGUAGES_SPOKEN
from avr_sts_speechmatics.settings import DEFAULTS, Settings
from avr_sts_speechmatics.shared_state.shared import SharedState
from avr_sts_speechmatics.speech.languages import primary
from avr_sts_speechmatics.telemetry.log import lines_lost
from avr_sts_speechmatics.transports import asterisk_websocket, http_stream
from avr_sts_speechmatics.transports.acceptor import Acceptor, listening_sockets
from avr_sts_speechmatics.transports.announced_calls import AnnouncedCalls
from avr_sts_speechmatics.transports.audiosocket import AudioSocketConnection
from avr_sts_speechmatics.transports.avr_core_http import AvrCoreHttp
from avr_sts_speechmatics.transports.avr_websocket import AvrWebSocket
from avr_sts_speechmatics.transports.http_connection import HttpConnection
from avr_sts_speechmatics.transports.limited_log import LimitedLog
from avr_sts_speechmatics.transports.port_gate import PortGate
from avr_sts_speechmatics.transports.reception import PortWatch, Reception
from avr_sts_speechmatics.transports.shared_port import SharedPort
from avr_sts_speechmatics.transports.waiting_connections import WaitingConnections
from avr_sts_speechmatics.values import counted

WAITING_MIN = 256
"""Most connections without a call, or MAX_CALLS if that is larger."""

END_S = 1.0
"""How long a call that was ended may take to release everything (s)."""

_LIBRARIES = ("aiohttp", "msgspec", "numpy", "openai", "picows", "uvloop")

_log = logging.getLogger(__name__)


class Server:
    """The service of one process.

        server = Server(settings)
        await server.start()
        ...
        await server.stop()

    settings: checked by `settings.load`.
    news: called when the sandbox has loaded a part: its name, how many are loaded, of how many.

    Raises SettingsError when an agent file has a mistake, or a package is missing.
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
        self._listeners: list[Acceptor] = []
        self._runners: list[web.AppRunner] = []
        self._sandbox: SandboxProcess | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._open = AsyncExitStack()
        self._parts: Parts | None = None
        self._busy: BusyCalls | None = None
        self._shared = SharedState(
            settings.redis_url, settings.redis_prefix, sessions_max=sessions_limit(settings)
        )
        self._admission = admission_of(settings, self._not_ready, self._shared.sessions)
        self._gate: PortGate | None = None
        log = LimitedLog()
        self._announced = AnnouncedCalls(
            required=settings.require_call, store=self._shared.announcements, log=log
        )
        # A PBX may open all its calls at the same moment.
        waiting = WaitingConnections(log, max(settings.max_calls, WAITING_MIN))
        self._reception = Reception(
            self.open_call, log, waiting, self._admission.refusal, self._answer_busy
        )
        self._begun = time.monotonic()
        self._draining = False
        self._trials: ServiceTrials | None = None
        self._trying: asyncio.Task[None] | None = None

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
            listener = await self._listen(
                "AUDIOSOCKET_PORT", settings.audiosocket_port, self._audiosocket, needed=needed
            )
            if listener is not None and settings.on_busy == "refuse":
                self._gate = PortGate(listener, "AUDIOSOCKET_PORT", self._admission.refusal)
        if settings.http_port is not None:
            port = self.addresses[0][1]
            log, why_not = self._reception.log, self._admission.refusal
            core = AvrCoreHttp(self._announced, self._ask_webhook, port, log, why_not=why_not)
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
        self._open.push_async_callback(self._shared.close)
        await self._shared.start()
        sandbox_url = ""
        if needs_sandbox(settings):
            self._sandbox = SandboxProcess(news=self._news)
            sandbox_url = await self._sandbox.start()
            self._keeping = asyncio.create_task(self._sandbox.keep_running())
        self._parts = await self._open.enter_async_context(
            assembled(settings, self._agents, sandbox_url, self._admission.sessions)
        )
        self.warnings += self._parts.warnings
        self.warnings += self._admission.start(settings.max_calls)
        # Loading a library in the background delays the loop, and is over soon.
        self._parts.warm.add_done_callback(lambda _: self._admission.lag.forget())
        self._busy = BusyCalls(self._parts.services, self._clock, settings.on_busy)
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
        if self._gate is not None:
            self._gate.close()
        for listener in self._listeners:
            listener.close()
        for task in self._calls:
            task.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=END_S)
        if self._busy is not None:
            await self._busy.close()
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
        self._admission.lag.stop()
        self._clock.close()

    @property
    def ready(self) -> bool:
        """Whether a call can be taken now."""
        return self._admission.refusal() is None

    def _not_ready(self) -> Refusal | None:
        if self._draining:
            return DRAINING
        sandbox_is_up = self._sandbox is None or self._sandbox.ready
        return None if self._parts is not None and sandbox_is_up else STARTING

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
    ) -> Acceptor | None:
        host = self.settings.host
        try:
            sockets = await listening_sockets(host, port)
        except OSError as error:
            reason = cannot_listen(host, port, error)
            if error.errno == errno.EADDRINUSE:
                reason += await self._holder(host, port)
            if needed:
                raise SettingsError(f"{reason}; give another {setting} (or HOST).") from error
            self.warnings.append(
                f"{setting}: {reason}; calls to that port will not reach this service."
            )
            return None
        listener = Acceptor(sockets, protocol, self._admission.descriptors, self._reception)
        self._listeners.append(listener)
        found = [sock.getsockname()[:2] for sock in sockets]
        self.addresses += found
        self.ports[setting] = found[0]
        return listener

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
        self._admission.begin()
        assert self._parts is not None  # otherwise no call is admitted
        try:
            call = Call(caller, line, self._parts.services, self._clock)
        except BaseException:
            self._admission.end()
            raise
        # In the context of the connection, so that the lines of its later callbacks name the call.
        current_call.set(call.name)
        if self._trials is not None:
            self._trials.call_begins()
        task = asyncio.create_task(call.run(), name=f"call {caller.uuid}")
        self._calls.add(task)
        task.add_done_callback(self._call_over)
        return call

    def _call_over(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._admission.end()

    def _answer_busy(self, caller: Caller, line: Line) -> CallerSide | None:
        return None if self._busy is None else self._busy.take(caller, line)

    def _accept_websocket(
        self, request: WSUpgradeRequest
    ) -> WSListener | WSUpgradeResponseWithListener:
        path = request.path.decode("latin-1")
        if path.partition("?")[0] == asterisk_websocket.PATH:
            return asterisk_websocket.accept_media(
                request, self._reception, self._announced.facts_for
            )
        return AvrWebSocket(path, self._reception)

    def _audiosocket(self) -> AudioSocketConnection:
        return AudioSocketConnection(
            self._reception,
            law=self.settings.audiosocket_g711,
            facts_for=self._announced.facts_for,
        )

    async def _ask_webhook(
        self, uuid: str, payload: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        webhooks = None if self._parts is None else self._parts.webhooks
        return None if webhooks is None else await webhooks.ask(uuid, payload)

    # --- health and readiness ------------------------------------------------------------------

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response(self.health())

    async def _ready(self, _: web.Request) -> web.Response:
        refusal = self._admission.refusal()
        if refusal is not None:
            answer = {"ready": False, "reason": refusal.reason}
            return web.json_response(answer, status=503, headers=refusal.headers)
        ready = True
        if self.settings.ready_needs_clouds:
            ready = self._parts is not None and self._parts.states.all_work
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
            "calls_refused_by_reason": dict(self._reception.reasons),
            **self._admission.health(),
            "services": {
                "stt": _shown(Stt(settings).address) or "sandbox",
                "tts": _shown(settings.tts_url) or "sandbox",
                "llm": (
                    f"{_shown(settings.openai_base_url) or 'openai'} ({settings.openai_model})"
                    if settings.has_llm
                    else "nobody (no model is set)"
                    if settings.nobody_answers
                    else "receptionist (scripted)"
                ),
            },
            "service_states": {} if states is None else states.shown(),
            "shared": self._shared.health(),
            "phrases_missing": None if self._parts is None else self._parts.voices.missing,
            "log_lines_lost": lines_lost(),
            "warnings": self.warnings,
            "versions": {"python": platform.python_version(), **_versions()},
        }

    def _status(self) -> str:
        """In one word: why calls are refused, or degraded (a service is known to fail), or ok."""
        refusal = self._admission.refusal()
        if refusal is not None:
            return refusal.kind
        works = self._parts is not None and not self._parts.states.degraded
        return "ok" if works and not self._shared.is_away else "degraded"


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
        yield (
            "Offline: the local sandbox hears and speaks, for one or two calls. "
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
    if primary(language) not in LANGUAGES_SPOKEN and settings.voice_fallback is None:
        yield (
            f"SPEECHMATICS_LANGUAGE={language}: callers are heard in that language, "
            "but Speechmatics' voices speak English only; set VOICE_FALLBACK=openai."
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
