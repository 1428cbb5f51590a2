"""Builds the parts of a call from the settings.

Only this package knows which class stands behind a setting. Everything that is opened here is
closed here; `server` owns the listening sockets and the calls.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from avr_sts_speechmatics.admission.admission import Admission
from avr_sts_speechmatics.admission.call_count import CallCount, LocalCount
from avr_sts_speechmatics.admission.descriptors import Descriptors, raise_limit
from avr_sts_speechmatics.admission.loop_lag import LoopLag
from avr_sts_speechmatics.admission.refusal import Refusal
from avr_sts_speechmatics.admission.vendor_sessions import VendorSessions
from avr_sts_speechmatics.agents.agent import Agent
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly.observers import CallObservers
from avr_sts_speechmatics.audio.ambient import Ambience
from avr_sts_speechmatics.audio.tap import Tap
from avr_sts_speechmatics.call.services import Services
from avr_sts_speechmatics.call_in_log import trace_headers
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.departures import Departures
from avr_sts_speechmatics.pbx.protocol import Pbx
from avr_sts_speechmatics.records import declared_outcomes, kept_calls
from avr_sts_speechmatics.records.kept_calls import KeptCalls
from avr_sts_speechmatics.records.recordings.opening import recordings_of
from avr_sts_speechmatics.records.recordings.recordings import Recordings
from avr_sts_speechmatics.service_trials import TriedService, remote_addresses, tried_services
from avr_sts_speechmatics.services import announced_ends, tts
from avr_sts_speechmatics.services.announced_ends import ModelInUse
from avr_sts_speechmatics.services.llm.protocol import Llm
from avr_sts_speechmatics.services.stt import Stt, stt_models
from avr_sts_speechmatics.services.stt.nobody import NobodyStt
from avr_sts_speechmatics.services.stt.protocol import SessionWatch, SttListener, SttStream
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.languages import primary
from avr_sts_speechmatics.speech.phrase_store import PhraseStore
from avr_sts_speechmatics.speech.voices import Voices, voice_models, voice_warnings
from avr_sts_speechmatics.telemetry.call_trace import CallTraces
from avr_sts_speechmatics.telemetry.metrics_observer import calls_metrics_of
from avr_sts_speechmatics.telemetry.metrics_sampled import ProcessMetrics
from avr_sts_speechmatics.telemetry.open_telemetry import OpenTelemetry, open_telemetry
from avr_sts_speechmatics.telemetry.priced_services import prices_of, unpriced
from avr_sts_speechmatics.telemetry.service_states import (
    ServiceStates,
)
from avr_sts_speechmatics.telemetry.webhooks import Webhooks
from avr_sts_speechmatics.tools.protocol import RESERVED
from avr_sts_speechmatics.tools.tool_runner import Toolbox, open_toolbox
from avr_sts_speechmatics.values import Secret

_SANDBOX_KEY = Secret("sandbox")  # the sandbox wants a key, as the cloud does, and takes any


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a call, and what else the server needs of them.

    services: the services that every call uses.
    warm: task that ends when the LLM's libraries are loaded; the first call would otherwise wait.
    voices: the TTS voices; `/health` shows how many of their phrases are not cached yet.
    webhooks: sends the event `call_initiated` of an announced call; None if WEBHOOK_URL is not set.
    warnings: one sentence each, for the operator.
    hints: one sentence each, for the operator; they are no faults.
    states: whether STT, LLM and TTS work, as trials and calls show.
    tried: the services with their trials.
    spans: sends calls as traces; None if no address of a collector is set.
    kept: the records of calls; None if nothing is kept (HISTORY=off).
    recordings: the recordings, also those of earlier; None if nothing is kept.
    """

    services: Services
    warm: asyncio.Task[None]
    voices: Voices
    webhooks: Webhooks | None
    warnings: tuple[str, ...]
    hints: tuple[str, ...]
    states: ServiceStates
    tried: tuple[TriedService, ...]
    spans: OpenTelemetry | None
    kept: KeptCalls | None
    recordings: Recordings | None


