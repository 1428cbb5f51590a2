"""A conversation as text: what the dialogue writes down and whoever thinks reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

HANG_UP = "avr_hangup"
TRANSFER = "avr_transfer"
"""Names of the tools that end the agent's part of a call, as all AVR connectors call them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One entry, oldest first in a conversation. content: plain text, never empty."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool.

    id: the model's own name for this call. arguments: JSON text as the model wrote it, unchecked.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a tool call; follows its call in a conversation. content: for the model."""

    id: str
    content: str


Entry: TypeAlias = Message | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as it is offered to the model. parameters: JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]
