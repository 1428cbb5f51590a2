"""Servers that accept less than OpenAI's API: the rules of a `strict` fault, and their refusals.

Each rule is taken from a server or a chat template that many people run. A refusal has the status
and the words of that server, unless the fault gives others.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from avr_sts_speechmatics.sandbox.chat_completions import tokens
from avr_sts_speechmatics.sandbox.faults import Strict

REASONING = ("The caller asks ", "for something.")
"""The reasoning that a server with the rule `reasoning` streams before an answer, in pieces."""


class Refusal(NamedTuple):
    """An answer of status 4xx or 5xx.

    status: HTTP status.
    message: the server's words.
    code: the server's code; None for none.
    """

    status: int
    message: str
    code: str | None = None


def refusal(fault: Strict, body: Mapping[str, Any]) -> Refusal | None:
    """Return the refusal of a request; None if the rule accepts the request.

    fault: the fault that names the rule.
    body: body of the request.
    """
    found = _RULES[fault.rule](body, fault)
    if found is None:
        return None
    return Refusal(
        fault.status or found.status, fault.message or found.message, fault.code or found.code
    )


def signature(id: str) -> dict[str, Any]:
    """Return the opaque field of a tool call, as the rule `signatures` wants it back."""
    return {"google": {"thought_signature": f"signature of {id}"}}


def added(fault: Strict, delta: dict[str, Any]) -> dict[str, Any]:
    """Return a delta of a stream with the fields that the rule's server adds."""
    if fault.rule != "signatures" or not delta.get("tool_calls"):
        return delta
    calls = [
        {**call, "extra_content": signature(call["id"])} if call.get("id") else call
        for call in delta["tool_calls"]
    ]
    return {**delta, "tool_calls": calls}


def _roles(body: Mapping[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


def _ends_with_user(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    last = _roles(body)[-1]
    if last in ("user", "tool"):
        return None
    return Refusal(
        400,
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got "
        f"{last}",
        "invalid_request_message_order",
    )


def _alternating(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    """Mistral's template: tool rounds aside, user and assistant alternate, the user first."""
    roles = _roles(body)
    if roles[0] == "system":
        roles = roles[1:]
    for one, next_ in pairwise(roles):
        if one == "tool" and next_ == "user":
            return Refusal(400, "Unexpected role 'user' after role 'tool'")
    counted = [
        message["role"]
        for message in body["messages"]
        if message["role"] == "user"
        or (message["role"] == "assistant" and not message.get("tool_calls"))
    ]
    expected = [("user", "assistant")[place % 2] for place in range(len(counted))]
    if counted != expected:
        return Refusal(
            400,
            "After the optional system message, conversation roles must alternate "
            "user/assistant/user/assistant/...",
        )
    return _ends_with_user(body, fault)


def _gemma(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    """Gemma's template on vLLM: no system message, no tool messages, roles alternate."""
    roles = _roles(body)
    if roles[0] == "system":
        return Refusal(400, "System role not supported")
    if roles != [("user", "assistant")[place % 2] for place in range(len(roles))]:
        return Refusal(400, "Conversation roles must alternate user/assistant/user/assistant/...")
    return None


def _no_system(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    if "system" not in _roles(body):
        return None
    return Refusal(
        400,
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "unsupported_value",
    )


def _no_tools(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    if not body.get("tools"):
        return None
    return Refusal(400, "registry.ollama.ai/library/gemma3:4b does not support tools")


def _signatures(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    calls = [c for m in body["messages"] for c in m.get("tool_calls") or ()]
    if all(call.get("extra_content") == signature(call["id"]) for call in calls):
        return None
    return Refusal(400, "Function call is missing a thought_signature in functionCall parts.")


def _reasoning(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    for place, message in enumerate(body["messages"]):
        wanted = message.get("tool_calls")
        if wanted and message.get("reasoning_content") != "".join(REASONING):
            return Refusal(
                400,
                "Missing `reasoning_content` field in the assistant message at message index "
                f"{place}.",
            )
    return None


def _context(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    size = _size(body["messages"])
    if size <= fault.tokens:
        return None
    return Refusal(
        400,
        f"This model's maximum context length is {fault.tokens} tokens. However, your messages "
        f"resulted in {size} tokens. Please reduce the length of the messages.",
        "context_length_exceeded",
    )


def _size(messages: Sequence[Mapping[str, Any]]) -> int:
    return sum(tokens(str(message.get("content") or "")) for message in messages)


def _field(body: Mapping[str, Any], fault: Strict) -> Refusal | None:
    if fault.field not in body:
        return None
    return Refusal(400, f"Unsupported parameter: '{fault.field}' is not supported with this model.")


_RULES: Mapping[str, Callable[[Mapping[str, Any], Strict], Refusal | None]] = {
    "ends_with_user": _ends_with_user,
    "alternating": _alternating,
    "gemma": _gemma,
    "no_system": _no_system,
    "no_tools": _no_tools,
    "signatures": _signatures,
    "reasoning": _reasoning,
    "context": _context,
    "field": _field,
}
