"""Checks everything that a call needs, in parallel and within TOTAL_S.

Files and tools of this machine are loaded, and ports are bound, in the same way as the service does
(`machine`). Each cloud service (STT, TTS, LLM) gets one minimal real request, such as to speak one
word (`clouds`, `voices`, `model`). The PBX, the webhook's server, the instructions service, Redis
(`operator_services`) and the database of calls (`kept_calls`) are contacted without effect on a
call. A cloud service that the sandbox replaces is not contacted, nor is a server that is not
configured.

API keys and passwords are masked in the result.
"""

import asyncio
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly import parts as assembly
from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.doctor import (
    advice,
    clouds,
    kept_calls,
    machine,
    model,
    operator_services,
    outside,
)
from avr_sts_speechmatics.doctor import voices as of_voices
from avr_sts_speechmatics.doctor.check import Check, check_from
from avr_sts_speechmatics.errors import ServiceError, SettingsError
from avr_sts_speechmatics.services.llm.protocol import Llm
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.voices import Voices
from avr_sts_speechmatics.values import MASKED_FROM

TOTAL_S = 14.0
"""Longest time for all checks (s); a slow goodbye may add one."""

HEAD_START_S = 1.0
"""How long tools are loaded before the other checks start (s)."""


async def examine(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> list[Check]:
    """Run all checks; return their results in a fixed order. Arguments as in `settings.load`.

    If a setting is invalid, the result holds only this failure: no other check runs.
    """
    try:
        loaded = settings.load_and_warn(environ, env_file)
        chosen = loaded.settings
        llm = assembly.llm_of(chosen)
    except SettingsError as error:
        advice = "Correct it; all else was not looked at."
        return [Check("settings", "failed", str(error), advice)]
    found = [Check("settings", "ok", "every value can be used")]
    for sentence in loaded.warnings:
        found.append(Check("settings", "warning", sentence, "Correct it, or take it out."))
    # First the work that keeps this process busy (files, SDKs): latencies are measured after it.
    agents, about_agents = machine.agents(chosen)
    found += about_agents
    about_proxies = outside.proxies(chosen)
    found += about_proxies
    if any(check.state == "failed" for check in about_proxies):
        return found
    if chosen.prices_file is not None or chosen.max_cost:
        found.append(machine.prices(chosen, agents))
    if chosen.ambient_noise_file is not None:
        found.append(machine.noise(chosen, chosen.ambient_noise_file))
    found.append(of_voices.combination(chosen, agents))
    if assembly.needs_sandbox(chosen):
        found.append(machine.sandbox())
    await llm.warm_up()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(llm.close)
        voices = of_voices.voices_of(chosen)
        stack.push_async_callback(voices.close)
        deadline = asyncio.get_running_loop().time() + TOTAL_S
        async with asyncio.TaskGroup() as checks:
            tasks = []
            offered = asyncio.get_running_loop().create_future()
            if not machine.has_tools(chosen, agents):
                offered.set_result(())
            else:
                tools = _Step("tools", "", machine.tools(chosen, agents, offered))
                tasks.append(checks.create_task(_carry_out(tools, deadline)))
                await asyncio.wait(tasks, timeout=HEAD_START_S)
            for step in _steps(chosen, agents, llm, voices, offered):
                tasks.append(checks.create_task(_carry_out(step, deadline)))
    for task in tasks:
        found += task.result()
    secrets = list(_secrets(chosen))
    return [_masked(check, secrets) for check in found]


@dataclass(frozen=True, slots=True)
class _Step:
    """A check to carry out.

    what: name of the check, for a failure that `work` does not report itself.
    where: text that is put before the detail of the result, such as a host name.
    work: awaitable that returns the result.
    service: the service whose advice fits a failure; empty for `what`.
    """

    what: str
    where: str
    work: Awaitable[Check | list[Check]]
    service: str = ""


def _steps(
    chosen: Settings,
    agents: Agents,
    llm: Llm,
    voices: Voices,
    offered: Awaitable[Sequence[ToolSpec]],
) -> Iterator[_Step]:
    for listener in machine.listeners(chosen):
        yield _Step(f"port {listener.port}", "", machine.port(chosen, listener))
    stt = Stt(chosen)
    if stt.address is not None:
        found, one_at_a_time = clouds.recognisers(stt, agents), asyncio.Lock()
        for ears in found:
            who = f"{ears.agents}: " if len(found) > 1 else ""
            yield _Step("stt", _host(stt.address) + who, clouds.stt(ears, one_at_a_time))
    for speaker in of_voices.speakers(chosen, agents, voices):
        where = f"{_host(speaker.url)}{speaker.name}: "
        yield _Step(speaker.what, where, of_voices.voice(speaker), f"tts by {speaker.engine}")
    for name, agent in model.models(chosen, agents).items():
        where = f"{_host(chosen.llm_url)}{name}: " if chosen.has_llm else ""
        yield _Step("llm", where, model.llm(chosen, llm, name, agent, offered))
    for used in assembly.models_in_use(chosen, agents):
        yield _Step("model's end", "", outside.ends(chosen, used))
    url_of_instructions = chosen.speechmatics_url_instructions
    if url_of_instructions is not None and any(map(agents.needs_brief, agents.all)):
        work = operator_services.instructions(chosen, url_of_instructions)
        yield _Step("instructions", _host(url_of_instructions), work)
    yield _Step("pbx", "", operator_services.pbx(chosen, assembly.pbx_of(chosen)))
    if chosen.redis_url is not None:
        work = operator_services.redis(chosen.redis_url, chosen.redis_prefix)
        yield _Step("redis", "", work)
    yield _Step("records", "", kept_calls.records(chosen))
    if chosen.webhook_url is not None:
        where, through = _host(chosen.webhook_url), chosen.proxies.for_url(chosen.webhook_url)
        work = operator_services.webhook(chosen.webhook_url, through)
        yield _Step("webhook", where, work)


def _host(url: str) -> str:
    return f"{urlsplit(url).netloc}: "


async def _carry_out(step: _Step, deadline: float) -> list[Check]:
    """Carry out a step and return its checks; a failed check if `deadline` (loop time) passes."""
    try:
        async with asyncio.timeout_at(deadline):
            found = await step.work
    except TimeoutError:
        detail = f"no result within {TOTAL_S:.0f} s"
        found = Check(step.what, "failed", detail, advice.LATER)
    except ServiceError as error:
        failure = str(error).removeprefix(f"{error.service}: ")
        if "the proxy " in failure:
            what_to_do = "Check HTTPS_PROXY and NO_PROXY."
            found = check_from(step.what, "failed", failure, "; ", what_to_do)
        else:
            what_to_do = advice.advice_for(step.service or step.what, failure)
            found = Check(step.what, "failed", failure, what_to_do)
    except UnicodeError as error:  # a host name that DNS cannot have
        what_to_do = "Correct the host name in this address."
        found = Check(step.what, "failed", str(error), what_to_do)
    several = [found] if isinstance(found, Check) else found
    return [replace(check, detail=step.where + check.detail) for check in several]


# --- no secret is shown ---------------------------------------------------------------------------

# OpenAI quotes the ends of a key that it refuses.
_KEY_ENDS = re.compile(r"\bsk-[\w*.-]+")


def _secrets(chosen: Settings) -> Iterator[str]:
    """Yield the texts to mask: keys, passwords, and tokens in the queries of addresses."""
    yield from chosen.secrets()
    values = (getattr(chosen, item.name) for item in fields(chosen))
    urls = [value for value in values if isinstance(value, str) and "://" in value]
    if chosen.mcp_servers is not None:
        urls += [one.url for one in chosen.mcp_servers.servers.values() if one.url is not None]
    for url in urls:
        query = urlsplit(url).query
        yield query
        tokens = [value for _, value in parse_qsl(query)]
        tokens += [pair.partition("=")[2] for pair in query.split("&")]  # as it is written
        yield from (token for token in tokens if len(token) >= MASKED_FROM)


def _masked(check: Check, secrets: Sequence[str]) -> Check:
    def mask(text: str) -> str:
        text = _KEY_ENDS.sub("***", text)
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    return replace(check, detail=mask(check.detail), advice=mask(check.advice))
