"""The service: its listeners, its calls, when it is ready and how it ends.

The only place that knows all rooms. Start: listen, then make ready (the sandbox, the SDK, the kept
phrases) while `/ready` says 503. End: take no new call, let running ones finish for DRAIN_S, then
end them; nothing is left behind, whatever was under way.
"""

import asyncio
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from picows import WSListener, WSUpgradeRequest

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.audio.playout import PlayoutClock
from avr_sts_speechmatics.call import Call, Services
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import CallerError, SettingsError
from avr_sts_speechmatics.facts import has_placeholders
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.phrases import Phrases
from avr_sts_speechmatics.sandbox_process import SandboxProcess
from avr_sts_speechmatics.services.speechmatics_stt import SpeechmaticsStt
from avr_sts_speechmatics.services.speechmatics_tts import SpeechmaticsVoice
from avr_sts_speechmatics.services.thinking import Thinking
from avr_sts_speechmatics.services.voice import Voice
from avr_sts_speechmatics.settings import LANGUAGES_SPOKEN, Secret, Settings, with_agent_path
from avr_sts_speechmatics.transports import http_stream
from avr_sts_speechmatics.transports.avr_websocket import AvrWebSocket
from avr_sts_speechmatics.transports.front_door import FrontDoor
from avr_sts_speechmatics.websocket import accept

END_S = 1.0
"""How long a call that was ended may take to let go of everything (s)."""

PHRASES_AGAIN_S = 30.0
"""How long after a failure the kept phrases are tried again (s)."""

_SANDBOX_KEY = Secret("sandbox")  # it wants a key, as the cloud does, and takes any
_LIBRARIES = ("aiohttp", "msgspec", "numpy", "openai", "picows", "uvloop")

_log = logging.getLogger(__name__)


