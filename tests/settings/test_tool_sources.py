"""Settings of the topic: tools."""

from pathlib import Path
from typing import Any

from tests.settings.environment import HERE
from tests.settings.topic_tests import PrivateTopicTests

from avr_sts_speechmatics.settings.tool_sources import ToolSources


class TestToolSources(PrivateTopicTests):
    topic = ToolSources
    defaults = (
        ("TOOLS_DIR", None),
        ("MCP_SERVERS", None),
        ("AVR_TOOLS_DIR", None),
        ("TOOL_TIMEOUT_S", 8.0),
        ("TOOL_ROUNDS", 5),
    )
    good = (
        ("TOOLS_DIR", HERE, Path(HERE)),
        ("MCP_SERVERS", '{"notes": {"command": ["notes"]}}', ["notes"]),
        ("AVR_TOOLS_DIR", HERE, Path(HERE)),
        ("TOOL_TIMEOUT_S", "0.5", 0.5),
        ("TOOL_ROUNDS", "1", 1),
    )
    wrong = (
        ("TOOLS_DIR", "/no/such/directory", "path of a directory"),
        ("AVR_TOOLS_DIR", "/no/such/directory", "path of a directory"),
        ("TOOL_TIMEOUT_S", "0", "seconds from 0.1 to 120"),
        ("TOOL_ROUNDS", "0", "from 1 to 50"),
    )
    private = (
        ("MCP_SERVERS", '{"weather": {"headers": {"Authorization": "very-secret"}}}', '"url"'),
        ("MCP_SERVERS", '{"weather": {"url": "very-secret"}}', "http:// or https://"),
        ("MCP_SERVERS", "/no/such/very-secret.yaml", "no such file"),
    )

    def compared(self, name: str, value: Any) -> object:
        return list(value.servers) if name == "MCP_SERVERS" else value
