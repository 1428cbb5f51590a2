"""A conversation as text, written by the dialogue and read by the LLM client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

HANG_UP = "avr_hangup"
TRANSFER = "avr_transfer"
"""Names of the tools that end the agent's part of a call; all AVR connectors use these names."""


GO_ON = "[The caller has said nothing since. Go on where you were cut off, or answer again.]"
"""Closes a request whose last words are the agent's: a request ends with a user or tool message."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something that the caller or the agent said.

    role: "user" is the caller, "assistant" the agent.
    content: plain text, never empty.
    """

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """Fields of a tool call that mean nothing to this service and must go back to their server.

    server: address of the server that sent the fields; no other server receives them.
    call: fields of the tool call, such as Gemini's `extra_content`.
    message: fields of the message with the tool call, such as DeepSeek's `reasoning_content`.
    """

    server: str
    call: Mapping[str, Any]
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool.

    id: the model's identifier of this tool call.
    name: name of the tool.
    arguments: JSON text as the model wrote it, unchecked.
    opaque: further fields that the server wants back; None if there are none. Not traced: they are
        large and may contain what was said.
    """

    id: str
    name: str
    arguments: str
    opaque: Opaque | None = field(
        default=None, compare=False, repr=False, metadata={"traced": False}
    )


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