@asynccontextmanager
async def assembled(
    settings: Settings,
    agents: Agents,
    sandbox_url: str,
    sessions: SessionWatch | None = None,
    live: LiveCalls | None = None,
    metrics: ProcessMetrics | None = None,
) -> AsyncIterator[Parts]:
    """Open everything that a call needs; all of it is closed at the end. Raises SettingsError.

    sandbox_url: HTTP address of the sandbox; used where `needs_sandbox` is True.
    sessions: counts the STT sessions of calls, or None.
    live: shows the calls while they run, or None.
    metrics: the metrics of the process; None to count nothing.
    """
    # A proxy that cannot be used stops the start, not the first call.
    for url in remote_addresses(settings):
        settings.proxies.for_url(url)
    prices = prices_of(settings, sandbox_url)
    hints = tuple(unpriced(prices, settings, agents, sandbox_url))
    async with AsyncExitStack() as stack:
        if metrics is not None:
            stack.callback(metrics.stop)  # after all others: they may lose things while they close
        level = history_of(settings)
        stored = None if level == "off" else recordings_of(settings)
        kept = None if stored is None else KeptCalls(settings, level, stored)
        if kept is not None:
            stack.push_async_callback(kept.close)
            await kept.start()
        recordings = stored if level == "recordings" else None
        if recordings is not None and kept is not None:
            recordings.run(kept.writer.add)
            stack.push_async_callback(recordings.close)
        llm = llm_of(settings)
        stack.push_async_callback(llm.close)
        voices = Voices(
            settings,
            settings.tts_url or sandbox_url,
            settings.speechmatics_api_key if settings.tts_url else _SANDBOX_KEY,
            agents.phrases(),
            store=store_of(settings),
        )
        stack.push_async_callback(voices.close)
        await voices.restore()
        pbx = pbx_of(settings)
        if pbx is not None:
            stack.push_async_callback(pbx.close)
        webhooks = webhooks_of(settings)
        if webhooks is not None:
            stack.push_async_callback(webhooks.close)
        spans = open_telemetry(settings, agents)
        if spans is not None:
            stack.push_async_callback(spans.close)
        traces = traces_of(settings)
        if traces is not None:
            stack.push_async_callback(traces.close)
        add = None if kept is None else kept.writer.add
        outcomes = declared_outcomes.outcomes_of(agents, llm, add, webhooks)
        if outcomes is not None:
            stack.push_async_callback(outcomes.close)
        toolbox = await toolbox_of(settings)
        stack.push_async_callback(toolbox.close)
        stt = Stt(settings, sandbox_url, sessions)
        tried = tried_services(settings, agents, stt, llm, voices)
        states = ServiceStates(*(one.state for one in tried))
        counted = None
        if metrics is not None:
            counted = calls_metrics_of(metrics.series, agents, toolbox)
            records = None if kept is None else kept.health
            metrics.start(webhooks, voices, states, records)
        services = Services(
            agents=agents,
            open_stt=_stt_opener(settings, stt),
            llm=llm,
            voice_of=voices.of,
            toolbox=toolbox,
            departures=departures_of(settings, pbx),
            ambience=ambience_of(settings),
            on_failure=settings.on_failure,
            on_drain=settings.on_drain,
            observers=CallObservers(
                *(settings, states, prices, stt.source),
                webhooks=webhooks,
                traces=traces,
                metrics=counted,
                kept=kept,
                live=live,
                spans=spans,
                outcomes=outcomes,
            ),
            tap=_tap_opener(recordings),
        )
        known = toolbox.names() | set(RESERVED)
        warnings = (
            *agents.unknown_tools(known),
            *_unreachable(settings, agents, pbx),
            *announced_ends.warnings(models_in_use(settings, agents)),
            *kept_calls.warnings_of(settings, level),
        )
        # Calls may come from now on; these tasks only make the first ones faster.
        warm = asyncio.create_task(llm.warm_up())
        background = [warm, asyncio.create_task(voices.prepare())]
        try:
            yield Parts(
                *(services, warm, voices, webhooks, warnings, hints, states, tried, spans, kept),
                stored,
            )
        finally:
            for task in background:
                task.cancel()
            await asyncio.wait(background)


