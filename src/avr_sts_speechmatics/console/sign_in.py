"""Signing in: a browser gives a token once and has a session afterwards."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from avr_sts_speechmatics.console.access import Access, is_secure
from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.operations import (
    ADMITTED,
    Answer,
    Operation,
    body_of,
    json_answer,
)
from avr_sts_speechmatics.console.tokens import SESSION_S, Session

_SESSION = {
    "type": "object",
    "required": ["by", "csrf", "expires"],
    "additionalProperties": False,
    "properties": {
        "by": {
            "enum": ["machine", "token", "session"],
            "description": "why the request is allowed: it comes from this machine, has a token, "
            "or has the cookie of a session",
        },
        "csrf": {
            "type": ["string", "null"],
            "description": "of a session: the value that every POST and DELETE repeats in the "
            "header X-CSRF-Token",
        },
        "expires": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "of a session: its end",
        },
    },
}

_TOKEN = {
    "type": "object",
    "required": ["token"],
    "additionalProperties": False,
    "properties": {"token": {"type": "string", "description": "one of CONSOLE_TOKEN"}},
}


def operations(access: Access) -> list[Operation]:
    """Return the operations of this topic."""

    async def begin(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        body = await body_of(request)
        if not access.tokens:
            raise Refused(409, "No sign-in is needed: CONSOLE_TOKEN is not set.")
        token = body.get("token")
        if not isinstance(token, str) or len(body) != 1:
            raise Refused(400, 'Send {"token": "…"} with one of CONSOLE_TOKEN.')
        access.check_token(request, token)
        session = access.tokens.begin_session(token)
        response = json_answer(_shown("session", session), 201)
        response.set_cookie(
            access.cookie,
            session.value,
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=is_secure(request),
        )
        return response

    async def show(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        admitted = request[ADMITTED]
        return json_answer(_shown(admitted.by, admitted.session))

    async def end(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        response = web.Response(status=204)
        response.del_cookie(access.cookie, path="/", httponly=True, samesite="Strict")
        return response

    return [
        Operation(
            method="POST",
            path="/session",
            name="signIn",
            topic="Signing in",
            summary="Sign in with a token",
            about="Sets a cookie (HttpOnly, SameSite=Strict, Secure over TLS) for 12 hours.",
            body=_TOKEN,
            answers={201: Answer("the session", {"application/json": _SESSION})},
            refusals={409: "no token is set, so no sign-in is needed"},
            answer=begin,
            open=True,
        ),
        Operation(
            method="GET",
            path="/session",
            name="showSession",
            topic="Signing in",
            summary="Show how this client is allowed to ask",
            answers={200: Answer("the session", {"application/json": _SESSION})},
            answer=show,
        ),
        Operation(
            method="DELETE",
            path="/session",
            name="signOut",
            topic="Signing in",
            summary="Remove the cookie of the session",
            answers={204: Answer("signed out")},
            answer=end,
        ),
    ]


def _shown(by: str, session: Session | None) -> dict[str, str | None]:
    if session is None:
        return {"by": by, "csrf": None, "expires": None}
    expires = datetime.fromtimestamp(session.expires, UTC).isoformat()
    return {"by": by, "csrf": session.csrf, "expires": expires.replace("+00:00", "Z")}
