"""The `doctor` command: is everything there that a call needs, and if not, what to do.

What is on this machine is loaded and bound as the service would (`house`); clouds do the smallest
piece of real work (`clouds`); the operator's other programs are asked something that does nothing
(`neighbours`). All at once, within TOTAL_S; where the sandbox takes a service's place, nobody is
contacted, and what is not set up is not asked.
"""

import asyncio
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec

from avr_sts_speechmatics import assembly, settings
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.doctor import clouds, machine, operator_services
from avr_sts_speechmatics.doctor.check import Check
from avr_sts_speechmatics.errors import ServiceError, SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.services.llm.protocol import Llm
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.voices import Voices
from avr_sts_speechmatics.values import MASKED_FROM

__all__ = ["TOTAL_S", "Check", "examine", "report", "run"]

TOTAL_S = 14.0
"""Longest time for all checks (s); a slow goodbye may add one."""

HEAD_START_S = 1.0
"""How long tools are loaded before anything else is begun (s)."""


async def examine(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> list[Check]:
    """Check everything. The arguments are those of `settings.load`. No key is in the result."""
    try:
        chosen = settings.load(environ, env_file)
        llm = assembly.llm_of(chosen)
    except SettingsError as error:
        advice = "Correct it; all else was not looked at."
        return [Check("settings", "failed", str(error), advice)]
    found = [Check("settings", "ok", "every value can be used")]
    for sentence in settings.unknown_variables(environ, env_file):
        found.append(Check("settings", "warning", sentence, "Correct the name, or take it out."))
    # What keeps this process busy, no measured latency should have in it: files, SDKs.
    agents, about_agents = machine.agents(chosen)
    found += about_agents
    if chosen.ambient_noise_file is not None:
        found.append(machine.noise(chosen, chosen.ambient_noise_file))
    if chosen.stt_url is None or chosen.tts_url is None:
        found.append(machine.sandbox())
    await llm.warm_up()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(llm.close)
        voices = clouds.voices_alone(chosen)
        stack.push_async_callback(voices.close)
        deadline = asyncio.get_running_loop().time() + TOTAL_S
        async with asyncio.TaskGroup() as checks:
            tasks = []
            if machine.has_tools(chosen, agents):
                tools = _Step("tools", "", machine.tools(chosen, agents))
                tasks.append(checks.create_task(_bounded(tools, deadline)))
                await asyncio.wait(tasks, timeout=HEAD_START_S)
            for step in _steps(chosen, agents, llm, voices):
                tasks.append(checks.create_task(_bounded(step, deadline)))
    for task in tasks:
        found += task.result()
    secrets = list(_secrets(chosen))
    return [_masked(check, secrets) for check in found]


@dataclass(frozen=True, slots=True)
class _Step:
    """Something to look at. where: put before what is found."""

    what: str
    where: str
    look: Awaitable[Check | list[Check]]


def _steps(chosen: Settings, agents: Agents, llm: Llm, voices: Voices) -> Iterator[_Step]:
    for listener in machine.listeners(chosen):
        yield _Step(f"port {listener.port}", "", machine.port(chosen, listener))
    if (url := chosen.stt_url) is not None:
        agent = agents.for_call(Caller("doctor", "doctor"))
        yield _Step("stt", _host(url), clouds.stt(chosen, agent, url))
    for speaker in clouds.speakers(chosen, agents, voices):
        where = f"{_host(speaker.url)}{speaker.name}: "
        yield _Step(speaker.what, where, clouds.voice(speaker))
    url = chosen.openai_base_url or "https://api.openai.com"
    for model in clouds.models(chosen, agents):
        where = f"{_host(url)}{model}: " if chosen.has_llm else ""
        yield _Step("llm", where, clouds.llm(chosen, llm, model))
    told_by = chosen.speechmatics_url_instructions
    if told_by is not None and any(map(agents.needs_brief, agents.all)):
        yield _Step("instructions", _host(told_by), operator_services.instructions(chosen, told_by))
    yield _Step("pbx", "", operator_services.pbx(chosen, assembly.pbx_of(chosen)))
    if chosen.webhook_url is not None:
        where = _host(chosen.webhook_url)
        yield _Step("webhook", where, operator_services.webhook(chosen.webhook_url))


def _host(url: str) -> str:
    return f"{urlsplit(url).netloc}: "


async def _bounded(step: _Step, deadline: float) -> list[Check]:
    try:
        async with asyncio.timeout_at(deadline):
            found = await step.look
    except TimeoutError:
        detail = f"no result within {TOTAL_S:.0f} s"
        found = Check(step.what, "failed", detail, clouds.LATER)
    except ServiceError as error:
        failure = str(error).removeprefix(f"{error.service}: ")
        found = Check(step.what, "failed", failure, clouds.advice_for(step.what, failure))
    except UnicodeError as error:  # a host that can be no name
        advice = "Correct the host name in this address."
        found = Check(step.what, "failed", str(error), advice)
    several = [found] if isinstance(found, Check) else found
    return [replace(check, detail=step.where + check.detail) for check in several]


# --- what is told ---------------------------------------------------------------------------------

# OpenAI quotes the ends of a key that it refuses.
_KEY_ENDS = re.compile(r"\bsk-[\w*.-]+")


def _secrets(chosen: Settings) -> Iterator[str]:
    """What must not be seen: keys, and what the query of an address may hold."""
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


def report(checks: Sequence[Check]) -> str:
    """A line for each check, then what to do."""
    width = max(len(check.what) for check in checks)
    lines = []
    for check in checks:
        took = "" if check.latency_ms is None else f"{check.latency_ms} ms"
        head = f"{check.state:7}  {check.what:{width}}  {took:>8}  "
        lines.append(head + check.detail.replace("\n", "\n" + " " * len(head)))
    advice = [f"  {check.what}: {check.advice}" for check in checks if check.advice]
    lines += ["", "What to do:", *dict.fromkeys(advice)] if advice else []
    failed = sum(check.state == "failed" for check in checks)
    lines += ["", f"{failed} of {len(checks)} checks failed." if failed else "Calls can be taken."]
    return "\n".join(lines)


async def run(*, as_json: bool) -> int:
    """Check and print; returns 0 when no check failed, otherwise 1."""
    checks = await examine()
    print(msgspec.json.encode([asdict(c) for c in checks]).decode() if as_json else report(checks))
    return 1 if any(check.state == "failed" for check in checks) else 0
