"""Answers that are JSON objects: how a server is asked for one.

Servers differ: some keep strictly to a schema, some take a schema or a wish for JSON and do their
best, some refuse both. The loosest way asks in words only, which every server takes.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from avr_sts_speechmatics.services.llm.protocol import AnswerForm

Objects: TypeAlias = Literal["strict", "schema", "object", "words"]

OBJECTS: tuple[Objects, ...] = get_args(Objects)
"""The ways to ask, the strictest first."""

HOW: Mapping[Objects, str] = {
    "strict": "a strict schema",
    "schema": "a schema that the server need not keep strictly",
    "object": "a schema in words and the format json_object",
    "words": "a schema in words",
}

_LIMITS = ("max_tokens", "max_completion_tokens")


def answer_fields(
    form: AnswerForm, objects: Objects, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a request for an object.

    parameters: the fields of every request.
    """
    limits = {n: max(parameters[n], form.max_tokens) for n in _LIMITS if n in parameters}
    if objects == "words":
        return limits
    if objects == "object":
        return {**limits, "response_format": {"type": "json_object"}}
    strict = objects == "strict" and form.strict is not None
    wanted = {"name": form.name, "schema": form.strict if strict else form.schema, "strict": strict}
    return {**limits, "response_format": {"type": "json_schema", "json_schema": wanted}}


def told_in_words(form: AnswerForm, objects: Objects) -> str:
    """Return what the instructions add where the server is given no schema."""
    if objects in ("strict", "schema"):
        return ""
    return (
        "\n\nAnswer with one JSON object and nothing else. It must fit this JSON Schema:\n"
        + json.dumps(form.schema, ensure_ascii=False)
    )