def admission_of(
    settings: Settings,
    state: Callable[[], Refusal | None],
    calls: Callable[[int | None], CallCount] = LocalCount,
    sessions: Callable[[int | None], CallCount] = LocalCount,
) -> Admission:
    """Make what admits calls under these settings; raises this process's limit of open files.

    state: returns the refusal of a service that is starting or draining, or None.
    calls: makes the count of calls, from its limit.
    sessions: makes the count of STT sessions, from its limit.
    """
    # Nobody is heard without a model, so that no session is opened.
    sessions_max = None if settings.nobody_answers else settings.speechmatics_max_sessions
    return Admission(
        state,
        calls(settings.max_calls),
        VendorSessions(sessions(sessions_max)),
        LoopLag(settings.overload_lag_ms),
        Descriptors(raise_limit()),
    )


def llm_of(settings: Settings) -> Llm:
    """Make the LLM client of these settings, or the receptionist without one.

    Raises SettingsError.
    """
    # Each brings libraries of its own, and only one of the two is needed.
    if settings.has_llm:
        from avr_sts_speechmatics.services.llm.openai import OpenAiLlm

        return OpenAiLlm(
            settings.openai_model,
            settings.openai_api_key,
            settings.openai_base_url,
            temperature=settings.openai_temperature,
            max_tokens=settings.openai_max_tokens,
            effort=settings.openai_reasoning_effort,
            history_tokens=settings.history_tokens,
            proxy=settings.proxies.for_url(settings.llm_url),
            trace=None if settings.traces_url is None else trace_headers,
        )
    from avr_sts_speechmatics.services.llm.scripted import (
        FaqError,
        Receptionist,
        ScriptedLlm,
        load_faq,
    )

    try:
        return ScriptedLlm(
            Receptionist(load_faq(settings.faq_file)), own_faq=settings.faq_file is not None
        )
    except FaqError as error:
        raise SettingsError(f"FAQ_FILE={settings.faq_file}: {error}") from error


def store_of(settings: Settings) -> PhraseStore | None:
    """Return the store that keeps phrases between starts; None if phrases are not kept."""
    folder = settings.phrase_cache_dir
    return PhraseStore(folder) if isinstance(folder, Path) else None


def pbx_of(settings: Settings) -> Pbx | None:
    """Make the client of the PBX that hangs up and transfers; None if no PBX is set."""
    if settings.ami_host is not None:
        from avr_sts_speechmatics.pbx.ami import Ami

        assert settings.ami_password is not None  # `settings.load` rejects a host without one
        return Ami(
            settings.ami_host, settings.ami_port, settings.ami_username, settings.ami_password
        )
    if settings.ami_url is not None:
        from avr_sts_speechmatics.pbx.avr_ami import AvrAmi

        return AvrAmi(settings.ami_url)
    return None


def departures_of(settings: Settings, pbx: Pbx | None) -> Departures:
    """Hang-up and transfer for all calls."""
    return Departures(
        pbx,
        settings.transfer_allow,
        context=settings.transfer_context,
        priority=settings.transfer_priority,
    )


def webhooks_of(settings: Settings) -> Webhooks | None:
    if settings.webhook_url is None:
        return None
    return Webhooks(
        settings.webhook_url,
        settings.webhook_secret,
        timeout_s=settings.webhook_timeout / 1000,
        retries=settings.webhook_retry,
        proxy=settings.proxies.for_url(settings.webhook_url),
        trace=None if settings.traces_url is None else trace_headers,
    )


