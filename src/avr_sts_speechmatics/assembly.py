"""What calls are made of, put together from the settings.

The one place that knows which class stands behind a setting. What is opened here is closed here;
`server` owns the sockets that are listened on, and the calls.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from avr_sts_speechmatics.agent import Agent
from avr_sts_speechmatics.agents import Agents
from avr_sts_speechmatics.audio.ambient import Ambience, quiet
from avr_sts_speechmatics.call import Background, Services
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Line
from avr_sts_speechmatics.services.hearing import Hearing, HearingListener
from avr_sts_speechmatics.services.speechmatics_stt import SpeechmaticsStt
from avr_sts_speechmatics.services.thinking import Thinking
from avr_sts_speechmatics.settings import Secret, Settings, VocabEntry, with_agent_path
from avr_sts_speechmatics.telemetry.webhooks import Webhooks
from avr_sts_speechmatics.tools.departures import HANG_UP, TRANSFER, Departures
from avr_sts_speechmatics.tools.exchange import Exchange
from avr_sts_speechmatics.tools.toolbox import Toolbox, open_toolbox
from avr_sts_speechmatics.voices import Voices

_SANDBOX_KEY = Secret("sandbox")  # it wants a key, as the cloud does, and takes any


@dataclass(frozen=True, slots=True)
class Parts:
    """What calls are made of, and what else the server asks of it.

    warm: done when everything is loaded that the first call would otherwise wait for.
    """

    services: Services
    warm: asyncio.Task[None]
    voices: Voices
    webhooks: Webhooks | None
    warnings: tuple[str, ...]


@asynccontextmanager
async def assembled(settings: Settings, agents: Agents, sandbox_url: str) -> AsyncIterator[Parts]:
    """Open everything a call needs; all is closed at the end. Raises SettingsError.

    sandbox_url: where it is, if hearing or voice are to be its.
    """
    async with AsyncExitStack() as stack:
        thinking = thinking_of(settings)
        stack.push_async_callback(thinking.close)
        voices = Voices(
            settings,
            settings.voice_url or sandbox_url,
            settings.speechmatics_api_key if settings.voice_url else _SANDBOX_KEY,
            agents.phrases(),
        )
        stack.push_async_callback(voices.close)
        exchange = exchange_of(settings)
        if exchange is not None:
            stack.push_async_callback(exchange.close)
        webhooks = webhooks_of(settings)
        if webhooks is not None:
            stack.push_async_callback(webhooks.close)
        toolbox = await toolbox_of(settings)
        stack.push_async_callback(toolbox.close)
        services = Services(
            agents=agents,
            open_hearing=_Ears(settings, sandbox_url).open,
            thinking=thinking,
            voice_of=voices.of,
            toolbox=toolbox,
            departures=Departures(
                exchange,
                settings.transfer_allow,
                context=settings.transfer_context,
                priority=settings.transfer_priority,
            ),
            webhooks=webhooks,
            background=background_of(settings),
            on_failure=settings.on_failure,
            log_transcripts=settings.log_transcripts,
        )
        known = toolbox.names() | {HANG_UP, TRANSFER}
        warnings = (*agents.strange_tools(known), *_unreachable(settings, agents, exchange))
        # A call may come already; these only make what follows faster.
        warm = asyncio.create_task(thinking.warm_up())
        background = [warm, asyncio.create_task(voices.prepare())]
        try:
            yield Parts(services, warm, voices, webhooks, warnings)
        finally:
            for task in background:
                task.cancel()
            await asyncio.wait(background)


def manners_of(settings: Settings) -> Manners:
    """How an agent of these settings behaves."""
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
        preemptive=settings.preemptive == "on",
        dictation_s=settings.dictation_ms / 1000,
        farewell_s=settings.farewell_margin_ms / 1000,
        tool_rounds=settings.tool_rounds,
    )


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


def exchange_of(settings: Settings) -> Exchange | None:
    """Whoever hangs up and transfers, or None."""
    if settings.ami_host is not None:
        from avr_sts_speechmatics.tools.ami import Ami

        assert settings.ami_password is not None  # `settings.load` refuses one without the other
        return Ami(
            settings.ami_host, settings.ami_port, settings.ami_username, settings.ami_password
        )
    if settings.ami_url is not None:
        from avr_sts_speechmatics.tools.avr_ami import AvrAmi

        return AvrAmi(settings.ami_url)
    return None


def webhooks_of(settings: Settings) -> Webhooks | None:
    if settings.webhook_url is None:
        return None
    return Webhooks(
        settings.webhook_url,
        settings.webhook_secret,
        timeout_s=settings.webhook_timeout / 1000,
        retries=settings.webhook_retry,
    )


async def toolbox_of(settings: Settings) -> Toolbox:
    """The operator's tools. Raises SettingsError."""
    return await open_toolbox(
        settings.tools_dir,
        settings.mcp_servers,
        timeout_s=settings.tool_timeout_s,
        log_arguments=settings.log_transcripts,
    )


def background_of(settings: Settings) -> Callable[[Line], Background | None]:
    """What a new call has under the agent and in its pauses. Raises SettingsError."""
    path = settings.ambient_noise_file
    if path is None:
        return lambda line: quiet if line.continuous else None
    try:
        ambience = Ambience.load(path, settings.ambient_noise_level)
    except ValueError as error:
        raise SettingsError(f"AMBIENT_NOISE_FILE: {error}") from error
    return lambda line: ambience.background()


class _Ears:
    """Recognisers, one for each language and vocabulary that agents have."""

    def __init__(self, settings: Settings, sandbox_url: str) -> None:
        sandbox = with_agent_path(sandbox_url.replace("http:", "ws:") + "/v2")
        self._url = settings.hearing_url or sandbox
        self._key = settings.speechmatics_api_key if settings.hearing_url else _SANDBOX_KEY
        self._model = settings.speechmatics_model
        self._stt: dict[tuple[str, tuple[VocabEntry, ...]], SpeechmaticsStt] = {}

    def open(self, agent: Agent, listener: HearingListener) -> Hearing:
        kind = agent.language, agent.vocabulary
        if kind not in self._stt:
            self._stt[kind] = SpeechmaticsStt(
                self._url,
                self._key,
                language=agent.language,
                model=self._model,
                vocab=agent.vocabulary,
            )
        return self._stt[kind].open(listener)


def _unreachable(settings: Settings, agents: Agents, exchange: Exchange | None) -> Iterator[str]:
    """Warnings of what is asked for and cannot be done."""
    if settings.ami_host is not None and settings.ami_url is not None:
        yield "AMI_URL has no effect: AMI_HOST is set too and wins."
    if exchange is None and settings.transfer_allow:
        yield "TRANSFER_ALLOW has no effect: set AMI_URL or AMI_HOST, so that calls can be moved."
    if exchange is None and settings.on_failure.startswith("transfer:"):
        yield "ON_FAILURE cannot transfer: set AMI_URL or AMI_HOST; the call is closed instead."
    silent = sorted(agent.name for agent in agents.all if agent.voice_engine == "openai")
    if silent and not settings.second_voice_is_there:
        yield (
            f"Agents with a voice of OpenAI cannot speak ({', '.join(silent)}): set "
            "OPENAI_TTS_API_KEY, or OPENAI_TTS_URL for a server that wants no key."
        )
