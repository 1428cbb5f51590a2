"""The service: its listeners, its calls, when it is ready and how it ends.

The only module that knows every room. Start: listen, then get ready (the sandbox, the kept phrases)
while `/ready` answers 503. End: take no new call, let running calls finish for DRAIN_S, then end
them. Nothing is left behind, whatever was under way.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web
from picows import WSListener, WSUpgradeRequest, WSUpgradeResponseWithListener

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.admission.call_count import LocalCount
from avr_sts_speechmatics.admission.refusal import DRAINING, STARTING, Refusal
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly.health import health_of
from avr_sts_speechmatics.assembly.parts import (
    Parts,
    admission_of,
    assembled,
    history_of,
    needs_sandbox,
    warnings_of,
)
from avr_sts_speechmatics.audio.playout import PlayoutClock
from avr_sts_speechmatics.call.busy import BusyCalls
from avr_sts_speechmatics.call.call import Call
from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.console import console
from avr_sts_speechmatics.console.call_control import CallControl
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.dialogue.events import ServiceEnds
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.trace_context import TRACEPARENT, TRACESTATE, in_headers
from avr_sts_speechmatics.network.websocket import accept
from avr_sts_speechmatics.runtime.collector import Collector
from avr_sts_speechmatics.sandbox_process import SandboxProcess
from avr_sts_speechmatics.service_trials import ServiceTrials
from avr_sts_speechmatics.settings import Origin, Settings
from avr_sts_speechmatics.shared_state.shared import SharedState
from avr_sts_speechmatics.telemetry.metrics_http import MetricsPage
from avr_sts_speechmatics.telemetry.metrics_sampled import ProcessMetrics
from avr_sts_speechmatics.transports import asterisk_websocket, http_stream
from avr_sts_speechmatics.transports.acceptor import Acceptor
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
from avr_sts_speechmatics.workers.board import State
from avr_sts_speechmatics.workers.health import of_all
from avr_sts_speechmatics.workers.membership import Membership
from avr_sts_speechmatics.workers.ports import Port, Ports, open_ports

WAITING_MIN = 256
"""Most connections without a call, or MAX_CALLS if that is larger."""

FAREWELL_S = 5.0
"""How long a call may go on after DRAIN_S (s): the sentence that is being said, the apology, and
what ON_DRAIN asks of the PBX."""

ACCEPTED_S = 2.0
"""How long a process that is replaced waits for the calls of connections that it has accepted (s).
A connection says which call it is at once."""

SETTLING_S = 0.7
"""The same for a process that is not replaced (s). A connection by AudioSocket, which cannot be
refused, becomes a call half a second after it came."""

END_S = 1.0
"""How long a call that was ended may take to release everything (s)."""

_log = logging.getLogger(__name__)


class Server:
    """The service of one process.

        server = Server(settings)
        await server.start()
        ...
        await server.stop()

    settings: checked by `settings.load`.
    news: called when the sandbox has loaded a part: its name, how many are loaded, of how many.
    member: what the process has of a service of several processes; None if it is the only one.
    origins: where each setting that is set comes from.

    Raises SettingsError when an agent file has a mistake, or a package is missing.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        news: Callable[[str, int, int], None] = lambda part, done, of: None,
        member: Membership | None = None,
        origins: Mapping[str, Origin] | None = None,
    ) -> None:
        self.settings = settings
        self.origins = origins or {}
        self._member = member
        self._agents = Agents.load(settings)
        self.addresses: list[tuple[str, int]] = []
        """Host and port of every listener, PORT first."""
        self.ports: dict[str, tuple[str, int]] = {}
        """Host and port of a listener, by the setting that names the port."""
        self.warnings = [*warnings_of(settings), *self._agents.warnings]
        """Warnings for the operator, one sentence each."""
        self.hints: tuple[str, ...] = ()
        """Sentences for the operator that are no faults, once the service is ready."""
        self._news = news
        self._clock = PlayoutClock()
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._listeners: list[Acceptor] = []
        self._runners: list[web.AppRunner] = []
        self._sandbox: SandboxProcess | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._open = AsyncExitStack()
        self._parts: Parts | None = None
        self._busy: BusyCalls | None = None
        calls = LocalCount if member is None else member.row.calls
        sessions = LocalCount if member is None else member.row.sessions
        self._shared = SharedState(settings.redis_url, settings.redis_prefix)
        self._admission = admission_of(
            settings, self._not_ready, calls, lambda limit: self._shared.count(sessions(limit))
        )
        self._gate: PortGate | None = None
        log = LimitedLog()
        store = self._shared.announcements or (None if member is None else member.announcements)
        self._announced = AnnouncedCalls(required=settings.require_call, store=store, log=log)
        # A PBX may open all its calls at the same moment.
        waiting = WaitingConnections(log, max(settings.max_calls, WAITING_MIN))
        self._reception = Reception(
            self.open_call, log, waiting, self._admission.refusal, self._answer_busy
        )
        self.live = LiveCalls(history_of(settings), waiting.remove)
        self.control = CallControl(self._calls.values, lambda: self._parts)
        self._begun = time.monotonic()
        self._draining = False
        self._trials: ServiceTrials | None = None
        self._trying: asyncio.Task[None] | None = None
        self.collector = Collector(lambda: len(self._calls))
        """The schedule of Python's cycle collector, which the process may start."""
        known = self._admission, self.collector, self._clock, self._reception.reasons
        self._metrics = ProcessMetrics(None if member is None else member.series, *known)

    # --- life ----------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Open the ports. Raises SettingsError when PORT cannot be had."""
        member = self._member
        ports = await open_ports(self.settings) if member is None else member.ports
        self.warnings += ports.warnings
        self.addresses = ports.addresses
        self.ports = {port.setting: port.addresses[0] for port in reversed(ports.opened)}
        if member is None or not member.waits:
            await self._accept(ports)

    async def _accept(self, ports: Ports) -> None:
        """Accept the connections of all ports from now on."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/metrics", MetricsPage(self._metrics, self._member).handle)
        app.router.add_post(http_stream.PATH, http_stream.HttpStream(self._reception).handle)
        log, why_not = self._reception.log, self._all_refuse
        console.add_to(app, self, lambda: self._parts, log.say)
        http = await self._serve(app)
        watch = PortWatch(self._reception)
        port = self.addresses[0][1]
        core = AvrCoreHttp(self._announced, self._ask_webhook, port, log, why_not=why_not)
        core_http = await self._serve(core.application())

        def shared_port() -> SharedPort:
            return SharedPort(lambda: accept(self._accept_websocket, watch), http, self._reception)

        protocols = {"AUDIOSOCKET_PORT": self._audiosocket, "HTTP_PORT": core_http}
        for one in ports.opened:
            listener = self._acceptor(one, protocols.get(one.setting, shared_port))
            if one.setting == "AUDIOSOCKET_PORT" and self.settings.on_busy == "refuse":
                self._gate = PortGate(listener, "AUDIOSOCKET_PORT", self._all_refuse)
        if self._member is not None:
            self._member.pulse(lambda: self.ready)
            self._member.relay(self.live, self.control)
            self._reception.waiting.changed = self._member.row.show_waiting

    def _acceptor(self, port: Port, protocol: Callable[[], asyncio.BaseProtocol]) -> Acceptor:
        turn = None
        if self._member is not None:
            turn = self._member.turn(lambda: self.ready)
        descriptors = self._admission.descriptors
        acceptor = Acceptor(port.sockets, protocol, descriptors, self._reception, turn)
        self._listeners.append(acceptor)
        return acceptor

    def _all_refuse(self) -> Refusal | None:
        """Return this process's refusal, unless another process takes calls."""
        refusal = self._admission.refusal()
        others = [] if refusal is None or self._member is None else self._member.row.others()
        return None if any(row.state is State.TAKES for row in others) else refusal

    async def start(self) -> None:
        """Listen and get ready. Raises SettingsError."""
        await self.listen()
        await self.make_ready()

    async def make_ready(self) -> None:
        """Open all that a call needs; `/ready` answers 200 afterwards. Raises SettingsError."""
        settings = self.settings
        self._open.push_async_callback(self._shared.close)
        await self._shared.start()
        sandbox_url, member, sessions = "", self._member, self._admission.sessions
        if needs_sandbox(settings) and member is not None:
            sandbox_url = await member.sandbox()
        elif needs_sandbox(settings):
            self._sandbox = SandboxProcess(news=self._news)
            sandbox_url = await self._sandbox.start()
            self._keeping = asyncio.create_task(self._sandbox.keep_running())
        self._parts = await self._open.enter_async_context(
            assembled(settings, self._agents, sandbox_url, sessions, self.live, self._metrics)
        )
        self.warnings += self._parts.warnings
        self.hints = self._parts.hints
        self.warnings += self._admission.start(settings.max_calls)
        self._open.callback(self._admission.lag.stop)
        # Loading a library in the background delays the loop, and is over soon.
        self._parts.warm.add_done_callback(lambda _: self._admission.lag.forget())
        self._busy = BusyCalls(self._parts.services, self._clock, settings.on_busy)
        self._open.push_async_callback(self._busy.close)
        if settings.ready_needs_clouds:
            self.try_services()
        if member is not None and member.waits:
            await self._accept(member.ports)

    def try_services(self) -> None:
        """Try STT, LLM and TTS now, in the background, and again after failures."""
        if self._trying is None and self._parts is not None:
            member = self._member
            # A session that a trial has would be missing to a call of any process.
            calls = (lambda: len(self._calls)) if member is None else member.row.board.calls
            at_once = member is None or member.tries
            self._trials = ServiceTrials(self._parts.tried, calls, at_once=at_once)
            self._trying = asyncio.create_task(self._trials.run())

    def when_warm(self, then: Callable[[], None]) -> None:
        """Call `then` once everything is loaded that was still being loaded after the start."""
        assert self._parts is not None
        self._parts.warm.add_done_callback(lambda _: then())

    async def drain(self, *, replaced: bool) -> None:
        """Take no new call and give running calls DRAIN_S to finish; then take leave of callers.

        replaced: whether other processes accept from the same ports. This process accepts no more
            then; otherwise it goes on to accept and refuses calls.
        """
        begun = time.monotonic()
        if replaced and self._member is not None:
            self._member.accept_no_more()
            self._accept_no_more()
            await self._admit_accepted(ACCEPTED_S)
        else:
            await self._admit_accepted(SETTLING_S)
        self._draining = True
        drain_s = self.settings.drain_s
        if self._calls:
            how_long = f"go on for {drain_s:g} s" if drain_s else "go on to their ends"
            _log.info("%s may %s", counted(len(self._calls), "call"), how_long)
            left_s = max(0.1, drain_s - (time.monotonic() - begun)) if drain_s else None
            await asyncio.wait(self._calls, timeout=left_s)
        if self._calls:
            for call in self._calls.values():
                call.take_leave(ServiceEnds())
            await asyncio.wait(self._calls, timeout=FAREWELL_S)

    async def _admit_accepted(self, longest_s: float) -> None:
        """Wait until the connections that were accepted already have opened their calls."""
        await asyncio.sleep(0.1)  # a connection that was just accepted does not count yet
        until = time.monotonic() + longest_s
        while len(self._reception.waiting) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # nobody announces that a connection opens no call

    def _accept_no_more(self) -> None:
        self.live.close()
        if self._gate is not None:
            self._gate.close()
        for listener in self._listeners:
            listener.close()

    async def stop(self) -> None:
        """Take no new call and close everything, running calls too."""
        self._draining = True
        self._accept_no_more()
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
        return self._admission.refusal() is None

    def _not_ready(self) -> Refusal | None:
        if self._draining:
            return DRAINING
        member = self._member
        sandbox = self._sandbox is None or self._sandbox.ready
        sandbox_is_up = sandbox and (member is None or member.may_take_calls)
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
        self._calls[task] = call
        task.add_done_callback(self._call_over)
        return call

    def _call_over(self, task: asyncio.Task[None]) -> None:
        del self._calls[task]
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
        headers = request.headers
        trace = in_headers(headers.getall(TRACEPARENT, ()), headers.getall(TRACESTATE, ()))
        return AvrWebSocket(path, self._reception, trace)

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
        return web.json_response(await self.health_of_all())

    async def health_of_all(self) -> dict[str, Any]:
        """The content of `/health` for all processes of the service."""
        if (member := self._member) is None:
            return self.health()
        return of_all(self.health(), member.number, await member.health_of_others())

    async def _ready(self, _: web.Request) -> web.Response:
        refusal = self._all_refuse()
        if refusal is not None:
            answer = {"ready": False, "reason": refusal.reason}
            return web.json_response(answer, status=503, headers=refusal.headers)
        ready = True
        if self.settings.ready_needs_clouds:
            states = (await self.health_of_all())["service_states"].values()
            ready = all(state["state"] == "ok" for state in states)
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    def health(self) -> dict[str, Any]:
        """The content of `/health`; it holds no secrets."""
        return {
            "status": self._status(),
            "ready": self.ready,
            "version": __version__,
            "uptime_s": round(time.monotonic() - self._begun, 1),
            "calls": len(self._calls),
            "calls_refused": self._reception.refused.total(),
            "calls_refused_by_reason": dict(self._reception.reasons),
            **self._admission.health(),
            "shared": self._shared.health(),
            **health_of(self.settings, self._parts),
            **self.collector.shown(),
            "warnings": self.warnings,
        }

    def _status(self) -> str:
        """In one word: why calls are refused, or degraded (a service is known to fail), or ok."""
        refusal = self._admission.refusal()
        if refusal is not None:
            return refusal.kind
        works = self._parts is not None and not self._parts.states.degraded
        return "ok" if works and not self._shared.is_away else "degraded"
