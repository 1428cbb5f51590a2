"""Tools of MCP servers, over one connection per server that stays open while the service runs.

A server may be down, restart, or change its tools at any time. So each connection has a task. The
task opens the connection, fetches the server's tools every LOOK_S seconds and after every failed
call, and reconnects with growing pauses. The SDK's task groups are entered and left in this one
task. The model is offered the tools that the server has now and the operator allows: a tool that
is added to a server overnight does not reach callers.

Arguments are checked here, against the server's schema, before the server is called.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Protocol, cast

import httpx2
import jsonschema
import mcp_types as types
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from referencing import Registry

from avr_sts_speechmatics.call_in_log import trace_headers
from avr_sts_speechmatics.conversation import ToolSpec
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.proxies import DIRECT, Proxies, Proxy, failure_of
from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools.mcp_config import McpServer, McpServers, offered_name
from avr_sts_speechmatics.tools.protocol import ToolError
from avr_sts_speechmatics.values import counted

_log = logging.getLogger(__name__)

CONNECT_S = 20.0
"""Longest time to start or reach a server, do the handshake and get its list of tools (s)."""

LOOK_S = 60.0
"""Interval at which the list of tools of a connected server is fetched again (s)."""

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0
"""Pauses before a server is tried again (s): the first and the longest. Each pause is doubled."""

READ_S = 300.0
"""Longest silence of a server while a tool runs (s); the tool's own time limit is shorter."""

PARTING_S = 7.0
"""Longest time to close a connection (s). The SDK waits 2 s for a program to end, then 2 s more
after SIGTERM."""

PAGES_MAX = 20
"""How many pages of a server's list of tools are read: a server could send pages for ever."""

TOLD_MAX = 5
"""Most mistakes in the arguments that one result reports to the model."""


class _Caller(Protocol):
    async def call(
        self, tool: str, arguments: dict[str, object], call: CallFacts
    ) -> types.CallToolResult: ...


