"""A conversation in the form of Chat Completions. [OpenAI reference, 3]"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolSpec

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def chat_messages(instructions: str, history: Sequence[Entry]) -> list[dict[str, Any]]:
    """Messages, oldest first: the instructions, if any, then the conversation.

    Tools asked for together, with the text before them, are one message of the assistant.
    """
    messages: list[dict[str, Any]] = []
    if instructions:
        messages.append({"role": "system", "content": instructions})
    for entry in history:
        match entry:
            case Message(role, content):
                messages.append({"role": role, "content": content})
            case ToolCall(id, name, arguments):
                if not messages or messages[-1]["role"] != "assistant":
                    messages.append({"role": "assistant", "content": None})
                # Servers check old calls too: one they cannot read fails every request to come.
                function = {"name": _function_name(name), "arguments": _object(arguments)}
                call = {"id": id, "type": "function", "function": function}
                messages[-1].setdefault("tool_calls", []).append(call)
            case _:
                result = {"role": "tool", "tool_call_id": entry.id, "content": entry.content}
                messages.append(result)
    return messages


def is_object(text: str) -> bool:
    """Whether it is a JSON object, from its beginning to its end."""
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _object(arguments: str) -> str:
    return arguments if is_object(arguments) else "{}"


def _function_name(name: str) -> str:
    """A name as functions may have it; a model may make up any. [OpenAI: function names]"""
    return _NOT_IN_NAMES.sub("_", name)[:64] or "unknown"


def chat_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in tools
    ]
