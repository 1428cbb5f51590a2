"""The history: finds, reads, exports and deletes what is kept of calls.

The list of calls is read in pages, the newest call first. A page ends at a call, not at a number of
rows, so that calls that begin or are deleted meanwhile move no call to another page. All methods
raise `database.DatabaseAway` if the database cannot be used.

This module imports SQLAlchemy, which takes half a second: import it when it is needed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ColumnElement, Row, Table, and_, delete, or_, select

from avr_sts_speechmatics.records.call_filter import (
    LOST,
    LOST_MS,
    CallFilter,
    alternatives,
    is_number,
)
from avr_sts_speechmatics.records.tables import calls, events, outcomes, tools, turns

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from avr_sts_speechmatics.records.database import Database

__all__ = ["CallFilter", "Deleted", "History", "Page"]

BATCH = 200
"""Calls that are exported or deleted in one transaction."""

PREFIX_MIN = 6
"""Shortest beginning of a key or uuid that names a call (characters)."""

_OWN = frozenset({"caller_backwards", "called_backwards"})
"""Columns that only the search needs."""

_PARTS: Mapping[str, Table] = {"turns": turns, "tools": tools, "events": events}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list.

    calls: the columns of each call.
    next: `before` of the next page; empty if there is none.
    """

    calls: list[dict[str, Any]]
    next: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion removed.

    calls: number of calls.
    recordings: number of recordings.
    waiting: number of changes that waited in spool files.
    running: calls that are going on, which stay.
    """

    calls: int = 0
    recordings: int = 0
    waiting: int = 0
    running: int = 0


class Recordings(Protocol):
    """Where the recordings are."""

    async def delete(self, names: Iterable[str]) -> None:
        """Delete recordings; a name that is not there is ignored."""


class History:
    """The calls of a database.

    database: where they are.
    recordings: where their recordings are; None if there are none.
    forget: removes the changes of calls, by their keys, from the spool files; returns how many.
    now: the time (s since 1970).
    """

    def __init__(
        self,
        database: "Database",
        *,
        recordings: Recordings | None = None,
        forget: Callable[[set[str]], int] = lambda keys: 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._recordings = recordings
        self._forget = forget
        self._now = now

    async def calls(self, wanted: CallFilter, *, before: str = "", limit: int = 50) -> Page:
        """Return a page of the wanted calls, the newest first.

        before: `next` of the page before. Raises ValueError for any other text.
        limit: most calls of the page; a page that is not the last may have fewer.
        """
        async with self._database.reading() as connection:
            found, following = await self._page(connection, wanted, _place(before), limit)
        return Page([self._shown(row) for row in found], following)

    async def call(self, name: str) -> dict[str, Any] | None:
        """Return all that is kept of a call, or None.

        name: a key, or a uuid: the newest call of that uuid.
        """
        async with self._database.reading() as connection:
            for condition in (calls.c.key == name, calls.c.uuid == name):
                statement = calls.select().where(condition).order_by(*_NEWEST_FIRST).limit(1)
                if (row := (await connection.execute(statement)).first()) is not None:
                    (whole,) = await self._whole(connection, [row])
                    return whole
        return None

    async def find(self, name: str, *, limit: int = 10) -> list[dict[str, Any]]:
        """Return the calls that a name may mean, the newest first.

        name: a key or uuid, or its beginning (PREFIX_MIN characters or more).
        """
        if (exact := await self.call(name)) is not None:
            return [exact]
        if len(name) < PREFIX_MIN:
            return []
        page = await self.calls(CallFilter(text=name), limit=limit)
        named = [c for c in page.calls if c["key"].startswith(name.lower()) or
                 c["uuid"].lower().startswith(name.lower())]
        return named

    async def count(self, wanted: CallFilter) -> int:
        """Return the number of wanted calls."""
        number, before = 0, ""
        while True:
            page = await self.calls(wanted, before=before, limit=5000)
            number += len(page.calls)
            if not (before := page.next):
                return number

    async def export(self, wanted: CallFilter) -> AsyncIterator[dict[str, Any]]:
        """Yield all that is kept of each wanted call, the newest first."""
        place: tuple[int, str] | None = None
        while True:
            async with self._database.reading() as connection:
                found, following = await self._page(connection, wanted, place, BATCH)
                whole = await self._whole(connection, found)
            for call in whole:
                yield call
            if not following:
                return
            place = _place(following)

    async def delete(self, wanted: CallFilter | Iterable[str]) -> Deleted:
        """Delete calls with all that is kept of them, recordings and spooled changes too.

        wanted: a filter, or keys. `number` of a filter must be the whole number here: its last
            digits may be those of other people.

        A call that is going on is not deleted. What was deleted before an error stays deleted.
        """
        removed = Deleted()
        keys = None if isinstance(wanted, CallFilter) else list(wanted)
        while True:
            async with self._database.reading() as connection:
                if isinstance(wanted, CallFilter):
                    rows = await self._to_delete(connection, wanted)
                else:
                    assert keys is not None
                    batch, keys = keys[:BATCH], keys[BATCH:]
                    statement = calls.select().where(calls.c.key.in_(batch))
                    rows = (await connection.execute(statement)).all()
            ...
