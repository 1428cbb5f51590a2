"""Values of a call in the form in which they are kept: facts, phrases, arguments, clean text."""

from collections.abc import Mapping
from typing import Any

from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode

ARGUMENTS_MAX = 20_000
"""Longest text of a tool's arguments that is kept (characters)."""


def fact_of(
    facts: Mapping[str, str], names: Mapping[str, str], wanted: tuple[str, ...]
) -> tuple[str, str | None]:
    """Return name and value of the first wanted fact that has a value.

    names: names of the facts by the names in small letters.
    """
    for one in wanted:
        name = names.get(one, "")
        if value := facts.get(name, "").strip():
            return name, clean(value)
    return "", None


def kinds_of(manners: Manners) -> dict[str, str]:
    """Return the name of each fixed text of an agent, by the text; what is said first wins."""
    kinds: dict[str, str] = {}
    for name in ("recording_notice", "disclosure", "welcome", *manners.said()):
        value = getattr(manners, name)
        for text in (value,) if isinstance(value, str) else value:
            kinds.setdefault(text, name)
    return kinds


def arguments_of(text: str) -> Any:
    """Return the arguments of a tool as JSON, or as the model wrote them if they are none."""
    if not text.strip():
        return {}
    if len(text) > ARGUMENTS_MAX:
        return clean(text[:ARGUMENTS_MAX] + "…")
    try:
        return clean(decode(text))
    except (BadJson, RecursionError):
        return clean(text)


def clean(value: Any) -> Any:
    """Return text, or JSON, that every database takes: valid Unicode without NUL."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {clean(name): clean(item) for name, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value
