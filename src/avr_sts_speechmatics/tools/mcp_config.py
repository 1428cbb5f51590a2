"""Which MCP servers there are, how they are reached, and which of their tools may be used.

Checked whole when the settings are read; nothing is contacted, and the MCP SDK is not loaded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

NAME_MAX = 64
"""Longest name of a tool that models take. [OpenAI: function names]"""

_FORM = (
    'give {"weather": {"url": "http://weather:8000/mcp", "allow": ["forecast"]}}, '
    'or with {"command": ["program", "argument"], "allow": [...]} instead of "url"'
)


class McpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server: `url` and `headers`, or `command` and `env`. allow: None if there is no list."""

    url: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    command: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    env: dict[str, str] = msgspec.field(default_factory=dict)
    allow: list[str] | None = None


@dataclass(frozen=True, slots=True)
class McpServers:
    """Servers by name. Its repr shows no address, header or environment: they may hold keys."""

    servers: Mapping[str, McpServer] = field(repr=False)

    def secrets(self) -> Iterator[str]:
        """Texts that should not be seen in a log."""
        for server in self.servers.values():
            yield from server.headers.values()
            yield from server.env.values()


def offered_name(server: str, tool: str) -> str:
    """A server's tool as the model knows it: two servers may both have a `search`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}_{tool}")


def parse_mcp_servers(text: str) -> McpServers:
    """Read MCP_SERVERS: JSON, or the path of a JSON or YAML file.

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
        return yaml.safe_load(text)  # every JSON is YAML
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
