"""Checks of this machine: agents, tools, background noise, ports, the sandbox's packages.

Files are read, tools loaded and ports bound as by the service at its start.
"""

import asyncio
import errno
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import msgspec

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.assembly import parts as assembly
from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.doctor.check import Check, check_from
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.network.listening import cannot_listen
from avr_sts_speechmatics.network.untrusted_json import decode
from avr_sts_speechmatics.settings import DEFAULTS, Settings
from avr_sts_speechmatics.telemetry.priced_services import prices_of, unpriced
from avr_sts_speechmatics.telemetry.prices import SANDBOX
from avr_sts_speechmatics.tools.mcp_config import McpServer, offered_name
from avr_sts_speechmatics.tools.protocol import RESERVED
from avr_sts_speechmatics.tools.tool_runner import Toolbox
from avr_sts_speechmatics.values import counted

TOOLS_S = 5.5
"""Longest wait for MCP servers (s). Closing the connection to a hanging server takes 8 s more."""

SANDBOX_PACKAGES = ("ctranslate2", "onnxruntime")

_NO_START = "Correct this setting: the service does not start with it."


# --- agents ---------------------------------------------------------------------------------------


def agents(chosen: Settings) -> tuple[Agents, list[Check]]:
    """Load the agents. Returns the agents and their checks.

    If an agent file is wrong, the returned agents contain only the default agent of the settings.
    """
    try:
        loaded = Agents.load(chosen)
    except SettingsError as error:
        plain = replace(chosen, agents_dir=None, speechmatics_file_instructions=None)
        failed = Check("agents", "failed", str(error), _NO_START)
        return Agents.load(plain), [failed]
    names = ", ".join(agent.name for agent in loaded.all)
    found = [Check("agents", "ok", f"{names}; instructions, if not their own: {_source(chosen)}")]
    for warning in loaded.warnings:
        found.append(check_from("agents", "warning", warning, "; ", "Take one of them out."))
    return loaded, found


def _source(chosen: Settings) -> str:
    """Return the source of the instructions of agents that have none in their file."""
    names = ("instructions", "url_instructions", "file_instructions")
    for name in (f"speechmatics_{name}" for name in names):
        if getattr(chosen, name) is not None:
            return name.upper()
    return "the default text"


# --- tools ----------------------------------------------------------------------------------------


def has_tools(chosen: Settings, loaded: Agents) -> bool:
    """Whether tools are configured, or an agent names tools."""
    named = any(agent.tools for agent in loaded.all)
    sources = (chosen.tools_dir, chosen.mcp_servers, chosen.avr_tools_dir)
    return named or any(source is not None for source in sources)


async def tools(
    chosen: Settings, loaded: Agents, offered: "asyncio.Future[Sequence[ToolSpec]]"
) -> list[Check]:
    """Check that the operator's tools load, MCP servers have the allowed tools, and agents name
    only tools that exist.

    offered: is given the tools that a model would be offered now.
    """
    try:
        return await _tools(chosen, loaded, offered)
    finally:
        if not offered.done():
            offered.set_result(())


async def _tools(
    chosen: Settings, loaded: Agents, offered: "asyncio.Future[Sequence[ToolSpec]]"
) -> list[Check]:
    begun = time.monotonic()
    try:
        toolbox = await assembly.toolbox_of(chosen)
    except SettingsError as error:
        return [Check("tools", "failed", str(error), _NO_START)]
    try:
        # A server that has not answered by then is reported as having no tools.
        with suppress(TimeoutError):
            async with asyncio.timeout(TOOLS_S - (time.monotonic() - begun)):
                await toolbox.tried()
        offered.set_result(toolbox.specs(None))
        return list(_tools_of(chosen, toolbox, loaded))
    finally:
        await toolbox.close()


def _tools_of(chosen: Settings, toolbox: Toolbox, loaded: Agents) -> Iterator[Check]:
    there = {tool.spec.name for tool in toolbox.tools()}
    servers = chosen.mcp_servers.servers if chosen.mcp_servers is not None else {}
    theirs = {name for key in servers for name in _allowed(key, servers[key])}
    javascript = {
        tool.spec.name for tool in toolbox.tools() if tool.source.startswith("JavaScript")
    }
    if chosen.tools_dir is not None:
        names = sorted(there - theirs - javascript)
        yield _own_tools(chosen.tools_dir, names, "TOOLS_DIR")
    if chosen.avr_tools_dir is not None:
        yield _own_tools(chosen.avr_tools_dir, sorted(javascript), "AVR_TOOLS_DIR")
    for key, mcp_server in servers.items():
        yield _mcp_server(key, _allowed(key, mcp_server), there)
    for sentence in loaded.unknown_tools(toolbox.names() | set(RESERVED)):
        yield check_from("tools", "warning", sentence, "; ", "Correct it.")


def _allowed(key: str, mcp_server: McpServer) -> list[str]:
    """Return the names under which an MCP server's allowed tools are offered to the model."""
    return sorted(offered_name(key, tool) for tool in mcp_server.allow or ())


def _own_tools(folder: Path, names: list[str], setting: str) -> Check:
    if not names:
        return Check("tools", "warning", f"{folder} has none", f"Add one, or unset {setting}.")
    return Check("tools", "ok", f"{folder}: {', '.join(names)}")


