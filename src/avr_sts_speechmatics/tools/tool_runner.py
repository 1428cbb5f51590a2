"""The toolbox: all tools that the model may be offered, and the one place where tools are run.

A tool may be an operator's function or belong to a remote MCP server; the model and the call see
no difference. In every case a tool is run at most once, for a limited time, and the model gets a
text of limited length. After a failure the text contains no internals, but says whether the tool
may have done its work.

A tool that has begun is finished even if its call ends meanwhile: half a booking is worse than one
that nobody waits for. A tool that is declared `cancel_on_hangup` is stopped.

The call decides when tools are run and how their results are used. Hang-up and transfer belong to
the call too, so no tool may have their names.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Collection, Coroutine, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avr_sts_speechmatics.conversation import ToolCall, ToolSpec
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.proxies import DIRECT, Proxies
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.runtime.task_group import TaskGroup
from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools.protocol import RESERVED, Tool, ToolError, ToolServer

if TYPE_CHECKING:
    from avr_sts_speechmatics.line import Caller
    from avr_sts_speechmatics.tools.mcp_config import McpServers

_log = logging.getLogger(__name__)

RESULT_MAX = 4000
"""Longest result that the model is given (characters): about a thousand tokens."""

GRACE_S = 0.3
"""Longest wait for a tool to end after it was cancelled (s); the caller waits meanwhile."""

CLOSE_S = 5.0
"""Longest wait at the end of the process for tools that still run (s)."""

MOUNTED = Path("/usr/src/app/tools")
"""Where avr-app mounts the tools of AVR's own connectors. [AVR protocol, 12]"""

FIRST_TRY_S = 3.0
"""How long the first try to reach tool servers may delay the start of the service (s)."""


class NotDone(str):
    """A text for the model about a tool that did not do what it was asked for."""

    __slots__ = ()


