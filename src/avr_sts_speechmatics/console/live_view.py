"""A running call as a client sees it, and how an event changes that picture.

The picture is a JSON object. The process that has the call, other processes of the service and a
client's page all change it by the same events, so that they show the same.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

TurnState: TypeAlias = Literal[
    "arriving", "listening", "thinking", "speaking", "interrupted", "leaving"
]
"""The state of the turn: the agent is not known yet; the caller has the floor; an answer is being
made; the agent speaks; the agent holds its speech because of a sound of the caller; the call is
being ended."""

Kind: TypeAlias = Literal["began", "state", "words", "tool", "key", "failure", "ended"]
"""The kinds of events."""

View: TypeAlias = dict[str, Any]
"""A running call, see SCHEMA."""

STATES = ("arriving", "listening", "thinking", "speaking", "interrupted", "leaving")

_WORDS = {
    "type": ["object", "null"],
    "required": ["text", "final"],
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string"},
        "final": {
            "type": "boolean",
            "description": "false while the recogniser may still change the words, or while the "
            "agent's words are on their way to the caller",
        },
    },
}

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": [
        "key",
        "uuid",
        "transport",
        "agent",
        "caller_number",
        "called_number",
        "began",
        "began_ms",
        "state",
        "caller_says",
        "agent_says",
    ],
    "additionalProperties": False,
    "properties": {
        "key": {"type": "string", "description": "identifies the call in the records as well"},
        "uuid": {"type": "string", "description": "as AVR or Asterisk names the call"},
        "transport": {"type": "string"},
        "agent": {"type": "string"},
        "caller_number": {"type": ["string", "null"]},
        "called_number": {"type": ["string", "null"]},
        "began": {"type": "string", "format": "date-time"},
        "began_ms": {"type": "integer", "description": "ms since 1970 (UTC)"},
        "state": {"enum": list(STATES), "description": "the state of the turn"},
        "caller_says": {**_WORDS, "description": "last words; null below HISTORY=transcripts"},
        "agent_says": {**_WORDS, "description": "last words; null below HISTORY=transcripts"},
    },
}


def applied(view: View, kind: Kind, data: Mapping[str, Any]) -> None:
    """Change a view as an event says."""
    if kind == "state":
        view["state"] = data["state"]
        view["agent"] = data.get("agent", view["agent"])
    elif kind == "words":
        words = {"text": data["text"], "final": data["final"]}
        view["caller_says" if data["speaker"] == "caller" else "agent_says"] = words
