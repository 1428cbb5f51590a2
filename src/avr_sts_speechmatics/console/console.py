"""The console: the API over calls, under `/api/`, and the pages that show it.

The server gives it what it knows; the console adds who may ask (`access`), how the answers look
(`operations`) and the files of the pages (`pages`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.console.live_view import SCHEMA
from avr_sts_speechmatics.console.operations import Answer, Operation, application, json_answer
from avr_sts_speechmatics.console.pages import Pages
from avr_sts_speechmatics.console.tokens import Tokens
from avr_sts_speechmatics.settings import Origin, Settings

PATH = "/api/"
"""Path of everything here."""

Say = Callable[[str, str, str], None]
"""Logs a line about a client: kind of the line, address of the client, line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What the API knows of the service.

    settings: of the service.
    origins: where each setting that is set comes from.
    history: what is kept of calls, see HISTORY_LEVELS.
    live: the running calls.
    calls: returns what is kept of calls; None while the service starts, or if nothing is kept.
    recordings: returns the recordings; None while the service starts, or if there are none.
    leave: ends or transfers a running call of any process.
    health: returns what `/health` answers.
    say: logs a line about a client.
    opened: called with the transport of a client that stays connected.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    history: str
    live: LiveCalls
    calls: calls_api.HistoryOf
    recordings: recording_api.RecordingsOf
    leave: call_control.Leave
    health: service_api.Health
    say: Say = lambda kind, address, line: None
    opened: Callable[[Any], None] = lambda transport: None


def add_to(app: web.Application, known: Knowledge) -> None:
    """Add the API, below PATH, and the pages to the application of a port."""
    access = Access(Tokens(known.settings.console_token), f"avr_console_{known.settings.port}")
    # Other workers of the service count a wrong token as well.
    access.wrong = known.live.wrong_token
    known.live.wrong_elsewhere = access.tries.add

    def refused(address: str, why: str) -> None:
        kind = "refused requests to the API"
        known.say(kind, address, f"a request to the API from {address} was refused: {why}")

    def cut(address: str) -> None:
        line = f"a client that follows the calls, {address}: it does not keep up and is cut off"
        known.say("clients that do not keep up", address, line)

    topics = [
        *live_api.operations(known.live, known.opened, cut),
        *call_control.operations(known.leave),
        *calls_api.operations(known.calls, known.history),
        *recording_api.operations(known.calls, known.history, known.recordings),
        *service_api.operations(known.settings, known.origins, known.health, known.history),
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
