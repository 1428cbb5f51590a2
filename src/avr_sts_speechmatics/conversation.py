"""A conversation as text, written by the dialogue and read by the LLM client."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

HANG_UP = "avr_hangup"
TRANSFER = "avr_transfer"
"""Names of the tools that end the agent's part of a call; all AVR connectors use these names."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something that the caller or the agent said.

    role: "user" is the caller, "assistant" the agent.
    content: plain text, never empty.
    """

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool.

    id: the model's identifier of this tool call.
    name: name of the tool.
    arguments: JSON text as the model wrote it, unchecked.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call. The result follows the tool call in a conversation.

    id: the identifier of the tool call.
    content: text for the model.
    """

    id: str
    content: str


Entry: TypeAlias = Message | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as it is offered to the model.

    name: name by which the model calls the tool.
    description: what the tool does and when to use it, for the model.
    parameters: JSON Schema of the arguments.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
