"""The `tools` command: list the agent's tools, or run one tool by hand.

The command prints the descriptions and results that the model would see, so that a tool can be
developed without a phone. Arguments and error texts are printed too, because they contain no words
of callers here.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.cli.arguments import plain_text
from avr_sts_speechmatics.cli.common import run_on_uvloop, set_up_log
from avr_sts_speechmatics.conversation import ToolCall, ToolSpec
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.tools.tool_runner import Toolbox, open_toolbox

PATIENCE_S = 25.0
"""Longest wait for MCP servers (s): an operator at a prompt has more patience than a caller."""

STALL_S = 0.1
"""How long a tool may block the event loop without a warning (s). 0.1 s delays five frames of
every call."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Load the tools of TOOLS_DIR, MCP_SERVERS and AVR_TOOLS_DIR as the service would, and show "
        "them as the model sees them."
    )
    parser.epilog = (
        "Exit status: 0 if all tools are available, 1 if tools of a server are missing, 2 if a "
        "setting or a file is wrong."
    )
    # The command without a subcommand lists the tools, so the subcommand is not `required`.
    words = parser.add_subparsers(metavar="run")
    run = words.add_parser(
        "run",
        help="run one tool and show the result as the model would see it",
        description="Run one tool once, as in a call. The tool does its real work.",
        epilog="""Example: avr-sts-speechmatics tools run find_booking '{"code": "KX41"}'""",
    )
    run.add_argument("name", type=plain_text, help="name of the tool")
    run.add_argument(
        "arguments",
        type=plain_text,
        nargs="?",
        default="{}",
        help="JSON object (default: %(default)s)",
    )
    run.add_argument(
        "--fact",
        action="append",
        type=plain_text,
        default=[],
        metavar="NAME=VALUE",
        help="a fact of the call, such as from=+4922812345; may be repeated",
    )
    parser.set_defaults(name=None)


def run(given: argparse.Namespace) -> int:
    """Run the command and return its exit status. Raises SettingsError."""
    chosen = settings.load()
    set_up_log(replace(chosen, log_level="warning"))
    return run_on_uvloop(list_or_run(given, chosen))


async def list_or_run(given: argparse.Namespace, chosen: Settings) -> int:
    """List the tools or run one tool; returns the exit status. Raises SettingsError."""
    facts = _facts(given.fact) if given.name is not None else {}
    toolbox = await open_toolbox(
        chosen.tools_dir,
        chosen.mcp_servers,
        chosen.avr_tools_dir,
        timeout_s=chosen.tool_timeout_s,
        log_arguments=True,
        first_try_s=PATIENCE_S,
        proxies=chosen.proxies,
    )
    try:
        if given.name is None:
            return _list(toolbox)
        return await _run(toolbox, given.name, given.arguments, facts)
    finally:
        await toolbox.close(finish=False)


def _facts(pairs: list[str]) -> dict[str, str]:
    facts = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise SettingsError(f"--fact {pair}: give NAME=VALUE, such as from=+4922812345.")
        facts[name] = value
    return facts


def _list(toolbox: Toolbox) -> int:
    there = set()
    for tool in toolbox.tools():
        there.add(tool.spec.name)
        print(f"{tool.spec.name}  ({tool.source})")
        for line in tool.spec.description.splitlines():
            print(f"    {line}".rstrip())
        for line in _parameters(tool.spec):
            print(f"      {line}")
        print()
    missing = sorted(toolbox.names() - there)
    if missing:
        print(f"Allowed, but not available now: {', '.join(missing)}.")
    elif not there:
        print(
            "No tools. Set TOOLS_DIR to a directory of Python files, or MCP_SERVERS; docs/tools.md "
            "says how."
        )
    return 1 if missing else 0


def _parameters(spec: ToolSpec) -> list[str]:
    """Return a line for each parameter: name, type, "optional" if it is, description."""
    required = spec.parameters.get("required", ())
    lines = []
    for name, schema in spec.parameters.get("properties", {}).items():
        optional = "" if name in required else ", optional"
        about = schema.get("description", "(not described)")
        lines.append(f"{name}: {_type(schema)}{optional}. {about}")
    return lines or ["no parameters"]


def _type(schema: Mapping[str, object]) -> str:
    for several in ("enum", "anyOf", "oneOf"):
        match schema.get(several):
            case [*kinds]:
                return " or ".join(_type(k) if isinstance(k, dict) else repr(k) for k in kinds)
    return str(schema.get("format") or schema.get("type") or "any")


async def _run(toolbox: Toolbox, name: str, arguments: str, facts: Mapping[str, str]) -> int:
    if name not in toolbox.names():
        known = ", ".join(sorted(toolbox.names())) or "none"
        raise SettingsError(f"There is no tool {name}; there are: {known}.")
    watch = _Watch()
    begun = time.monotonic()
    result = await toolbox.run(
        ToolCall("by-hand", name, arguments), Caller("by-hand", "tools", facts)
    )
    took = time.monotonic() - begun
    stall = watch.stop()
    print(result)
    print(f"took {took * 1000:.0f} ms", file=sys.stderr)
    if stall > STALL_S:
        print(
            f"The tool blocked the service for {stall * 1000:.0f} ms at a time, which all callers "
            "would hear: await slow work, or move it into asyncio.to_thread(...).",
            file=sys.stderr,
        )
    return 0


class _Watch:
    """Measures the longest time for which the event loop was blocked."""

    _TICK_S = 0.01

    def __init__(self) -> None:
        self._longest = 0.0
        self._wait()

    def _wait(self) -> None:
        self._due = time.monotonic() + self._TICK_S
        self._timer = asyncio.get_running_loop().call_later(self._TICK_S, self._look)

    def _look(self) -> None:
        self._longest = max(self._longest, time.monotonic() - self._due)
        self._wait()

    def stop(self) -> float:
        """End the measurement; returns the longest time (s)."""
        self._timer.cancel()
        return max(self._longest, time.monotonic() - self._due)
