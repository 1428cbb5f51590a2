"""Tools of MCP servers: a connection to each, kept open for as long as the service runs.

A server may be down, restart, or change its tools at any time. So each connection has a task that
opens it, looks every LOOK_S seconds and after every failed call whether it still stands, and opens
it anew with growing pauses; the SDK's task groups are entered and left in that one task. What the
model is offered is what the server has at the moment, and only what the operator allows: a server
that comes by a new tool overnight does not give it to callers.

Arguments are checked here, against the server's own schema, before it is asked.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Protocol

import httpx2
import jsonschema
import mcp_types as types
import msgspec
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from referencing import Registry

from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools.mcp_config import McpServer, McpServers, offered_name
from avr_sts_speechmatics.tools.protocol import ToolError

_log = logging.getLogger(__name__)

CONNECT_S = 20.0
"""Longest time to start a server, shake hands and get its list of tools (s)."""

LOOK_S = 60.0
"""How often a server that stands is asked for its tools again (s)."""

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0
"""Pause before a server is tried again (s); doubled each time."""

READ_S = 300.0
"""Longest silence of a server while it works (s); a tool's time limit ends sooner."""

PARTING_S = 7.0
"""Longest goodbye (s): the SDK gives a program 2 s to end, then 2 more after SIGTERM."""

PAGES_MAX = 20
"""Pages of tools that are read; a server without end must not hold us."""

TOLD_MAX = 5
"""How many mistakes in its arguments the model is told at once."""


class _Caller(Protocol):
    async def call(self, tool: str, arguments: dict[str, object]) -> types.CallToolResult: ...


