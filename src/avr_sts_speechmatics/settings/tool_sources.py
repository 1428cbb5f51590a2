"""Settings: where the agent's tools come from, and how long they may take."""

from dataclasses import dataclass
from pathlib import Path

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import manner, setting
from avr_sts_speechmatics.tools.mcp_config import McpServers


@dataclass(frozen=True, kw_only=True)
class ToolSources:
    """Python files, MCP servers and limits."""

    tools_dir: Path | None = setting(
        check.directory,
        "Directory of your own tools, one Python file each; see [Tools](tools.md).",
        common=True,
    )
    mcp_servers: McpServers | None = setting(
        check.mcp_servers,
        "MCP servers whose tools the agent may use: JSON, or the path of a JSON or YAML file; see "
        "[Tools](tools.md).",
        private=True,
    )
    avr_tools_dir: Path | None = setting(
        check.directory,
        "Directory of tools written in JavaScript for AVR's own connectors, as they are; see "
        "[Tools](tools.md#tools-written-for-avr).",
        default_text="`/usr/src/app/tools`, if it is there",
    )
    tool_timeout_s: float = setting(
        check.number(0.1, 120, "seconds"), "How long a tool may take (s).", 8.0
    )
    tool_rounds: int = manner(
        "tool_rounds",
        check.whole(1, 50),
        "How often in a row the model may ask for tools in one answer.",
    )
