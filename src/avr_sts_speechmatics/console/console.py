"""The console: the API over calls, under `/api/`, and the pages that show it.

The server gives it what it knows; the console adds who may ask (`access`), how the answers look
(`operations`) and the files of the pages (`pages`).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from avr_sts_speechmatics.console import (
    call_control,
    calls_api,
    live_api,
    openapi,
    recording_api,
    service_api,
    sign_in,
)
from avr_sts_speechmatics.console.access import Access
from avr_sts_speechmatics.console.call_control import CallControl
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.console.live_view import SCHEMA
from avr_sts_speechmatics.console.opened_history import OpenedHistory
from avr_sts_speechmatics.console.operations import Answer, Operation, application, json_answer
from avr_sts_speechmatics.console.pages import Pages
from avr_sts_speechmatics.console.tokens import Tokens
from avr_sts_speechmatics.settings import Origin, Settings

PATH = "/api/"
"""Path of everything here."""

Say = Callable[[str, str, str], None]
"""Logs a line about a client: kind of the line, address of the client, line."""


class Service(Protocol):
    """What the API knows of the service.

    settings: of the service.
    origins: where each setting that is set comes from.
    live: the running calls.
    control: ends and transfers running calls.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    live: LiveCalls
    control: CallControl

    async def health_of_all(self) -> dict[str, Any]:
        """Return what `/health` answers."""


def add_to(
    app: web.Application,
    service: Service,
    parts: Callable[[], Any],
    say: Say = lambda kind, address, line: None,
) -> None:
    """Add the API, below PATH, and the pages to the application of a port.

    parts: returns what has the records of calls in `kept` and the recordings in `recordings`; None
        while the service starts.
    say: logs a line about a client.
    """
    settings, live, level = service.settings, service.live, service.live.history
    access = Access(Tokens(settings.console_token), f"avr_console_{settings.port}")
    # Other workers of the service count a wrong token as well.
    access.wrong = live.wrong_token
    live.wrong_elsewhere = access.tries.add

    def recordings() -> Any:
        return getattr(parts(), "recordings", None)

    calls = OpenedHistory(lambda: getattr(parts(), "kept", None), recordings)

    def refused(address: str, why: str) -> None:
        kind = "refused requests to the API"
        say(kind, address, f"a request to the API from {address} was refused: {why}")

    def cut(address: str) -> None:
        line = f"a client that follows the calls, {address}: it does not keep up and is cut off"
        say("clients that do not keep up", address, line)

    topics = [
        *live_api.operations(live, cut),
        *call_control.operations(service.control.leave),
        *calls_api.operations(calls, level),
        *recording_api.operations(calls, level, recordings),
        *service_api.operations(settings, service.origins, service.health_of_all, level),
    ]
    app.add_subapp(PATH, described(topics, access, refused))
    Pages(access.check_page).add_to(app)


def described(
    operations: list[Operation], access: Access, refused: Callable[[str, str], None]
) -> web.Application:
    """Return an application with these operations, those to sign in, and their description.

    access: who may use the API.
    refused: called with the address of a client that may not use the API, and the reason.
    """
    document: dict[str, Any] = {}

    async def describe(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        if not document:
            kept = await asyncio.to_thread(_shapes)
            document.update(openapi.document(everything, {"RunningCall": SCHEMA, **kept}))
        return json_answer(document)

    everything = [*operations, *sign_in.operations(access)]
    everything.append(
        Operation(
            method="GET",
            path="/openapi.json",
            name="showApi",
            topic="The service",
            summary="Show this document",
            answers={200: Answer("OpenAPI 3.1", {"application/json": {"type": "object"}})},
            answer=describe,
        )
    )
    return application(everything, access, refused)


def _shapes() -> dict[str, Any]:
    from avr_sts_speechmatics.console import shapes  # half a second, if nothing is kept of calls

    return shapes.schemas()