class McpTool:
    """One tool of an MCP server. Implements `tools.protocol.Tool`.

    source: the server, in words for logs and errors.
    name: name of the tool as the model sees it.
    tool: the tool as the server lists it.
    connection: runs the tool.
    cancel_on_hangup: see `tools.protocol.Tool`.

    Raises jsonschema.SchemaError if the tool's schema is invalid.
    """

    def __init__(
        self,
        source: str,
        name: str,
        tool: types.Tool,
        connection: _Caller,
        *,
        cancel_on_hangup: bool = False,
    ) -> None:
        self.source = source
        self.cancel_on_hangup = cancel_on_hangup
        self.spec = ToolSpec(name, tool.description or tool.name, tool.input_schema)
        self._name = tool.name
        self._connection = connection
        kind = validator_for(tool.input_schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(tool.input_schema)
        # The empty registry has no retriever: a `$ref` in a schema cannot make us fetch an address.
        self._fits: Validator = kind(tool.input_schema, registry=Registry())

    async def run(self, arguments: dict[str, object], call: CallFacts) -> str:
        """Call the server once, if the arguments fit. Raises ToolError."""
        if wrong := list(self._fits.iter_errors(arguments)):
            mistakes = "; ".join(
                f"{e.json_path.removeprefix('$.')}: {e.message}" for e in wrong[:TOLD_MAX]
            )
            raise ToolError(f"The tool was not run: its arguments do not fit. {mistakes}.")
        result = await self._connection.call(self._name, arguments, call)
        if result.is_error:
            raise ToolError(f"The tool says that it failed: {_text(result)}")
        return _text(result)


class McpConnection:
    """The connection to one MCP server. Implements `tools.protocol.ToolServer`.

    Create the connection in a running event loop, and close it.

    name: name of the server in MCP_SERVERS.
    server: how to reach the server, and its allowed tools.
    own_output: True to pass a program's standard error on to the service's standard error. The
        output may contain words of callers.
    proxy: the HTTP proxy to connect through, or None.
    """

    def __init__(
        self, name: str, server: McpServer, *, own_output: bool, proxy: Proxy | None = None
    ) -> None:
        self._name = name
        self._source = f"MCP server {name}"
        self._server = server
        self._own_output = own_output
        self._proxy = proxy
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
        """Return the tools that are allowed and available; none while the server is down."""
        return self._tools.values()

    async def tried(self) -> None:
        await self._tried.wait()

    async def call(
        self, tool: str, arguments: dict[str, object], call: CallFacts
    ) -> types.CallToolResult:
        if self._client is None:
            raise ToolError("The tool was not run: it is not available at the moment.")
        try:
            return await self._client.call_tool(tool, arguments, meta=self._meta(call))
        except Exception:
            self._look.set()  # the server may be gone; only a new look finds out
            raise

    def _meta(self, call: CallFacts) -> types.RequestParamsMeta | None:
        about, trace = self.about(call), trace_headers()
        # The keys that MCP reserves for the trace of a request have the names of the headers.
        return about if not trace else cast(types.RequestParamsMeta, {**(about or {}), **trace})

    def about(self, call: CallFacts) -> types.RequestParamsMeta | None:
        """What the server is told about the call that a tool is run for; None for nothing."""
        return None

    def offered(self, tool: str) -> str | None:
        """The name under which a tool of the server is offered to the model; None if it is not."""
        return offered_name(self._name, tool) if tool in self._allowed else None

    def program(self) -> StdioServerParameters:
        """The program that is the server."""
        assert self._server.command is not None, "a server has either an address or a command"
        command, *arguments = self._server.command
        return StdioServerParameters(command=command, args=arguments, env=self._server.env)

    async def close(self) -> None:
        """Close the connection and end the program that was started for it."""
        self._life.cancel()
        await asyncio.wait((self._life,), timeout=PARTING_S)
        if not self._life.done():
            self._life.cancel()
            await asyncio.wait((self._life,), timeout=1.0)

    async def _live(self) -> None:
        pause, failures, told = RETRY_FIRST_S, 0, ""
        while True:
            self._status = None
            try:
                async with AsyncExitStack() as stack:
                    async with running_time.timeout(CONNECT_S):
                        client = await self._opened(stack)
                        await self._list(client)
                    self._client = client
                    self._tried.set()
                    if failures:
                        _log.info(
                            "%s can be used, after %s",
                            self._source,
                            counted(failures, "failure"),
                        )
                    failures = 0
                    since = time.monotonic()
                    try:
                        await self._watch(client)
                    finally:
                        # Before the connection is closed, because closing may take seconds.
                        self._client, self._tools = None, {}
                        # A server that fails soon after its start is not started every second.
                        if time.monotonic() - since > RETRY_LAST_S:
                            pause, told = RETRY_FIRST_S, ""
            except Exception as error:  # an operator's server may raise anything through the SDK
                reason = f"HTTP {self._status}" if self._status else _reason(error, self._proxy)
                failures += 1
                if reason != told:  # a server may be down for days
                    told = reason
                    _log.warning(
                        "%s cannot be used: %s; the next try is in %g s",
                        self._source,
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
                proxy=None if self._proxy is None else self._proxy.url.reveal(),
                # Without `trust_env`, which would look for a proxy in ways of its own.
                verify=httpx2.create_ssl_context(),
                trust_env=False,
            )
            await stack.enter_async_context(http)
            transport = streamable_http_client(self._server.url, http_client=http)
        else:
            nowhere = stack.enter_context(open(os.devnull, "w"))  # noqa: ASYNC230, SIM115
            transport = stdio_client(self.program(), sys.stderr if self._own_output else nowhere)
        return await stack.enter_async_context(Client(transport, cache=None))

    async def _answered(self, response: httpx2.Response) -> None:
        """Remember the status of a refusal, because the SDK's error does not contain the status."""
        self._status = response.status_code if response.status_code in (401, 403) else None

    async def _watch(self, client: Client) -> None:
        """Fetch the tools at intervals. Ends only by the error that ends the connection."""
        while True:
            with suppress(TimeoutError):
                async with running_time.timeout(LOOK_S):
                    await self._look.wait()
            self._look.clear()
            async with running_time.timeout(CONNECT_S):
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
            if (name := self.offered(tool.name)) is None:
                continue
            try:
                stops = tool.name in self._server.cancel_on_hangup
                self._tools[tool.name] = McpTool(
                    self._source, name, tool, self, cancel_on_hangup=stops
                )
            except jsonschema.SchemaError as error:
                _log.warning(
                    "%s: %s is not offered, because its schema is invalid: %s",
                    self._source,
                    tool.name,
                    error.message,
                )
        if news:
            self.report(there)

    def report(self, there: frozenset[str]) -> None:
        """Log which tools the server has now."""
        has = f"it has {', '.join(sorted(there)) or 'none'}"
        if not self._allowed:
            _log.warning(
                "MCP server %s: none of its tools is offered: name the tools that agents may use "
                'in its list "allow"; %s',
                self._name,
                has,
            )
        elif missing := self._allowed - there:
            _log.warning(
                "MCP server %s has no %s; %s", self._name, " and no ".join(sorted(missing)), has
            )
        else:
            _log.info("MCP server %s: %s", self._name, counted(len(self._tools), "tool"))


def connect(
    servers: McpServers, taken: Mapping[str, str], *, own_output: bool, proxies: Proxies = DIRECT
) -> list[McpConnection]:
    """Begin to connect to every server.

    servers: the servers of MCP_SERVERS.
    taken: names of all other tools, each with the origin of the tool, such as `file:line`.
    own_output: see `McpConnection`.
    proxies: the proxies of this process.

    Raises SettingsError if two tools would have the same name, or if a proxy cannot be used.
    """
    through = {
        name: None if server.url is None else proxies.for_url(server.url)
        for name, server in servers.servers.items()
    }
    for name, server in servers.servers.items():
        for tool in server.allow or ():
            if (offered := offered_name(name, tool)) in taken:
                raise SettingsError(
                    f"MCP_SERVERS: {name}: {tool} would be offered as {offered}, which is the "
                    f"name of another tool ({taken[offered]}); rename the server."
                )
    return [
        McpConnection(name, server, own_output=own_output, proxy=through[name])
        for name, server in servers.servers.items()
    ]


def _text(result: types.CallToolResult) -> str:
    """Return the texts of a result for the model; other content is named and left out."""
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
        # Half of a surrogate pair, which JSON allows, is replaced by the toolbox.
        return json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
    return "\n".join(parts) or "Done."


def _reason(error: BaseException, proxy: Proxy | None) -> str:
    """Return the text of the first error inside nested exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if (failed := failure_of(error, proxy)) is not None:
        return str(failed)
    if isinstance(error, TimeoutError):
        return f"it did not answer within {CONNECT_S:g} s"
    return str(error) or type(error).__name__
