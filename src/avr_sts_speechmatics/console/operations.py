"""Operations: what the API can do, declared once.

An operation is a path with its parameters, its answers and the function that answers. `application`
makes the routes of the web server from the operations, `openapi` makes the document, so that the
two cannot differ.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import hdrs, web

from avr_sts_speechmatics.console.access import Access, Admitted, address_of
from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.parameters import Parameter, Schema, read
from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode

VERSION = "/v1"
"""Path of this version of the API, below `/api`."""

BODY_MAX = 8 * 1024
"""Largest body of a request (bytes)."""

ADMITTED: web.RequestKey[Admitted] = web.RequestKey("admitted", Admitted)
"""How a request was allowed."""

Handler = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    # A page of another origin cannot even show a recording.
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of an operation.

    about: what the answer is.
    media: content type, and the JSON Schema of the content.
    headers: names of headers with their descriptions.
    """

    about: str
    media: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of the API.

    method: GET, POST or DELETE. GET answers HEAD as well.
    path: below VERSION; names in braces are parameters of the path.
    name: identifier, unique.
    topic: heading in the document.
    summary: one line.
    about: what else a client should know.
    parameters: all of them; further ones are refused.
    body: JSON Schema of the body; None if there is none.
    answers: by HTTP status. Refusals are added: every operation has them.
    refusals: statuses of refusals that only this operation has, with the reason.
    answer: answers a request that is allowed, from the values of the parameters.
    open: whether a client may ask that has not signed in yet.
    """

    method: str
    path: str
    name: str
    topic: str
    summary: str
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    answers: Mapping[int, Answer]
    refusals: Mapping[int, str] = field(default_factory=dict)
    answer: Handler
    open: bool = False


def application(
    operations: Sequence[Operation], access: Access, refused: Callable[[str, str], None]
) -> web.Application:
    """Make the application that answers below `/api`.

    refused: called with the address of a client that may not use the API, and the reason.
    """

    opened: set[object] = set()

    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            admit(request)
            return await handler(request)
        except Refused as no:
            return json_answer({"error": no.why}, no.status, no.headers)
        except StoreError as away:
            if request.writer.output_size:
                # The client must not take a part for the whole.
                raise ConnectionError(f"{away}") from away
            return json_answer({"error": f"{away}"}, 503, {"Retry-After": "5"})
        except web.HTTPException as error:
            if error.status < 400:
                raise
            headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            why = _WHY.get(error.status, error.reason)
            return json_answer({"error": why}, error.status, headers)

    def admit(request: web.Request) -> None:
        try:
            if getattr(request.match_info.route, "handler", None) in opened:
                access.check_origin(request)
            else:
                request[ADMITTED] = access.check(request)
        except Refused as no:
            refused(address_of(request), no.why)
            raise

    app = web.Application(middlewares=[guard])
    for one in operations:
        handler = _handler(one)
        if one.open:
            opened.add(handler)
        app.router.add_route(one.method, VERSION + one.path, handler)
        if one.method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, VERSION + one.path, handler)
    app.on_response_prepare.append(_add_headers)
    return app


_WHY = {
    404: "There is nothing at this path; GET /api/v1/openapi.json lists what there is.",
    405: "This method is not allowed here; see the header Allow.",
    413: f"The body is larger than {BODY_MAX} bytes; send less.",
}


def _handler(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await operation.answer(request, read(request, operation.parameters))

    return answer


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def json_answer(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a response with JSON."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(content),
        content_type="application/json",
        headers=headers,
    )


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object in the body of a request. Raises Refused (400, 413, 415)."""
    if request.content_type != "application/json":
        raise Refused(415, "Send a JSON object, with Content-Type: application/json.")
    # The limit of an application does not apply to one that is part of another.
    raw = bytearray()
    async for piece in request.content.iter_chunked(BODY_MAX):
        raw += piece
        if len(raw) > BODY_MAX:
            raise Refused(413, _WHY[413])
    try:
        found: dict[str, Any] = decode(raw, dict[str, Any])
    except BadJson:
        raise Refused(400, "The body is no JSON object; send one.") from None
    return found
