"""What is kept of calls: the list with search, one call, its deletion."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from avr_sts_speechmatics.console import csv_export
from avr_sts_speechmatics.console.call_control import KEY
from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.operations import Answer, Operation, json_answer
from avr_sts_speechmatics.console.parameters import OneOf, Parameter, Text, When, Whole, YesNo

if TYPE_CHECKING:
    from avr_sts_speechmatics.records.history import CallFilter, Deleted, Page

LIMIT = 50
LIMIT_MAX = 500
"""Calls of a page: usually, and at most."""

PIECE = 50
"""Calls that are read at once: more would stop the event loop, and running calls, for too long."""

MOMENT_MS = 60_000
"""Length of the moment that `at` means (ms): people name times by the minute."""

_CSV = {
    "Content-Type": "text/csv; charset=utf-8; header=present",
    "Content-Disposition": 'attachment; filename="calls.csv"',
}

NAME = Parameter(
    "call",
    Text(200),
    "Key of the call, or its uuid: the newest call of that uuid.",
    where="path",
)

_WANTED = (
    Parameter(
        "q",
        Text(200),
        "Search: the beginning of a uuid or key, a number or its last digits, an agent, a reason, "
        "a value of the outcome.",
    ),
    Parameter("since", When(), "The call began at this time or later. A time without zone is UTC."),
    Parameter("until", When(until=True), "The call began before this time; a day is included."),
    Parameter("at", When(), "The call was going on within the minute from this time on."),
    Parameter("number", Text(100), "Number of caller or called: whole, or its last digits."),
    Parameter("agent", Text(200), "Name of the agent."),
    Parameter("transport", Text(50), "Name of the transport, such as audiosocket."),
    Parameter("reason", Text(50), "Why the call ended; `lost` if its process was killed."),
    Parameter("outcome", Text(200), "`name=value`, or a value of any field of the outcome."),
    Parameter("failed", YesNo(), "Whether something failed in the call, or the call was lost."),
    Parameter("running", YesNo(), "Whether the call is going on."),
    Parameter(
        "slow_ms", Whole(0, 3_600_000), "The worst wait for an answer was so long or longer (ms)."
    ),
)

_LIST = {
    "type": "object",
    "required": ["calls", "next"],
    "additionalProperties": False,
    "properties": {
        "calls": {"type": "array", "items": {"$ref": "#/components/schemas/Call"}},
        "next": {
            "type": ["string", "null"],
            "description": "`before` of the next page; null on the last page",
        },
    },
}

_DELETED = {
    "type": "object",
    "required": ["calls", "recordings"],
    "additionalProperties": False,
    "properties": {"calls": {"type": "integer"}, "recordings": {"type": "integer"}},
}

UNKNOWN = {404: "there is no such call"}
NO_HISTORY = {
    409: "nothing is kept of calls: HISTORY=off",
    503: "the database cannot be used now, or the service is starting",
}


class Reader(Protocol):
    """What this module needs of `records.history.History`."""

    async def calls(self, wanted: "CallFilter", *, before: str = "", limit: int = 50) -> "Page": ...

    async def call(self, name: str) -> dict[str, Any] | None: ...

    async def delete(self, wanted: "CallFilter | Collection[str]") -> "Deleted": ...


HistoryOf = Callable[[], Awaitable[Reader | None]]
"""Returns the history; None while the service starts, or if nothing is kept."""


async def reader_of(history: HistoryOf, level: str) -> Reader:
    """Return the history. Raises Refused.

    level: what is kept of calls, see HISTORY_LEVELS.
    """
    if level == "off":
        raise Refused(
            409,
            "Nothing is kept of calls: HISTORY=off. Set HISTORY to calls, transcripts or "
            "recordings; GET /api/v1/live shows the calls that are running.",
        )
    found = await history()
    if found is None:
        raise Refused(503, "The service is starting; try again.", 1)
    return found


def operations(history: HistoryOf, level: str) -> list[Operation]:
    """Return the operations of this topic. level: what is kept, see HISTORY_LEVELS."""

    async def find(request: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        reader, wanted = await reader_of(history, level), _filter(given)
        if _wants_csv(request, given["format"]):
            return await _export(request, reader, wanted, given["before"], given["limit"])
        found: list[dict[str, Any]] = []
        place = ""
        async for page in _pieces(reader, wanted, given["before"], given["limit"] or LIMIT):
            found += page.calls
            place = page.next
        return json_answer({"calls": found, "next": place or None})

    async def show(_: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        call = await (await reader_of(history, level)).call(given["call"])
        if call is None:
            raise no_such_call()
        return json_answer(call)

    async def erase(_: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        done = await (await reader_of(history, level)).delete([given["key"]])
        if done.running:
            raise Refused(409, "The call is going on; end it first, or wait for its end.")
        if not (done.calls or done.waiting):
            raise no_such_call()
        return json_answer({"calls": done.calls, "recordings": done.recordings})

    ref = {"$ref": "#/components/schemas/WholeCall"}
    return [
        Operation(
            method="GET",
            path="/calls",
            name="listCalls",
            topic="Calls",
            summary="List and search calls, the newest first",
            about="All conditions that are given must hold. With `format=csv`, or with `Accept: "
            "text/csv`, all wanted calls come as one file, unless `limit` is given.",
            parameters=(
                *_WANTED,
                Parameter("before", Text(100), "`next` of the page before.", default=""),
                Parameter(
                    "limit",
                    Whole(1, LIMIT_MAX),
                    f"Most calls of the page, {LIMIT} if it is not given.",
                ),
                Parameter("format", OneOf(("json", "csv")), "Form of the answer."),
            ),
            answers={
                200: Answer(
                    "the calls",
                    {"application/json": _LIST, "text/csv": {"type": "string"}},
                )
            },
            refusals=NO_HISTORY,
            answer=find,
        ),
        Operation(
            method="GET",
            path="/calls/{call}",
            name="showCall",
            topic="Calls",
            summary="Show all that is kept of a call",
            parameters=(NAME,),
            answers={200: Answer("the call", {"application/json": ref})},
            refusals={**UNKNOWN, **NO_HISTORY},
            answer=show,
        ),
        Operation(
            method="DELETE",
            path="/calls/{key}",
            name="deleteCall",
            topic="Calls",
            summary="Delete a call with its words and its recording",
            parameters=(KEY,),
            answers={200: Answer("what was deleted", {"application/json": _DELETED})},
            refusals={
                **UNKNOWN,
                **NO_HISTORY,
                409: "the call is going on, or nothing is kept of calls",
            },
            answer=erase,
        ),
    ]


def no_such_call() -> Refused:
    return Refused(404, "Nothing is kept of such a call; GET /api/v1/calls lists what is kept.")


def _filter(given: dict[str, Any]) -> "CallFilter":
    from avr_sts_speechmatics.records.history import CallFilter  # loaded: there is a history

    at = given["at"]
    return CallFilter(
        text=given["q"] or "",
        since_ms=given["since"],
        until_ms=given["until"],
        during_ms=None if at is None else (at, at + MOMENT_MS),
        number=given["number"] or "",
        agent=given["agent"] or "",
        transport=given["transport"] or "",
        reason=given["reason"] or "",
        outcome=given["outcome"] or "",
        failed=given["failed"],
        running=given["running"],
        slow_ms=given["slow_ms"],
    )


def _wants_csv(request: web.Request, form: str | None) -> bool:
    if form is not None:
        return form == "csv"
    # Browsers and programs that accept anything get JSON.
    return request.headers.get("Accept", "").split(";")[0].strip().lower() == "text/csv"


async def _pieces(
    reader: Reader, wanted: "CallFilter", before: str, limit: int | None
) -> AsyncIterator["Page"]:
    """Yield wanted calls in pieces; between two pieces, running calls have their turn.

    limit: most calls; None for all.

    Raises Refused.
    """
    left, place = limit, before
    while True:
        size = PIECE if left is None else min(PIECE, left)
        try:
            page = await reader.calls(wanted, before=place, limit=size)
        except ValueError:
            raise Refused(400, "before: give `next` of the page before, unchanged.") from None
        yield page
        place = page.next
        if left is not None:
            left -= len(page.calls)
        if not place or left == 0:
            return
        await asyncio.sleep(0)


async def _export(
    request: web.Request, reader: Reader, wanted: "CallFilter", before: str, limit: int | None
) -> web.StreamResponse:
    """Send all wanted calls, piece by piece."""
    from avr_sts_speechmatics.console.shapes import names as names_of  # loaded, as above

    names = names_of()
    response: web.StreamResponse | None = None
    async for page in _pieces(reader, wanted, before, limit):
        if response is None:  # an error of the first piece could still be answered
            response = web.StreamResponse(headers=_CSV)
            await response.prepare(request)
            if request.method == "HEAD":
                return response
            await response.write(csv_export.heading(names))
        await response.write(csv_export.lines(names, page.calls))
    assert response is not None  # there is always a first piece, which may be empty
    return response
