"""A conversation as messages and tools of Chat Completions. [OpenAI reference, 3]"""

import re
from collections.abc import Sequence
from typing import Any

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolSpec
from avr_sts_speechmatics.untrusted_json import BadJson, decode

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def chat_messages(instructions: str, history: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the messages of a request: the instructions, if any, then the conversation.

    instructions: the system message; empty for none.
    history: the conversation, oldest entry first.

    Tool calls that follow each other, with the text before them, become one assistant message.
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
                # Servers check old tool calls too: an invalid call would fail every later request.
                function = {"name": _function_name(name), "arguments": _object(arguments)}
                call = {"id": id, "type": "function", "function": function}
                messages[-1].setdefault("tool_calls", []).append(call)
            case _:
                result = {"role": "tool", "tool_call_id": entry.id, "content": entry.content}
                messages.append(result)
    return messages


def is_object(text: str) -> bool:
    """Whether a text is one complete JSON object."""
    try:
        return isinstance(decode(text), dict)
    except BadJson:
        return False


def _object(arguments: str) -> str:
    return arguments if is_object(arguments) else "{}"


def _function_name(name: str) -> str:
    """Return an allowed function name: a model may invent any name. [OpenAI: function names]"""
    return _NOT_IN_NAMES.sub("_", name)[:64] or "unknown"


def chat_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Return the tools of a request."""
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