class Toolbox:
    """The tools of all calls.

    tools: tools that are always available.
    timeout_s: longest time that a tool may take (s).
    servers: MCP servers whose tools are available while the server is.
    log_arguments: True to log the arguments of tools and the texts of their errors, which may
        quote arguments.
    """

    def __init__(
        self,
        tools: Iterable[Tool],
        *,
        timeout_s: float,
        servers: Iterable[ToolServer] = (),
        log_arguments: bool = False,
    ) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._servers = tuple(servers)
        self._timeout_s = timeout_s
        self._log_arguments = log_arguments
        self._running: set[asyncio.Task[str]] = set()

    def tools(self) -> Iterator[Tool]:
        """Yield the tools that are available now. Tools of a server that is down are missing."""
        yield from self._tools.values()
        for server in self._servers:
            yield from server.tools()

    def names(self) -> frozenset[str]:
        """Return the names of all tools, including the tools of servers that are down."""
        return frozenset(self._tools).union(*(server.names for server in self._servers))

    def specs(self, allowed: Collection[str] | None) -> tuple[ToolSpec, ...]:
        """Return the tools that can be offered to the model now.

        allowed: names of the agent's tools; None allows every tool.
        """
        return tuple(
            tool.spec for tool in self.tools() if allowed is None or tool.spec.name in allowed
        )

    async def run(
        self, call: ToolCall, caller: "Caller", *, allowed: Collection[str] | None = None
    ) -> str:
        """Run a tool once; returns a text for the model, at most RESULT_MAX characters.

        call: the tool call as the model wrote it.
        caller: the call that the tool is run for.
        allowed: names of the agent's tools; None allows every tool. A tool that is not allowed is
            answered like a tool that does not exist.

        The text is a NotDone if the tool was not run, failed or was stopped.

        Returns at the latest GRACE_S after the time limit, even if the tool cannot be stopped.
        Raises only CancelledError. Cancelling stops a tool that is declared `cancel_on_hangup`; any
        other tool is finished, within its time limit, and its result is only logged.
        """
        tool = next((t for t in self.tools() if t.spec.name == call.name), None)
        if tool is None or (allowed is not None and call.name not in allowed):
            if call.name in self.names() and (allowed is None or call.name in allowed):
                return NotDone("This tool is not available at the moment.")
            there = ", ".join(spec.name for spec in self.specs(allowed)) or "none"
            return NotDone(_bounded(f"There is no tool of this name. Tools: {there}."))
        try:
            arguments = _object(call.arguments)
        except ToolError as error:
            return NotDone(_bounded(str(error)))
        if self._log_arguments:
            _log.info("tool %s is called with %s", call.name, call.arguments)
        facts = CallFacts(caller.uuid, caller.transport, caller.facts)
        # A task that outlives the call, see the theory above.
        run = asyncio.create_task(self._run(tool, arguments, facts), name=f"run of {call.name}")
        self._running.add(run)
        run.add_done_callback(self._ended)
        try:
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            if not run.done():
                await self._call_ended(tool, run)
            raise

    async def _call_ended(self, tool: Tool, run: asyncio.Task[str]) -> None:
        """The call is over, and the tool still runs."""
        if tool.cancel_on_hangup:
            run.cancel()
            await running_time.wait((run,), timeout=2 * GRACE_S)
        else:
            _log.info("the call is over; tool %s is finished all the same", tool.spec.name)

    async def _run(self, tool: Tool, arguments: dict[str, object], facts: CallFacts) -> str:
        name, begun = tool.spec.name, time.monotonic()
        result = await self._within_time(name, tool.run(arguments, facts))
        _log.info("tool %s took %.0f ms", name, 1000 * (time.monotonic() - begun))
        return NotDone(_bounded(result)) if isinstance(result, NotDone) else _bounded(result)

    async def _within_time(self, name: str, work: Coroutine[Any, Any, str]) -> str:
        # A separate task, so that the wait can end even if the tool does not.
        task = asyncio.create_task(work, name=f"tool {name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            in_time, _ = await running_time.wait((task,), timeout=self._timeout_s)
        finally:
            if not task.done():
                task.cancel()
                await running_time.wait((task,), timeout=GRACE_S)
        if not task.done():
            _log.error(
                "tool %s took longer than %g s and did not stop when it was cancelled; the tool "
                "must let asyncio.CancelledError through",
                name,
                self._timeout_s,
            )
        elif task.cancelled():
            _log.warning("tool %s was stopped before it had a result", name)
        elif (error := task.exception()) is None:
            return task.result()
        elif isinstance(error, ToolError):
            return NotDone(error)
        else:
            trace = _with_words(error) if self._log_arguments else _without_words(error)
            _log.error("tool %s failed:\n%s", name, trace)
        if in_time:
            return NotDone("The tool failed. It is not known whether it did its work.")
        return NotDone(
            f"The tool did not finish within {self._timeout_s:g} seconds. It is not known whether "
            "it did its work."
        )

    def _ended(self, task: asyncio.Task[str]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Retrieve the exception so that asyncio does not log it: an abandoned task has no
            # waiter.
            task.exception()

    async def tried(self) -> None:
        """Return when every server has been reached or its first try has failed."""
        async with TaskGroup() as tries:
            for server in self._servers:
                tries.create_task(server.tried())

    async def close(self, *, finish: bool = True) -> None:
        """Stop the tools that still run and close the connections to servers.

        finish: True to let tools end by themselves first, for CLOSE_S at most.
        """
        if self._running and finish:
            _log.info("waiting for tools that still run")
            await asyncio.wait(self._running, timeout=min(CLOSE_S, self._timeout_s + GRACE_S))
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE_S)
        async with TaskGroup() as partings:
            for server in self._servers:
                partings.create_task(server.close())


async def open_toolbox(
    tools_dir: Path | None,
    mcp: "McpServers | None",
    avr_tools_dir: Path | None = None,
    *,
    timeout_s: float,
    log_arguments: bool = False,
    first_try_s: float = FIRST_TRY_S,
    proxies: Proxies = DIRECT,
) -> Toolbox:
    """Load the operator's tools and begin to connect to MCP servers. Close the result.

    tools_dir: directory of the operator's Python tools, or None.
    mcp: the MCP servers, or None. A server that is down is tried again while the toolbox is open.
    avr_tools_dir: directory of JavaScript tools written for AVR; None for MOUNTED, if it is there.
    timeout_s: see `Toolbox`.
    log_arguments: see `Toolbox`.
    first_try_s: longest wait for the first try of all servers (s), so that the first call has the
        tools.
    proxies: the proxies of this process.

    Raises SettingsError, which names the file, the line and what to do.
    """
    # Both imports load libraries that take a second; a service without tools does not need them.
    tools: list[Tool] = []
    servers: list[ToolServer] = []
    if tools_dir is not None:
        from avr_sts_speechmatics.tools import python_files

        tools.extend(python_files.load(tools_dir))
    if mcp is not None:
        if find_spec("mcp") is None:
            raise SettingsError(
                "MCP_SERVERS is set, but the MCP SDK is not installed: "
                "pip install 'avr-sts-speechmatics[mcp]'."
            )
        from avr_sts_speechmatics.tools import mcp_servers

        taken = dict.fromkeys(RESERVED, "the call's own")
        taken |= {tool.spec.name: tool.source for tool in tools}
        servers.extend(mcp_servers.connect(mcp, taken, own_output=log_arguments, proxies=proxies))
    if avr_tools_dir is not None:
        servers += _javascript(avr_tools_dir, [*tools, *servers], own_output=log_arguments)
    elif _has_tools(MOUNTED):
        try:
            servers += _javascript(MOUNTED, [*tools, *servers], own_output=log_arguments)
        except SettingsError as error:
            _log.warning("%s", error)
    toolbox = Toolbox(tools, timeout_s=timeout_s, servers=servers, log_arguments=log_arguments)
    try:
        async with running_time.timeout(first_try_s):
            await toolbox.tried()
    except TimeoutError:
        _log.warning("an MCP server has not answered yet; its tools are offered once it answers")
    except asyncio.CancelledError:
        await toolbox.close()
        raise
    return toolbox


def _has_tools(directory: Path) -> bool:
    """Whether a directory that may be missing has JavaScript files."""
    return any(file.suffix in (".js", ".cjs") for file in directory.glob("*"))


def _javascript(
    directory: Path, others: Iterable[Tool | ToolServer], *, own_output: bool
) -> list[ToolServer]:
    """Start the JavaScript tools of a directory; none of them may have the name of another tool.

    others: all other tools and servers.

    Raises SettingsError if something that they need is not installed.
    """
    if find_spec("mcp") is None:
        raise SettingsError(
            f"AVR_TOOLS_DIR={directory}: its tools need the MCP SDK: "
            "pip install 'avr-sts-speechmatics[mcp]'."
        )
    from avr_sts_speechmatics.tools import javascript_files

    node = javascript_files.node()
    if node is None:
        raise SettingsError(
            f"AVR_TOOLS_DIR={directory}: its tools need Node 18 or later, which is not here: "
            "install Node, or pip install 'avr-sts-speechmatics[javascript]'."
        )
    taken = dict.fromkeys(RESERVED, "the call itself")
    for other in others:
        if isinstance(other, ToolServer):
            taken |= dict.fromkeys(other.names, "an MCP server")
        else:
            taken[other.spec.name] = other.source
    return [javascript_files.JavaScriptTools(directory, node, taken, own_output=own_output)]


def _object(arguments: str) -> dict[str, object]:
    if not arguments.strip():
        return {}  # some models send an empty text for a tool without arguments
    try:
        found: dict[str, object] = decode(arguments, dict[str, object])
    except BadJson as error:
        raise ToolError(
            f"The tool was not run: its arguments are not a JSON object ({error})."
        ) from None
    return found


def _bounded(text: str) -> str:
    """Return the text as valid Unicode, cut to RESULT_MAX with a mark if it is longer."""
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= RESULT_MAX:
        return text
    mark = f" [cut here; {len(text)} characters in all]"
    return text[: RESULT_MAX - len(mark)] + mark


def _with_words(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def _without_words(error: BaseException) -> str:
    """Return a traceback with the types of errors but no texts, which may quote arguments."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < 8:
        frames = "".join(traceback.format_tb(cause.__traceback__))
        parts.append(f"{frames}{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    hint = "(LOG_TRANSCRIPTS=true, or `avr-sts-speechmatics tools run`, shows its text)"
    return "\nwhile handling, or because of:\n".join(parts) + f" {hint}"