class Server:
    """The service of one process.

        server = Server(settings)
        await server.start()
        ...
        await server.stop()

    news: told what the sandbox has loaded: the part, how many are done, of how many.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        news: Callable[[str, int, int], None] = lambda part, done, of: None,
    ) -> None:
        self.settings = settings
        self.addresses: list[tuple[str, int]] = []
        """Where it listens: host and port, the main one first."""
        self.warnings = list(_warnings(settings))
        """What the operator should know, a sentence each."""
        self._news = news
        self._clock = PlayoutClock()
        self._calls: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server] = []
        self._runner: web.AppRunner | None = None
        self._sandbox: SandboxProcess | None = None
        self._background: list[asyncio.Task[None]] = []
        self._services: Services | None = None
        self._manners = _manners(settings)
        self._begun = time.monotonic()
        self._draining = False

    # --- life ----------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Open the ports. Raises SettingsError when PORT cannot be had."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_post(http_stream.PATH, http_stream.HttpStream(self.open_call).handle)
        # A call ends when its caller's connection does, also while nothing is being written.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        settings = self.settings
        try:
            await self._listen(settings.port)
        except OSError as error:
            reason = cannot_listen(settings.host, settings.port, error)
            raise SettingsError(f"{reason}; give another PORT (or HOST).") from error
        for port in settings.extra_ports:
            if port == settings.port:
                continue
            try:
                await self._listen(port)
            except OSError as error:
                self.warnings.append(
                    f"EXTRA_PORTS: {cannot_listen(settings.host, port, error)}; "
                    "calls to that port do not arrive here."
                )

    async def start(self) -> None:
        """Listen, and make ready. Raises SettingsError."""
        await self.listen()
        await self.make_ready()

    async def make_ready(self) -> None:
        """Get everything a call needs; `/ready` says 200 from then on. Raises SettingsError."""
        settings = self.settings
        sandbox_url = ""
        if settings.hearing_url is None or settings.voice_url is None:
            self._sandbox = SandboxProcess(news=self._news)
            sandbox_url = await self._sandbox.start()
            self._background.append(asyncio.create_task(self._sandbox.keep_running()))
        hearing_url = settings.hearing_url or with_agent_path(
            sandbox_url.replace("http:", "ws:") + "/v2"
        )
        key = settings.speechmatics_api_key
        stt = SpeechmaticsStt(
            hearing_url,
            key if settings.hearing_url else _SANDBOX_KEY,
            language=settings.speechmatics_language,
            model=settings.speechmatics_model,
            vocab=settings.speechmatics_additional_vocab,
        )
        voice = SpeechmaticsVoice(
            settings.voice_url or sandbox_url,
            key if settings.voice_url else _SANDBOX_KEY,
            settings.speechmatics_voice,
        )
        # A welcome that names the caller is another in each call.
        phrases = Phrases(p for p in self._manners.phrases if not has_placeholders(p))
        services = Services(
            open_hearing=stt.open,
            thinking=thinking_of(settings),
            voice=voice,
            phrases=phrases,
            instructions=settings.speechmatics_instructions,
        )
        self._services = services
        # A call may come already; these only make what follows faster.
        self._background.append(asyncio.create_task(services.thinking.warm_up()))
        self._background.append(asyncio.create_task(_prepare(phrases, voice)))

    async def stop(self, drain_s: float = 0.0) -> None:
        """End: no new calls, `drain_s` for the running ones, then everything is closed."""
        self._draining = True
        if self._calls and drain_s:
            _log.info("%d calls may go on for %.0f s", len(self._calls), drain_s)
            await asyncio.wait(self._calls, timeout=drain_s)
        for listener in self._listeners:
            listener.close()
        for task in self._calls:
            task.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=END_S)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._services is not None:
            await self._services.thinking.close()
            await self._services.voice.close()
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)
        if self._sandbox is not None:
            await self._sandbox.stop()
        self._clock.close()

    @property
    def ready(self) -> bool:
        """Whether a call can be taken now."""
        sandbox_is_up = self._sandbox is None or self._sandbox.ready
        return self._services is not None and not self._draining and sandbox_is_up

    async def _listen(self, port: int) -> None:
        assert self._runner is not None
        http = self._runner.server
        assert http is not None
        host = self.settings.host
        loop = asyncio.get_running_loop()

        def door() -> FrontDoor:
            return FrontDoor(lambda: accept(self._accept_websocket), http)

        listener = await loop.create_server(door, host, port, backlog=1024)
        self._listeners.append(listener)
        self.addresses += [sock.getsockname()[:2] for sock in listener.sockets]

    # --- calls ---------------------------------------------------------------------------------

    def open_call(self, caller: Caller, line: Line) -> CallerSide:
        """Take a call. Raises CallerError with the reason when it cannot be taken."""
        services = self._services
        if services is None or not self.ready:
            raise CallerError("the service is not ready; try again later")
        if len(self._calls) >= self.settings.max_calls:
            raise CallerError(f"the service has its {self.settings.max_calls} calls (MAX_CALLS)")
        call = Call(caller, line, services, self._clock, self._manners)
        task = asyncio.create_task(call.run(), name=f"call {caller.uuid}")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return call

    def _accept_websocket(self, request: WSUpgradeRequest) -> WSListener:
        return AvrWebSocket(request.path.decode("latin-1"), self.open_call)

    # --- what an operator asks -----------------------------------------------------------------

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response(self.health())

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({"ready": self.ready}, status=200 if self.ready else 503)

    def health(self) -> dict[str, Any]:
        """What `/health` shows; no secrets."""
        settings = self.settings
        sandboxed = settings.hearing_url is None or settings.voice_url is None
        return {
            "status": "draining" if self._draining else "ok" if self.ready else "starting",
            "ready": self.ready,
            "engine": "sandbox" if sandboxed else "cloud",
            "version": __version__,
            "uptime_s": round(time.monotonic() - self._begun, 1),
            "calls": len(self._calls),
            "services": {
                "hearing": _shown(settings.hearing_url) or "sandbox",
                "voice": _shown(settings.voice_url) or "sandbox",
                "thinking": (
                    f"{_shown(settings.openai_base_url) or 'openai'} ({settings.openai_model})"
                    if settings.thinks_with_model
                    else "receptionist (scripted)"
                ),
            },
            "phrases_missing": self._services.phrases.missing if self._services else None,
            "warnings": self.warnings,
            "versions": {"python": platform.python_version(), **_versions()},
        }


def _manners(settings: Settings) -> Manners:
    return Manners(
        welcome=settings.speechmatics_welcome_message,
        welcome_is_sacred=not settings.welcome_barge_in,
        barge_in=settings.barge_in,
        confirm_s=settings.barge_in_confirm_ms / 1000,
        min_words=settings.barge_in_min_words,
        backchannels=settings.barge_in_backchannels,
        keys_s=settings.dtmf_timeout_ms / 1000,
        no_input_s=settings.no_input_s,
        no_input_max=settings.no_input_max,
        max_call_s=settings.max_call_s,
        filler_s=settings.filler_after_ms / 1000,
    )


def _shown(url: str | None) -> str:
    """An address without its query, in which a proxy's token may stand."""
    return "" if url is None else urlsplit(url)._replace(query="").geturl()


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Why a port cannot be had, in words."""
    # The loop's own text repeats the address; a name that does not resolve has no errno of ours.
    why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
    return f"Cannot listen on {host}:{port} ({why})"


def thinking_of(settings: Settings) -> Thinking:
    """Whoever finds the answers under these settings. Raises SettingsError."""
    # Each brings libraries of its own, and only one is needed.
    if settings.thinks_with_model:
        from avr_sts_speechmatics.services.openai_llm import OpenAiThinking

        return OpenAiThinking(
            settings.openai_model,
            settings.openai_api_key,
            settings.openai_base_url,
            temperature=settings.openai_temperature,
            max_tokens=settings.openai_max_tokens,
            effort=settings.openai_reasoning_effort,
        )
    from avr_sts_speechmatics.services.scripted import (
        FaqError,
        Receptionist,
        ScriptedThinking,
        load_faq,
    )

    try:
        return ScriptedThinking(Receptionist(load_faq(settings.faq_file)))
    except FaqError as error:
        raise SettingsError(f"FAQ_FILE={settings.faq_file}: {error}") from error


async def _prepare(phrases: Phrases, voice: Voice) -> None:
    """Make the kept phrases; try again now and then until all are there."""
    while not await phrases.prepare(voice):  # noqa: ASYNC110 - nobody announces a working voice
        await asyncio.sleep(PHRASES_AGAIN_S)


def _warnings(settings: Settings) -> Iterator[str]:
    """What an operator should know about these settings, a sentence each."""
    if settings.hearing_url is None or settings.voice_url is None:
        yield (
            "Offline: the local sandbox hears and speaks, for one or two calls. "
            "Set SPEECHMATICS_API_KEY to use Speechmatics."
        )
    if not settings.thinks_with_model:
        yield (
            "No model: a scripted receptionist answers from a small FAQ. "
            "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."
        )
    language = settings.speechmatics_language
    if language not in LANGUAGES_SPOKEN:
        yield (
            f"SPEECHMATICS_LANGUAGE={language}: callers are heard in that language, "
            "but Speechmatics' voices speak English only."
        )
    if settings.hearing_url is None and language != "en":
        yield "The sandbox hears English only; SPEECHMATICS_LANGUAGE has no effect offline."


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