def _mcp_server(key: str, allowed: list[str], there: set[str]) -> Check:
    what = f"MCP {key}"
    if not allowed:
        detail = 'offers no tool, because its list "allow" is missing or empty'
        return Check(what, "warning", detail, "Name the tools in MCP_SERVERS that callers may use.")
    missing = [name for name in allowed if name not in there]
    if missing == allowed:
        detail = f"cannot be used, or has none of {', '.join(missing)}"
        advice = (
            "Check that the server runs, and MCP_SERVERS; `avr-sts-speechmatics tools` shows the "
            "server's answer. Until then agents do without these tools."
        )
        return Check(what, "failed", detail, advice)
    if missing:
        return Check(what, "warning", f"has no {', '.join(missing)}", 'Correct its list "allow".')
    return Check(what, "ok", ", ".join(allowed))


# --- prices, noise, sandbox -----------------------------------------------------------------------


def prices(chosen: Settings, loaded: Agents) -> Check:
    """Read the price table, and say which services have no price."""
    address = f"http://{SANDBOX}"
    try:
        table = prices_of(chosen, address)
        for sentence in unpriced(table, chosen, loaded, address):
            return check_from("prices", "warning", sentence, ". ", "")
    except SettingsError as error:
        return Check("prices", "failed", str(error), _NO_START)
    return Check("prices", "ok", f"every service has a price in {table.currency}")


def noise(chosen: Settings, path: Path) -> Check:
    try:
        assembly.ambience_of(chosen)
    except SettingsError as error:
        return Check("noise", "failed", str(error), _NO_START)
    return Check("noise", "ok", f"{path} can be played")


def sandbox() -> Check:
    if missing := [name for name in SANDBOX_PACKAGES if find_spec(name) is None]:
        detail = f"needed without a key, but {' and '.join(missing)} {_is(missing)} not installed"
        advice = "Set SPEECHMATICS_API_KEY, or: pip install 'avr-sts-speechmatics[sandbox]'"
        return Check("sandbox", "failed", detail, advice)
    detail = "installed: works offline for one or two calls, without clouds and without telemetry"
    return Check("sandbox", "ok", detail)


def _is(things: Sequence[str]) -> str:
    return "is" if len(things) == 1 else "are"


# --- ports ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that the service would listen on.

    setting: name of the setting.
    port: number of the port.
    needed: True if the service does not start without the port.
    advice: what the operator has to do if the port is not free.
    taken_by: name of another setting that has the same port, or None.
    """

    setting: str
    port: int
    needed: bool
    advice: str
    taken_by: str | None = None


def listeners(chosen: Settings) -> list[Listener]:
    """Return all ports of the service, in the order in which the service opens them."""
    or_else = "end the program that has the port, or correct HOST."
    core = f"Set PORT to another port (and avr-core's STS_URL), {or_else}"
    wanted = [Listener("PORT", chosen.port, True, core)]
    extra = "Take the port out of EXTRA_PORTS, unless an avr-core calls this port."
    for port in chosen.extra_ports:
        if port != chosen.port:
            wanted.append(Listener("EXTRA_PORTS", port, False, extra))
    for setting, given, usual in (
        ("AUDIOSOCKET_PORT", chosen.audiosocket_port, DEFAULTS.audiosocket_port),
        ("HTTP_PORT", chosen.http_port, DEFAULTS.http_port),
    ):
        advice = f"Set {setting} to another port (and in the dialplan) or to 0 for none, {or_else}"
        if given is not None:
            # As in the service: a default port that another program has is no reason not to start.
            wanted.append(Listener(setting, given, given != usual, advice))
    first: dict[int, str] = {}
    for place, listener in enumerate(wanted):
        if (owner := first.setdefault(listener.port, listener.setting)) != listener.setting:
            wanted[place] = replace(listener, taken_by=owner)
    return wanted


class _Health(msgspec.Struct):
    """Fields of the service's `/health`, which another program's answer would not have."""

    engine: str
    version: str
    status: str
    calls: int
    warnings: list[str]


async def port(chosen: Settings, wanted: Listener) -> Check:
    """Check that a port is free, or in use by a running instance of this service."""
    what, host, loop = f"port {wanted.port}", chosen.host, asyncio.get_running_loop()
    bad = Check(what, "failed" if wanted.needed else "warning", "", wanted.advice)
    if wanted.taken_by is not None:
        return replace(bad, detail=f"{wanted.setting} is {wanted.taken_by}'s port")
    try:
        listener = await loop.create_server(asyncio.Protocol, host, wanted.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and (ours := await _owner(chosen, wanted)):
            running = f"{ours.version}, {ours.status}, {counted(ours.calls, 'call')}"
            detail = f"the service runs here: {running}"
            return Check(what, "ok", detail)
        detail = f"{wanted.setting}: {cannot_listen(host, wanted.port, error)}"
        return replace(bad, detail=detail)
    listener.close()
    return Check(what, "ok", f"free on {host} ({wanted.setting})")


async def _owner(chosen: Settings, wanted: Listener) -> _Health | None:
    """Return the running instance of this service that has the port; None for other programs."""
    if wanted.setting in ("PORT", "EXTRA_PORTS"):
        return await _running(chosen.host, wanted.port)
    # AudioSocket and HTTP ports do not identify their program. But `/health` of a running instance
    # lists the ports that it could not open.
    ours = await _running(chosen.host, chosen.port)
    if ours is None or any(text.startswith(f"{wanted.setting}:") for text in ours.warnings):
        return None
    return ours


async def _running(host: str, port: int) -> _Health | None:
    """Return the health of an instance of this service on a port; None for other programs."""
    reach = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    url = f"http://{f'[{reach}]' if ':' in reach else reach}:{port}/health"
    wait = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=wait) as http, http.get(url) as response:
            health: _Health = decode(await response.read(), _Health)
            return health
    except (aiohttp.ClientError, OSError, ValueError):
        return None