class McpTool:
    """Implements `protocol.Tool`. Raises jsonschema.SchemaError for a schema that is none."""

    def __init__(self, server: str, tool: types.Tool, connection: _Caller) -> None:
        self.source = f"MCP server {server}"
        self.spec = ToolSpec(
            offered_name(server, tool.name), tool.description or tool.name, tool.input_schema
        )
        self._name = tool.name
        self._connection = connection
        kind = validator_for(tool.input_schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(tool.input_schema)
        # The registry knows no place to look for a schema: none is fetched because another says so.
        self._fits: Validator = kind(tool.input_schema, registry=Registry())

    async def run(self, arguments: dict[str, object], call: CallFacts) -> str:
        """Ask the server once, if the arguments fit. Raises ToolError."""
        if wrong := list(self._fits.iter_errors(arguments)):
            told = "; ".join(
                f"{e.json_path.removeprefix('$.')}: {e.message}" for e in wrong[:TOLD_MAX]
            )
            raise ToolError(f"The tool was not run: its arguments do not fit. {told}.")
        result = await self._connection.call(self._name, arguments)
        if result.is_error:
            raise ToolError(f"The tool says that it failed: {_text(result)}")
        return _text(result)


class McpConnection:
    """One server. Implements `protocol.ToolServer`. Made in a running loop; close it.

    own_output: whether what a program writes to standard error may be seen in ours. It may hold
    what callers said.
    """

    def __init__(self, name: str, server: McpServer, *, own_output: bool) -> None:
        self._name = name
        self._server = server
        self._own_output = own_output
        self._allowed = frozenset(server.allow or ())
        self.names = frozenset(offered_name(name, tool) for tool in self._allowed)
        self._client: Client | None = None
        self._tools: dict[str, McpTool] = {}
        self._there: frozenset[str] | None = None
        self._status: int | None = None
        self._tried = asyncio.Event()
        self._look = asyncio.Event()
        self._life = asyncio.create_task(self._live(), name=f"MCP server {name}")

    def tools(self) -> Iterable[McpTool]:
        """Those that are allowed and there; none while the server is down."""
        return self._tools.values()

    async def tried(self) -> None:
        await self._tried.wait()

    async def call(self, tool: str, arguments: dict[str, object]) -> types.CallToolResult:
        if self._client is None:
            raise ToolError("The tool was not run: it is not available at the moment.")
        try:
            return await self._client.call_tool(tool, arguments)
        except Exception:
            self._look.set()  # perhaps the server is gone; nobody else would tell
            raise

    async def close(self) -> None:
        """Part from the server; a program that was started for it is ended."""
        self._life.cancel()
        await asyncio.wait((self._life,), timeout=PARTING_S)
        if not self._life.done():
            self._life.cancel()
            await asyncio.wait((self._life,), timeout=1.0)

    async def _live(self) -> None:
        pause = RETRY_FIRST_S
        while True:
            self._status = None
            try:
                async with AsyncExitStack() as stack:
                    async with asyncio.timeout(CONNECT_S):
                        client = await self._opened(stack)
                        await self._list(client)
                    self._client = client
                    self._tried.set()
                    since = time.monotonic()
                    try:
                        await self._watch(client)
                    finally:
                        # Not after the goodbye, which may take its time.
                        self._client, self._tools = None, {}
                        # One that falls over as soon as it stands is not started every second.
                        if time.monotonic() - since > RETRY_LAST_S:
                            pause = RETRY_FIRST_S
            except Exception as error:  # the server's: an operator's program may do anything
                reason = f"HTTP {self._status}" if self._status else _reason(error)
                _log.warning(
                    "MCP server %s cannot be used: %s; it is tried again in %g s",
                    self._name,
                    reason,
                    pause,
                )
                self._tools = {}
            self._tried.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_LAST_S)

    async def _opened(self, stack: AsyncExitStack) -> Client:
        if self._server.url is not None:
            http = httpx2.AsyncClient(
                headers=self._server.headers,
                timeout=httpx2.Timeout(CONNECT_S, read=READ_S),
                event_hooks={"response": [self._answered]},
            )
            await stack.enter_async_context(http)
            transport = streamable_http_client(self._server.url, http_client=http)
        else:
            assert self._server.command is not None, "a server has either"
            program, *arguments = self._server.command
            what = StdioServerParameters(command=program, args=arguments, env=self._server.env)
            nowhere = stack.enter_context(open(os.devnull, "w"))  # noqa: ASYNC230, SIM115
            transport = stdio_client(what, sys.stderr if self._own_output else nowhere)
        return await stack.enter_async_context(Client(transport, cache=None))

    async def _answered(self, response: httpx2.Response) -> None:
        """Remember a refusal: the SDK does not tell which it was."""
        self._status = response.status_code if response.status_code in (401, 403) else None

    async def _watch(self, client: Client) -> None:
        """Look at the tools now and then; leaves only by the error that ends the connection."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._look.wait()
            self._look.clear()
            async with asyncio.timeout(CONNECT_S):
                await self._list(client)

    async def _list(self, client: Client) -> None:
        listed: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = await client.list_tools(cursor=cursor)
            listed += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
        there = frozenset(tool.name for tool in listed)
        news, self._there = there != self._there, there
        self._tools = {}
        for tool in listed:
            if tool.name not in self._allowed:
                continue
            try:
                self._tools[tool.name] = McpTool(self._name, tool, self)
            except jsonschema.SchemaError as error:
                _log.warning(
                    "MCP server %s: %s is not offered, its schema is none: %s",
                    self._name,
                    tool.name,
                    error.message,
                )
        if news:
            self._report(there)

    def _report(self, there: frozenset[str]) -> None:
        has = f"it has {', '.join(sorted(there)) or 'none'}"
        if not self._allowed:
            _log.warning(
                'MCP server %s: none of its tools is offered, for lack of a list "allow"; %s',
                self._name,
                has,
            )
        elif missing := self._allowed - there:
            _log.warning(
                "MCP server %s has no %s; %s", self._name, " and no ".join(sorted(missing)), has
            )
        else:
            _log.info("MCP server %s: %d tools", self._name, len(self._tools))


def connect(
    servers: McpServers, taken: Mapping[str, str], *, own_output: bool
) -> list[McpConnection]:
    """Begin to connect to every server. taken: names of other tools, and where those are from.

    Raises SettingsError if two tools would have one name.
    """
    for name, server in servers.servers.items():
        for tool in server.allow or ():
            if (offered := offered_name(name, tool)) in taken:
                raise SettingsError(
                    f"MCP_SERVERS: {name}: {tool} would be offered as {offered}, which is a tool "
                    f"already ({taken[offered]}); rename the server."
                )
    return [
        McpConnection(name, server, own_output=own_output)
        for name, server in servers.servers.items()
    ]


def _text(result: types.CallToolResult) -> str:
    """What the model can read of a result: its texts, and that there was more."""
    parts = []
    for piece in result.content:
        if isinstance(piece, types.TextContent):
            parts.append(piece.text)
        elif isinstance(piece, types.EmbeddedResource) and isinstance(
            piece.resource, types.TextResourceContents
        ):
            parts.append(piece.resource.text)
        else:
            parts.append(f"[{piece.type}: left out]")
    if not parts and result.structured_content is not None:
        return msgspec.json.encode(result.structured_content).decode()
    return "\n".join(parts) or "Done."


def _reason(error: BaseException) -> str:
    """The first real error in the groups that task groups make."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"it did not answer within {CONNECT_S:g} s"
    return str(error) or type(error).__name__
