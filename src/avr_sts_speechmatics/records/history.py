"""The history: finds, reads, exports and deletes what is kept of calls.

The list of calls is read in pages, the newest call first. A page ends at a call, not at a number of
rows, so that calls that begin or are deleted meanwhile move no call to another page. All methods
raise `database.DatabaseAway` if the database cannot be used.

This module imports SQLAlchemy, which takes half a second: import it when it is needed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from sqlalchemy import ColumnElement, Row, Table, delete, func, or_, select, union

from avr_sts_speechmatics.records.call_filter import (
    FEW,
    LOST,
    LOST_MS,
    Alternative,
    CallFilter,
    alternatives,
    leaders,
    named,
    sendable,
)
from avr_sts_speechmatics.records.tables import calls, events, outcomes, tools, turns

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from avr_sts_speechmatics.records.database import Database

__all__ = ["CallFilter", "Deleted", "History", "Page", "Totals"]

BATCH = 200
"""Calls that are exported or deleted in one transaction."""

PREFIX_MIN = 6
"""Shortest beginning of a key or uuid that names a call (characters)."""

_NEWEST = calls.c.began_ms.desc(), calls.c.key.desc()

_OWN = frozenset({"caller_digits", "called_digits"})
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
    waiting: number of calls of which changes waited in spool files.
    running: calls that are going on, which stay.
    """

    calls: int = 0
    recordings: int = 0
    waiting: int = 0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over calls.

    calls: number of calls.
    duration_s: length of the calls that ended (s).
    cost: what they cost, by currency.
    """

    calls: int
    duration_s: float
    cost: Mapping[str, float]


class Recordings(Protocol):
    """Where the recordings are."""

    async def delete(self, names: Iterable[str]) -> None:
        """Delete recordings; a name that is not there is ignored."""


Erase: TypeAlias = Callable[[Collection[str], Callable[[Mapping[str, Any]], bool]], set[str]]
"""Removes calls from the spool files: by their keys, and those whose row, as the call began, a
function wants. Returns the keys of the calls that were there. Blocks."""


def _nothing_waits(keys: Collection[str], matches: Callable[[Mapping[str, Any]], bool]) -> set[str]:
    return set()


class History:
    """The calls of a database.

    database: where they are.
    recordings: where their recordings are; None if there are none.
    erase: removes calls from the spool files, see `spool.erase`.
    now: the time (s since 1970).
    """

    def __init__(
        self,
        database: "Database",
        *,
        recordings: Recordings | None = None,
        erase: Erase = _nothing_waits,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._recordings = recordings
        self._erase = erase
        self._now = now

    async def calls(self, wanted: CallFilter, *, before: str = "", limit: int = 50) -> Page:
        """Return a page of the wanted calls, the newest first.

        before: `next` of the page before. Raises ValueError for any other text.
        limit: most calls of the page; a page that is not the last may have fewer.
        """
        place = _place(before)
        async with self._database.reading() as connection:
            rows, place = await self._page(connection, wanted, place, max(1, limit))
        following = "" if place is None else f"{place[0]}-{place[1]}"
        return Page([self._shown(row) for row in rows], following)

    async def call(self, name: str) -> dict[str, Any] | None:
        """Return all that is kept of a call, or None.

        name: a key, or a uuid: the newest call of that uuid.
        """
        name = sendable(name)
        async with self._database.reading() as connection:
            for condition in (calls.c.key == name, calls.c.uuid == name):
                statement = calls.select().where(condition).order_by(*_NEWEST).limit(1)
                if (row := (await connection.execute(statement)).first()) is not None:
                    (whole,) = await self._whole(connection, [row])
                    return whole
        return None

    async def find(self, name: str, *, limit: int = 10) -> list[dict[str, Any]]:
        """Return the columns of the calls that a name may mean, the newest first.

        name: a key or uuid, or its beginning (PREFIX_MIN characters or more).
        limit: most calls.
        """
        wanted = sendable(name.strip())
        exact = or_(calls.c.key == wanted.lower(), calls.c.uuid == wanted)
        statement = calls.select().where(exact).order_by(*_NEWEST).limit(limit)
        async with self._database.reading() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            if not rows and len(wanted) >= PREFIX_MIN:
                rows = await self._beginning_with(connection, wanted, limit)
        return [self._shown(row) for row in rows]

    async def _beginning_with(
        self, connection: "AsyncConnection", name: str, limit: int
    ) -> list[Row[Any]]:
        found: dict[str, Row[Any]] = {}
        for choice in named(name):
            one = Alternative(choice.conditions)
            for row in await connection.execute(one.statement(None, limit)):
                found[row.key] = row
        return sorted(found.values(), key=_place_of, reverse=True)[:limit]

    async def totals(self, wanted: CallFilter) -> Totals:
        """Return sums over all wanted calls."""
        keys = union(*(one.keys() for one in alternatives(wanted, round(self._now() * 1000))))
        found = keys.subquery()
        statement = (
            select(
                calls.c.currency,
                func.count(),
                func.coalesce(func.sum(calls.c.duration_s), 0.0),
                func.coalesce(func.sum(calls.c.cost), 0.0),
            )
            .join_from(found, calls, calls.c.key == found.c.key)
            .group_by(calls.c.currency)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return Totals(
            calls=sum(row[1] for row in rows),
            duration_s=round(sum(row[2] for row in rows), 1),
            cost={row[0]: round(row[3], 6) for row in rows if row[0]},
        )

    async def export(self, wanted: CallFilter) -> AsyncIterator[dict[str, Any]]:
        """Yield all that is kept of each wanted call, the newest first."""
        place: tuple[int, str] | None = None
        while True:
            async with self._database.reading() as connection:
                rows, place = await self._page(connection, wanted, place, BATCH)
                whole = await self._whole(connection, rows)
            for call in whole:
                yield call
            if place is None:
                return

    async def delete(self, wanted: CallFilter | Collection[str]) -> Deleted:
        """Delete calls with all that is kept of them, recordings and spooled changes too.

        wanted: a filter, or keys. The number of a filter is the whole number here: last digits may
            be those of other people.

        A call that is going on is not deleted. What was deleted before an error stays deleted.
        """
        removed: set[str] = set()
        running: set[str] = set()
        recordings = 0
        async for rows in self._batches(wanted):
            ended = [row for row in rows if not self._is_running(row)]
            running.update(row.key for row in rows if self._is_running(row))
            names = [row.recording for row in ended if row.recording]
            # The rows are last: while they are there, the deletion can be tried again.
            if names and self._recordings is not None:
                await self._recordings.delete(names)
                recordings += len(names)
            gone = [row.key for row in ended]
            if gone:
                async with self._database.writing() as connection:
                    for table in (*_PARTS.values(), outcomes):
                        await connection.execute(delete(table).where(table.c.call.in_(gone)))
                    await connection.execute(delete(calls).where(calls.c.key.in_(gone)))
            removed.update(gone)
        if isinstance(wanted, CallFilter):
            erased = await asyncio.to_thread(self._erase, removed, wanted.matches_beginning)
        else:
            keys = set(wanted) - running
            erased = await asyncio.to_thread(self._erase, keys, lambda row: False)
        return Deleted(len(removed | erased), recordings, len(erased), len(running))

    async def _batches(
        self, wanted: CallFilter | Collection[str]
    ) -> AsyncIterator[Sequence[Row[Any]]]:
        """Yield the rows of wanted calls, BATCH at a time."""
        if not isinstance(wanted, CallFilter):
            keys = list(dict.fromkeys(map(sendable, wanted)))
            for begin in range(0, len(keys), BATCH):
                statement = calls.select().where(calls.c.key.in_(keys[begin : begin + BATCH]))
                async with self._database.reading() as connection:
                    rows = (await connection.execute(statement)).all()
                yield rows
            return
        whole, place = replace(wanted, whole_number=True), None
        while True:
            async with self._database.reading() as connection:
                rows, place = await self._page(connection, whole, place, BATCH)
            yield rows
            if place is None:
                return

    async def _page(
        self,
        connection: "AsyncConnection",
        wanted: CallFilter,
        before: tuple[int, str] | None,
        limit: int,
    ) -> tuple[list[Row[Any]], tuple[int, str] | None]:
        """Read a page; returns its rows and the place of its last call, None for the last page."""
        found: dict[str, Row[Any]] = {}
        complete: list[tuple[int, str]] = []  # alternatives may have more calls before these
        few = await self._few(connection, wanted)
        for one in alternatives(wanted, round(self._now() * 1000), few):
            rows = (await connection.execute(one.statement(before, limit + 1))).all()
            found.update((row.key, row) for row in rows)
            if len(rows) > limit:
                complete.append(_place_of(rows[-1]))
        ordered = sorted(found.values(), key=_place_of, reverse=True)
        if complete:
            ordered = [row for row in ordered if _place_of(row) >= max(complete)]
        page = ordered[:limit]
        more = bool(complete) or len(ordered) > limit
        return page, _place_of(page[-1]) if more and page else None

    async def _few(self, connection: "AsyncConnection", wanted: CallFilter) -> str:
        """Return the name of a condition that few calls fulfil, the rarest; empty for none."""
        counts = {
            name: (await connection.execute(counting)).scalar_one()
            for name, counting in leaders(wanted).items()
        }
        rarest = min(counts, key=lambda name: counts[name], default="")
        return rarest if rarest and counts[rarest] <= FEW else ""

    async def _whole(
        self, connection: "AsyncConnection", rows: Sequence[Row[Any]]
    ) -> list[dict[str, Any]]:
        """Return all that is kept of calls, in the order of their rows.

        `turns` is the list then; the number of the caller's turns is `caller_turns`.
        """
        whole = {row.key: self._shown(row) for row in rows}
        for call in whole.values():
            call["caller_turns"] = call["turns"]
        for name, table in _PARTS.items():
            for call in whole.values():
                call[name] = []
            statement = table.select().where(table.c.call.in_(tuple(whole)))
            for part in await connection.execute(statement.order_by(table.c.call, *_order(table))):
                shown = dict(part._mapping)
                whole[shown.pop("call")][name].append(shown)
        for call in whole.values():
            _add_what_was_heard(call)
        return list(whole.values())

    def _shown(self, row: Row[Any]) -> dict[str, Any]:
        """Return the columns of a call as they are shown: times as text too, and its state."""
        call = {name: value for name, value in row._mapping.items() if name not in _OWN}
        for name in ("began", "seen", "ended"):
            call[name] = _iso(call[f"{name}_ms"])
        call["running"] = self._is_running(row)
        if row.ended_ms is None and not call["running"]:
            call["reason"] = LOST
        return call

    def _is_running(self, row: Row[Any]) -> bool:
        if row.ended_ms is not None:
            return False
        seen: int = row.began_ms if row.seen_ms is None else row.seen_ms
        return seen >= self._now() * 1000 - LOST_MS


def _place_of(row: Row[Any]) -> tuple[int, str]:
    """Return the place of a call in the list."""
    return row.began_ms, row.key


def _place(text: str) -> tuple[int, str] | None:
    """Return the place that a page's `next` names; None for an empty text. Raises ValueError."""
    if not text:
        return None
    began, dash, key = text.partition("-")
    if not (dash and key and began.isascii() and began.isdigit() and len(began) < 18):
        raise ValueError("not the `next` of a page")
    return int(began), key


def _order(table: Table) -> tuple[ColumnElement[Any], ...]:
    return table.c.at_ms, table.c.number


def _iso(ms: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, such as 2026-12-01T09:42:07.120Z."""
    if ms is None:
        return None
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _add_what_was_heard(call: dict[str, Any]) -> None:
    """Add to each failure what the agent said next, as far as the caller heard it.

    then: kind of that speech, such as "sorry" or "answer"; None if nothing followed.
    then_ms: how long after the failure it began; negative if it was being heard already.
    heard: its words, if words are kept.
    """
    spoken = [turn for turn in call["turns"] if turn["speaker"] == "agent" and turn["words_heard"]]
    for event in call["events"]:
        if event["kind"] != "failure":
            continue
        at = event["at_ms"]
        then = next((turn for turn in spoken if (turn["until_ms"] or turn["at_ms"]) > at), None)
        event["then"] = None if then is None else then["kind"]
        event["then_ms"] = None if then is None else then["at_ms"] - at
        event["heard"] = None if then is None else then["heard"]
