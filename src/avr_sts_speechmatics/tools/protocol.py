"""The interfaces of tools and tool servers, which the toolbox uses.

Each kind of tool has a module in this package: `python_files` for the operator's functions,
`mcp_servers` for MCP servers. The toolbox opens these modules, and no module imports the toolbox.
Importing this module loads none of their libraries.
"""

from collections.abc import Collection, Iterable
from typing import Protocol, runtime_checkable

from avr_sts_speechmatics.conversation import HANG_UP, TRANSFER, ToolSpec
from avr_sts_speechmatics.tools import CallFacts

RESERVED = (HANG_UP, TRANSFER)
"""Names that no tool may have: the call itself offers these tools to the model."""


class ToolError(Exception):
    """A tool was not run, or the tool reported a failure. The text is for the model."""


class Tool(Protocol):
    """One tool.

    spec: the tool as it is offered to the model.
    source: file and line, or MCP server, that the tool comes from; for logs and errors.
    cancel_on_hangup: True if the tool is stopped when its call ends; False if it is finished.
    """

    @property
    def spec(self) -> ToolSpec: ...
    @property
    def source(self) -> str: ...
    @property
    def cancel_on_hangup(self) -> bool: ...

    async def run(self, arguments: dict[str, object], call: CallFacts) -> str:
        """Run the tool once if the arguments fit; returns the text for the model.

        Raises ToolError; any other exception is a failure of unknown effect.
        """


@runtime_checkable
class ToolServer(Protocol):
    """A server whose tools come and go with the server."""

    @property
    def names(self) -> Collection[str]:
        """All names that the server's tools may ever have."""

    def tools(self) -> Iterable[Tool]:
        """Return the tools that the server offers now; none while the server is down."""

    async def tried(self) -> None:
        """Return when the server has been reached, or the first try has failed."""

    async def close(self) -> None: ...