def traces_of(settings: Settings) -> CallTraces | None:
    if settings.call_trace_dir is None:
        return None
    return CallTraces(settings.call_trace_dir, words=settings.log_transcripts)


def history_of(settings: Settings) -> str:
    """What is kept of calls: HISTORY, or its default."""
    return kept_calls.level_of(settings, offline=needs_sandbox(settings))


async def toolbox_of(settings: Settings) -> Toolbox:
    """Load the operator's tools. Raises SettingsError."""
    return await open_toolbox(
        settings.tools_dir,
        settings.mcp_servers,
        settings.avr_tools_dir,
        timeout_s=settings.tool_timeout_s,
        log_arguments=settings.log_transcripts,
        proxies=settings.proxies,
    )


def ambience_of(settings: Settings) -> Ambience | None:
    """Load the sound of a room behind every agent, if there is one. Raises SettingsError."""
    path = settings.ambient_noise_file
    if path is None:
        return None
    try:
        return Ambience.load(path, settings.ambient_noise_level)
    except ValueError as error:
        raise SettingsError(f"AMBIENT_NOISE_FILE: {error}") from error


def _tap_opener(recordings: Recordings | None) -> Callable[[Caller], Tap | None]:
    def open_tap(caller: Caller) -> Tap | None:
        return None if recordings is None else recordings.start(caller.key)

    return open_tap


def _stt_opener(settings: Settings, stt: Stt) -> Callable[[Agent, SttListener], SttStream]:
    def open_stt(agent: Agent, listener: SttListener) -> SttStream:
        if settings.nobody_answers:
            return NobodyStt()
        return stt.open(agent.language, agent.vocabulary, listener)

    return open_stt


def models_in_use(settings: Settings, agents: Agents) -> Iterator[ModelInUse]:
    """Models that calls may have, of the recogniser, the LLM and the voices, each once."""
    yield from stt_models(settings)
    yield from _llm_models(settings, agents)
    yield from voice_models(settings, agents)


def _llm_models(settings: Settings, agents: Agents) -> Iterator[ModelInUse]:
    if not settings.has_llm:
        return
    chosen_by: dict[str, str] = {}
    for agent in agents.all:
        own = agent.model not in (None, settings.openai_model)
        by = f"agent {agent.name}" if own else "OPENAI_MODEL"
        chosen_by.setdefault(agent.model or settings.openai_model, by)
    for name, by in chosen_by.items():
        yield ModelInUse(by, name, settings.llm_url, settings.openai_api_key)


def needs_sandbox(settings: Settings) -> bool:
    """Whether the sandbox stands in for STT or TTS under these settings."""
    return Stt(settings).offline or settings.sandbox_speaks


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


def warnings_of(settings: Settings) -> Iterator[str]:
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


def _unreachable(settings: Settings, agents: Agents, pbx: Pbx | None) -> Iterator[str]:
    """Warnings about settings that cannot take effect."""
    if settings.ami_host is not None and settings.ami_url is not None:
        yield "AMI_URL has no effect: AMI_HOST is set too and wins."
    if pbx is None and settings.transfer_allow:
        yield "TRANSFER_ALLOW has no effect: set AMI_URL or AMI_HOST, so that calls can be moved."
    if pbx is None and settings.on_failure.startswith("transfer:"):
        yield "ON_FAILURE cannot transfer: set AMI_URL or AMI_HOST; the call is closed instead."
    if pbx is None and settings.on_drain.startswith("transfer:"):
        yield "ON_DRAIN cannot transfer: set AMI_URL or AMI_HOST; the call is closed instead."
    if pbx is None and settings.on_busy.startswith("transfer:"):
        yield "ON_BUSY cannot transfer: set AMI_URL or AMI_HOST; the call is ended instead."
    yield from declared_outcomes.unread(settings, agents)
    yield from voice_warnings(settings, agents)
