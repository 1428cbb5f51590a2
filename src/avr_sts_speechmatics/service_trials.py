"""Trials of STT, LLM and TTS: once after the start, and after failures until a service works again.

A trial is the smallest piece of real work: half a second of silence is recognised, a model begins
an answer of one word, a voice says "Hello". The pauses between trials grow. A session of the STT
counts against the limit of the plan, so the STT is tried only while no call runs; a call that
begins meanwhile ends the trial. While calls run, they show whether the STT works.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.runtime.task_group import TaskGroup
from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.llm.protocol import Brief, Llm
from avr_sts_speechmatics.services.quiet_retries import quiet_retries
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.services.stt.protocol import Recogniser
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.voices import Voices
from avr_sts_speechmatics.telemetry.service_states import ServiceState

RETRY_FIRST_S = 5.0
RETRY_LAST_S = 300.0
"""Longest pause between two trials of a failing service (s); RETRY_FIRST_S is the first pause."""

TRIAL_S = 20.0
"""Longest time of a trial (s)."""

IDLE_S = 1.0
"""Time between two looks whether calls still run, for a trial that waits for their end (s)."""

_log = logging.getLogger(__name__)


class Trial(Protocol):
    async def __call__(self) -> float:
        """Try a service. Returns the time to the first result (s). Raises ServiceError."""


@dataclass(frozen=True, slots=True)
class TriedService:
    """A service and its trial.

    needs_idle: True if the trial uses something that calls may need.
    """

    state: ServiceState
    trial: Trial
    needs_idle: bool = False


class ServiceTrials:
    """Tries the services in the background.

    services: the services to try.
    calls: returns the number of running calls.
    at_once: False if a service is tried only after a failure, because another process has tried it.
    first_s: see RETRY_FIRST_S (s).
    last_s: see RETRY_LAST_S (s).
    """

    def __init__(
        self,
        services: Sequence[TriedService],
        calls: Callable[[], int],
        *,
        at_once: bool = True,
        first_s: float = RETRY_FIRST_S,
        last_s: float = RETRY_LAST_S,
    ) -> None:
        self._services = services
        self._calls = calls
        self._at_once = at_once
        self._first_s = first_s
        self._last_s = last_s
        self._in_the_way: set[asyncio.Task[float]] = set()

    async def run(self) -> None:
        """Try each service until cancelled. A working service is tried only after a failure."""
        async with TaskGroup() as tasks:
            for service in self._services:
                tasks.create_task(self._watch(service), name=f"trials of {service.state.name}")

    def call_begins(self) -> None:
        """End the trials that use something that a call may need."""
        for trial in self._in_the_way:
            trial.cancel()

    async def _watch(self, service: TriedService) -> None:
        state, pause = service.state, self._first_s
        if not self._at_once:
            await state.failed_again.wait()
        while True:
            while service.needs_idle and self._calls():  # noqa: ASYNC110
                await asyncio.sleep(IDLE_S)  # the end of the last call is not announced
            if not state.works:
                state.failed_again.clear()
                if not await self._try(service):
                    continue
            if state.works:
                pause = self._first_s
                await state.failed_again.wait()
                state.failed_again.clear()
                # One answer may fail and the next succeed, and a call is asking just now.
                await asyncio.sleep(pause)
            else:
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(2 * pause, self._last_s)

    async def _try(self, service: TriedService) -> bool:
        """Try a service. Returns False if a call ended the trial."""
        with quiet_retries():
            trial = asyncio.ensure_future(service.trial())
        if service.needs_idle:
            self._in_the_way.add(trial)
        try:
            await running_time.wait((trial,), timeout=TRIAL_S)
            if not trial.done():
                service.state.failed(f"no result within {TRIAL_S:.0f} s")
            elif trial.cancelled():
                return False
            elif (error := trial.exception()) is None:
                service.state.worked(trial.result())
            elif isinstance(error, ServiceError):
                service.state.failed(str(error))
            else:
                _log.error(
                    "a trial of %s failed; please report it", service.state.name, exc_info=error
                )
                service.state.failed(f"{type(error).__name__}: {error}")
        finally:
            self._in_the_way.discard(trial)
            trial.cancel()
            await asyncio.wait((trial,))
        return True


async def try_stt(recogniser: Recogniser) -> float:
    """Implements `Trial` for an STT."""
    return (await recogniser.try_out()).took_s


async def try_llm(llm: Llm, models: Sequence[str]) -> float:
    """Implements `Trial` for an LLM. models: the models that agents use, tried in order."""
    took = 0.0
    for model in models:
        begun = time.monotonic()
        brief = Brief("Answer with one word.", model=model)
        async with aclosing(llm.reply(brief, (Message("user", "Are you there?"),))) as words:
            await anext(words, "")
        took = took or time.monotonic() - begun
    return took


async def try_tts(voices: Sequence[Tts]) -> float:
    """Implements `Trial` for a TTS. voices: the voices that agents have, tried in order."""
    took = 0.0
    for voice in voices:
        begun = time.monotonic()
        async with aclosing(voice.speak("Hello.")) as audio:
            await anext(audio, b"")
        took = took or time.monotonic() - begun
    return took


def tried_services(
    settings: Settings, agents: Agents, stt: Stt, llm: Llm, voices: Voices
) -> tuple[TriedService, ...]:
    """The services that can fail, with their trials; the scripted receptionist cannot."""
    first = agents.all[0]
    recogniser = stt.recogniser(first.language, first.vocabulary)
    speaking = tuple(dict.fromkeys(voices.alone(agent) for agent in agents.all))
    found = [TriedService(ServiceState("tts"), partial(try_tts, speaking))]
    if not settings.nobody_answers:
        hearing = TriedService(ServiceState("stt"), partial(try_stt, recogniser), needs_idle=True)
        found.insert(0, hearing)
    if settings.has_llm:
        models = tuple(dict.fromkeys(agent.model or settings.openai_model for agent in agents.all))
        state = ServiceState("llm", ", ".join(models), lambda: llm.state().adaptations)
        found.append(TriedService(state, partial(try_llm, llm, models)))
    return tuple(found)


def remote_addresses(settings: Settings) -> tuple[str, ...]:
    """Addresses of the services that calls may use, each once; the PBX is not among them."""
    mcp = () if settings.mcp_servers is None else settings.mcp_servers.servers.values()
    found = (
        Stt(settings).address,
        *(tts.ENGINES[name].address(settings) for name in tts.may_speak(settings)),
        settings.llm_url if settings.has_llm else None,
        settings.webhook_url,
        settings.speechmatics_url_instructions,
        *(server.url for server in mcp),
    )
    return tuple(dict.fromkeys(filter(None, found)))
