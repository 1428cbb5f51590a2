"""A conversation as messages and tools of Chat Completions. [OpenAI reference, 3]

Servers differ in the messages that they accept; `MessageForm` says how they differ.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from avr_sts_speechmatics.conversation import (
    Entry,
    Message,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from avr_sts_speechmatics.services.llm.tool_call_pieces import is_object

ChatMessage: TypeAlias = dict[str, Any]

CALL_BEGINS = "[The call begins.]"
"""The user's message before a welcome, for servers that want the user first."""

NOTED = "…"
"""The assistant's message between the result of a tool and a user's message, where required."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")


@dataclass(frozen=True, slots=True)
class MessageForm:
    """How messages are written.

    system: role of the instructions. `user` puts them into the first user message.
    alternate: user and assistant take turns, the user first.
    tool_messages: tool calls and results are messages of their own; otherwise a user's text.
    short_ids: identifiers of tool calls have nine letters and digits.
    empty_content: a message without text has an empty text instead of none.
    dropped: fields of tool calls and their messages that the server does not want back.
    """

    system: Literal["system", "developer", "user"] = "system"
    alternate: bool = False
    tool_messages: bool = True
    short_ids: bool = False
    empty_content: bool = False
    dropped: frozenset[str] = frozenset()


PLAIN = MessageForm()
"""The form of OpenAI's API."""


def chat_messages(
    instructions: str, history: Sequence[Entry], form: MessageForm = PLAIN, server: str = ""
) -> list[ChatMessage]:
    """Return the messages of a request: the instructions, if any, then the conversation.

    instructions: the system message; empty for none.
    history: the conversation, oldest entry first.
    form: how the server wants the messages.
    server: address of the server, which gets its own fields back.

    Tool calls that follow each other, with the text before them, become one assistant message.
    """
    if not form.tool_messages:
        history = _in_words(history)
    messages: list[ChatMessage] = []
    for entry in history:
        if isinstance(entry, Message):
            messages.append({"role": entry.role, "content": entry.content})
        elif isinstance(entry, ToolCall):
            if not messages or messages[-1]["role"] != "assistant":
                text = "" if form.empty_content else None
                messages.append({"role": "assistant", "content": text})
            _add_call(messages[-1], entry, form, server)
        else:
            id = _id(entry.id, form)
            messages.append({"role": "tool", "tool_call_id": id, "content": entry.content})
    if form.alternate:
        messages = _alternating(messages)
    if not instructions:
        return messages
    if form.system != "user":
        return [{"role": form.system, "content": instructions}, *messages]
    if not messages or messages[0]["role"] != "user":
        return [{"role": "user", "content": instructions}, *messages]
    first = {**messages[0], "content": f"{instructions}\n\n{messages[0]['content']}"}
    return [first, *messages[1:]]


def _add_call(message: ChatMessage, call: ToolCall, form: MessageForm, server: str) -> None:
    # Servers check old tool calls too: an invalid call would fail every later request.
    function = {"name": _function_name(call.name), "arguments": _object(call.arguments)}
    sent: dict[str, Any] = {"id": _id(call.id, form), "type": "function", "function": function}
    opaque = call.opaque
    if opaque is not None and opaque.server == server:
        sent |= _kept(opaque.call, form)
        inside = opaque.call.get("function")
        sent["function"] = {**inside, **function} if isinstance(inside, dict) else function
        message.update({k: v for k, v in _kept(opaque.message, form).items() if k not in message})
    message.setdefault("tool_calls", []).append(sent)


def _kept(fields: Any, form: MessageForm) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in form.dropped}


def _in_words(history: Sequence[Entry]) -> list[Entry]:
    """Tool calls and results in the words of the user's side: a model would imitate its own."""
    calls = {entry.id: entry for entry in history if isinstance(entry, ToolCall)}
    told: list[Entry] = []
    for entry in history:
        if isinstance(entry, ToolResult):
            call = calls.get(entry.id)
            what = f"{call.name}({_object(call.arguments)})" if call else "A tool"
            told.append(Message("user", f"[{what} was run. Result: {entry.content}]"))
        elif isinstance(entry, Message):
            told.append(entry)
    return told


def _alternating(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Order messages as strict templates want them: user, assistant, user, ...

    A tool round counts as the assistant's turn, and the assistant speaks after its results.
    """
    strict: list[ChatMessage] = []
    for message in messages:
        role, last = message["role"], strict[-1] if strict else None
        if last is None:
            if role != "user":
                strict.append({"role": "user", "content": CALL_BEGINS})
        elif role == "user" and last["role"] == "tool":
            strict.append({"role": "assistant", "content": NOTED})
        elif role == last["role"] and role != "tool" and not last.get("tool_calls"):
            texts = (last["content"], message["content"])
            joined = "\n".join(text for text in texts if text)
            strict[-1] = {**last, **message, "content": joined}
            continue
        strict.append(dict(message))
    return strict


def _id(id: str, form: MessageForm) -> str:
    if not form.short_ids or _SHORT_ID.fullmatch(id):
        return id
    return hashlib.blake2s(id.encode("utf-8", "replace")).hexdigest()[:9]


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
