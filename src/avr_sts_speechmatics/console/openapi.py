"""The OpenAPI 3.1 document, made from the operations. It refers to nothing on other servers."""

from collections.abc import Mapping, Sequence
from typing import Any

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.console.access import CSRF_HEADER
from avr_sts_speechmatics.console.operations import VERSION, Answer, Operation
from avr_sts_speechmatics.console.parameters import Schema

_ABOUT = (
    "Calls that are running, and what is kept of calls. Without CONSOLE_TOKEN the API answers on "
    "the machine of the service only; with a token it answers everywhere, to `Authorization: "
    "Bearer <token>` or to a browser that has signed in. Times are ISO 8601 in UTC; names that end "
    "in `_ms` hold milliseconds, names that end in `_s` seconds."
)

_REFUSALS: Mapping[int, str] = {
    400: "a parameter or the body is wrong; the error says what is allowed",
    401: "a token is needed, or is wrong",
    403: "the client may not use the API; the error says why",
    429: "too many wrong tokens came from this address",
}

_ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {"error": {"type": "string", "description": "why, and what to do"}},
}


def document(operations: Sequence[Operation], schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the document.

    schemas: shapes that operations refer to as `#/components/schemas/<name>`.
    """
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(f"{VERSION}{one.path}", {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "avr-sts-speechmatics", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/api"}],
        "security": [{}, {"token": []}, {"session": []}],
        "tags": [{"name": name} for name in dict.fromkeys(one.topic for one in operations)],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, **schemas},
            "responses": {str(status): _refusal(why) for status, why in _REFUSALS.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "CONSOLE_TOKEN"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "avr_console_<port>",
                    "description": f"from POST {VERSION}/session; a request that changes something "
                    f"needs the header {CSRF_HEADER} as well",
                },
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.topic],
        "summary": one.summary,
        "responses": {
            **{str(status): _answer(answer) for status, answer in one.answers.items()},
            **{str(status): _refusal(why) for status, why in one.refusals.items()},
            **{
                str(status): {"$ref": f"#/components/responses/{status}"}
                for status in _REFUSALS
                if status not in one.refusals
            },
        },
    }
    if one.about:
        found["description"] = one.about
    if one.parameters:
        found["parameters"] = [parameter.described() for parameter in one.parameters]
    if one.body is not None:
        content = {"application/json": {"schema": one.body}}
        found["requestBody"] = {"required": True, "content": content}
    if one.open:
        found["security"] = [{}]
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.about}
    if answer.media:
        found["content"] = {media: {"schema": schema} for media, schema in answer.media.items()}
    if answer.headers:
        found["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in answer.headers.items()
        }
    return found


def _refusal(why: str) -> dict[str, Any]:
    error = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {"description": why, "content": {"application/json": error}}
