"""A conversation in the form of Chat Completions. [OpenAI reference, 3]"""

from collections.abc import Sequence
from typing import Any

import msgspec

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolSpec


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
                # A server may read the arguments of old calls, and fail on what is no JSON.
                function = {"name": name, "arguments": arguments if is_json(arguments) else "{}"}
                call = {"id": id, "type": "function", "function": function}
                messages[-1].setdefault("tool_calls", []).append(call)
            case _:
                result = {"role": "tool", "tool_call_id": entry.id, "content": entry.content}
                messages.append(result)
    return messages


def is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


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
