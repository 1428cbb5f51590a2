"""What the service knows of itself: its state, its settings and where each came from."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from avr_sts_speechmatics.console.operations import Answer, Operation, json_answer
from avr_sts_speechmatics.settings import DECLARATIONS, TOPICS, Origin, Settings
from avr_sts_speechmatics.settings.declaration import declarations

Health = Callable[[], Awaitable[Mapping[str, Any]]]

MASK = "***"

_SETTING = {
    "type": "object",
    "required": ["name", "topic", "value", "source", "variable", "private", "default", "about"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "description": "the variable's first name"},
        "topic": {"type": "string"},
        "value": {
            "type": ["string", "null"],
            "description": "as the operator wrote it; null if it is not set, or private",
        },
        "source": {"enum": ["environment", ".env", "default", "program"]},
        "variable": {
            "type": ["string", "null"],
            "description": "the variable that was read; null if none was",
        },
        "private": {"type": "boolean", "description": "the value may hold a key: never shown"},
        "default": {"type": ["string", "null"]},
        "about": {"type": "string", "description": "Markdown"},
    },
}

_SERVICE = {
    "type": "object",
    "required": ["health", "settings", "history", "words"],
    "additionalProperties": False,
    "properties": {
        "health": {
            "type": "object",
            "description": "what /health answers: status, calls, services and their states, "
            "workers, versions, warnings",
            "required": ["status", "ready", "version", "calls", "warnings", "versions"],
        },
        "settings": {"type": "array", "items": _SETTING},
        "history": {
            "enum": ["off", "calls", "transcripts", "recordings"],
            "description": "what is kept of calls",
        },
        "words": {"type": "boolean", "description": "whether words are kept and shown"},
    },
}


def operations(
    settings: Settings, origins: Mapping[str, Origin], health: Health, history: str
) -> list[Operation]:
    """Return the operations of this topic.

    origins: where each setting that is set comes from.
    health: returns what `/health` answers.
    history: what is kept of calls, see HISTORY_LEVELS.
    """
    known = shown(settings, origins)
    words = history in ("transcripts", "recordings")

    async def show(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        found = await health()
        return json_answer({"health": found, "settings": known, "history": history, "words": words})

    return [
        Operation(
            method="GET",
            path="/service",
            name="showService",
            topic="The service",
            summary="Show the state of the service, its settings, versions and warnings",
            about="No key and no password is part of the answer.",
            answers={200: Answer("the service", {"application/json": _SERVICE})},
            answer=show,
        )
    ]


def shown(settings: Settings, origins: Mapping[str, Origin]) -> list[dict[str, Any]]:
    """Return all settings for an operator, without secrets."""
    topics = {name: topic for topic, cls in TOPICS.items() for name in declarations(cls)}
    hidden = sorted(settings.secrets(), key=len, reverse=True)
    found = []
    for name, declaration in DECLARATIONS.items():
        origin = origins.get(name)
        text, source = (None, "default") if origin is None else (origin.text, origin.source)
        if origin is None and getattr(settings, name) != declaration.default:
            source = "program"
        for secret in hidden if text else ():
            text = text.replace(secret, MASK)  # type: ignore[union-attr]
        default = declaration.default_text
        if default is None and declaration.default is not None:
            default = str(declaration.default)
        found.append(
            {
                "name": name.upper(),
                "topic": topics[name],
                "value": text,
                "source": source,
                "variable": None if origin is None else origin.variable,
                "private": declaration.private,
                "default": default,
                "about": declaration.about,
            }
        )
    return found
