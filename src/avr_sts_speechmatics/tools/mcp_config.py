"""The setting MCP_SERVERS: addresses or commands of MCP servers, and the tools that are allowed.

The setting is checked completely when the settings are read. No server is contacted, and the MCP
SDK is not loaded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

NAME_MAX = 64
"""Longest name of a tool that models accept (characters). [OpenAI: function names]"""

_FORM = (
    'give {"weather": {"url": "http://weather:8000/mcp", "allow": ["forecast"]}}, '
    'or with {"command": ["program", "argument"], "allow": [...]} instead of "url"'
)


class McpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One MCP server, reached by `url` and `headers` or started by `command` and `env`.

    url: address of a streamable HTTP server, or None.
    headers: HTTP headers of every request, such as a key.
    command: program and arguments of a server on stdin and stdout, or None.
    env: environment variables of the program.
    allow: the server's tools that agents may use; None if the operator wrote no list.
    cancel_on_hangup: the server's tools that are stopped when the caller hangs up; all others are
        finished.
    """

    url: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    command: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    env: dict[str, str] = msgspec.field(default_factory=dict)
    allow: list[str] | None = None
    cancel_on_hangup: list[str] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class McpServers:
    """MCP servers by name.

    The repr leaves out addresses, headers and environments, because they may contain keys.
    """

    servers: Mapping[str, McpServer] = field(repr=False)

    def secrets(self) -> Iterator[str]:
        """Yield the texts that must not appear in a log: headers and environment values."""
        for server in self.servers.values():
            yield from server.headers.values()
            yield from server.env.values()


def offered_name(server: str, tool: str) -> str:
    """Return the name under which a server's tool is offered to the model.

    The name includes the server, because two servers may both have a tool `search`.
    """
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}_{tool}")


def parse_mcp_servers(text: str) -> McpServers:
    """Read the value of MCP_SERVERS.

    text: JSON, or the path of a JSON or YAML file.

    Raises ValueError with a sentence that says what is allowed.
    """
    raw = _raw(text.strip())
    if not isinstance(raw, dict):
        raise ValueError(_FORM)  # noqa: TRY004 - an operator's value, no programmer's type
    servers: dict[str, McpServer] = {}
    names: dict[str, str] = {}
    for name, entry in raw.items():
        server = servers[str(name)] = _server(str(name), entry)
        for tool in server.allow or ():
            offered = offered_name(name, tool)
            if len(offered) > NAME_MAX:
                raise ValueError(
                    f"{offered} is longer than {NAME_MAX} characters; shorten the name of the "
                    "server"
                )
            if (other := names.setdefault(offered, f"{name}: {tool}")) != f"{name}: {tool}":
                raise ValueError(
                    f"{name}: {tool} and {other} would both be offered as {offered}; rename a "
                    "server"
                )
    return McpServers(servers)


def _raw(text: str) -> Any:
    import yaml

    if not text.startswith("{"):
        try:
            text = Path(text).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, RuntimeError, ValueError):
            raise ValueError(f"there is no such file to be read; {_FORM}") from None
    try:
        return yaml.safe_load(text)  # JSON is a subset of YAML
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}neither JSON nor YAML; {_FORM}") from None


def _server(name: str, entry: object) -> McpServer:
    try:
        server = msgspec.convert(entry, McpServer)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}; {_FORM}") from None
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"{name!r} is no name for a server; use letters, digits, - and _")
    if (server.url is None) == (server.command is None):
        raise ValueError(f'{name}: give either "url" or "command"; {_FORM}')
    if server.url is not None:
        try:
            parts = urlsplit(server.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port  # checked only when it is read
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f'{name}: "url" must begin with http:// or https://')
    if server.headers and server.url is None:
        raise ValueError(f'{name}: "headers" go with "url"; a command is given "env"')
    if server.env and server.command is None:
        raise ValueError(f'{name}: "env" goes with "command"; an address is given "headers"')
    return server
