"""What a source of tools implements, and what the toolbox may rely on.

A source is a module beside this one, such as `python_files`; the toolbox opens the sources, and no
source knows the toolbox. This module is light: no source's libraries are loaded with it.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

from avr_sts_speechmatics.conversation import HANG_UP, TRANSFER, ToolSpec
from avr_sts_speechmatics.tools import CallFacts

RESERVED = (HANG_UP, TRANSFER)
"""Names that no tool may have: the call itself offers these tools to the model."""


class ToolError(Exception):
    """A tool was not run, or reports a failure. The text is for the model."""


class Tool(Protocol):
    """One tool.

    spec: the tool as it is offered to the model.
    source: where the tool comes from, for people.
    """

    @property
    def spec(self) -> ToolSpec: ...
    @property
    def source(self) -> str: ...

    async def run(self, arguments: dict[str, object], call: CallFacts) -> str:
        """Run the tool once if the arguments fit; returns the text for the model.

        Raises ToolError; any other exception is a failure of unknown effect.
        """


class ToolServer(Protocol):
    """A server whose tools come and go with the server."""

    @property
    def names(self) -> Collection[str]:
        """All names that the server's tools may ever have."""

    def tools(self) -> Iterable[Tool]:
        """The tools that the server offers now; none while the server is down."""

    async def tried(self) -> None:
        """Return when the server has been reached, or the first try has failed."""

    async def close(self) -> None: ...
