"""Retention: what is old is erased, in small steps, so that calls and their records never wait.

    age                  | is erased
    ---------------------+-----------------------------------------------------------------------
    KEEP_DAYS            | words, arguments and results of tools, keys, facts, outcome, recordings
    KEEP_CALLS_DAYS      | the rows of the call

One process at a time does this, at its start and every EVERY_S. A recording that cannot be deleted
now keeps its call as it is until the next time. SQLite overwrites what is erased and gives the
space of its file back.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from avr_sts_speechmatics.records.database import Database, DatabaseAway
from avr_sts_speechmatics.values import counted

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, TextClause

EVERY_S = 3600.0
"""Time between two rounds (s)."""

AGAIN_S = 60.0
"""Time until the next try after a round that the database did not allow (s)."""

STEP = 50
"""Most calls in one transaction."""

PAUSE_S = 0.1
"""Pause between two transactions (s), in which records of calls are written."""

WITH_WORDS_KINDS = ("key", "note")
"""Kinds of events whose details hold what the caller or a tool said."""

PAGES = 500
"""Most pages (4 kB) of SQLite that one transaction gives back."""

_DAY_MS = 24 * 3600 * 1000

_log = logging.getLogger(__name__)


class Deletes(Protocol):
    """Where recordings are."""

    async def delete(self, names: Sequence[str]) -> object:
        """Delete recordings; one that is not there is no error. Raises if one stays."""


class Upkeep:
    """Erases what is old.

    database: the calls.
    keep_days: days that words and recordings are kept; 0: for ever.
    keep_calls_days: days that the rows of calls are kept; 0: for ever.
    recordings: where the recordings are; None if there are none.
    every_s: see EVERY_S.
    pause_s: see PAUSE_S.
    now: returns seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        keep_days: int,
        keep_calls_days: int,
        recordings: Deletes | None = None,
        *,
        every_s: float = EVERY_S,
        pause_s: float = PAUSE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._keep_days = keep_days
        self._keep_calls_days = keep_calls_days
        self._recordings = recordings
        self._every_s = every_s
        self._pause_s = pause_s
        self._now = now

    async def run(self) -> None:
        """Erase now and again and again."""
        while True:
            wait = self._every_s
            try:
                await self.once()
            except DatabaseAway as error:  # the writer has said so
                _log.debug("old calls are not erased now: %s", error)
                wait = min(AGAIN_S, wait)
            except Exception:
                _log.exception("old calls could not be erased; the next try is in an hour")
            await asyncio.sleep(wait)

    async def once(self) -> tuple[int, int]:
        """Erase what is old now, unless another process is at it.

        Returns the number of calls that lost their words, and of calls that were erased. Raises
        DatabaseAway.
        """
        if not self._keep_days and not self._keep_calls_days:
            return 0, 0
        async with self._database.alone("upkeep") as alone:
            if not alone:
                return 0, 0
            calls = await self._each(self._keep_calls_days, None, self._erase_calls)
            from avr_sts_speechmatics.records.tables import WITH_WORDS

            words = await self._each(self._keep_days, WITH_WORDS, self._erase_words)
            if words or calls:
                await self._give_space_back()
        if words:
            _log.info("words of %s erased (KEEP_DAYS=%d)", counted(words, "call"), self._keep_days)
        if calls:
            days = self._keep_calls_days
            _log.info("%s erased (KEEP_CALLS_DAYS=%d)", counted(calls, "call"), days)
        return words, calls

    async def _each(
        self, days: int, condition: "TextClause | None", erase: Callable[..., Any]
    ) -> int:
        """Erase the calls that are older than some days, in steps. Returns their number."""
        if not days:
            return 0
        from sqlalchemy import select

        from avr_sts_speechmatics.records.tables import calls

        before_ms = int(self._now() * 1000) - days * _DAY_MS
        # A call whose recording could not be deleted is left out for this round.
        after, erased = (-1, ""), 0
        while True:
            wanted: list[ColumnElement[bool]] = [calls.c.began_ms < before_ms]
            wanted.append(calls.c.began_ms >= after[0])
            if condition is not None:
                wanted.append(condition)  # type: ignore[arg-type]  # a condition as text
            query = select(calls.c.key, calls.c.began_ms, calls.c.recording).where(*wanted)
            query = query.order_by(calls.c.began_ms).limit(STEP)
            async with self._database.reading() as connection:
                rows = [tuple(row) for row in await connection.execute(query)]
            rows = [row for row in rows if (row[1], row[0]) > after]
            if not rows:
                return erased
            keys = [key for key, _, name in rows if name is None or await self._deleted(name)]
            if keys:
                await erase(keys)
            erased += len(keys)
            if len(keys) < len(rows):
                after = (rows[-1][1], rows[-1][0])
            await asyncio.sleep(self._pause_s)

    async def _deleted(self, name: str) -> bool:
        if self._recordings is None:
            return True
        try:
            await self._recordings.delete([name])
        except Exception as error:
            _log.warning("the recording %s cannot be deleted now: %s", name, error)
            return False
        return True

    async def _erase_words(self, keys: Sequence[str]) -> None:
        from sqlalchemy import update

        from avr_sts_speechmatics.records.tables import calls, events, outcomes, tools, turns

        now_ms = int(self._now() * 1000)
        async with self._database.writing() as connection:
            for statement in (
                outcomes.delete().where(outcomes.c.call.in_(keys)),
                update(turns).where(turns.c.call.in_(keys)).values(said=None, heard=None),
                update(tools).where(tools.c.call.in_(keys)).values(arguments=None, result=None),
                update(events)
                .where(events.c.call.in_(keys), events.c.kind.in_(WITH_WORDS_KINDS))
                .values(details={}),
                update(calls)
                .where(calls.c.key.in_(keys))
                .values(facts=None, outcome=None, recording=None, erased_ms=now_ms),
            ):
                await connection.execute(statement)

    async def _erase_calls(self, keys: Sequence[str]) -> None:
        from avr_sts_speechmatics.records.tables import calls

        async with self._database.writing() as connection:
            await connection.execute(calls.delete().where(calls.c.key.in_(keys)))

    async def _give_space_back(self) -> None:
        """Give the free pages of SQLite's file back; PostgreSQL does so by itself."""
        if self._database.address.is_postgresql:
            return
        left = 1
        while left:
            async with self._database.writing() as connection:
                # Past SQLAlchemy: the statement frees a page for each row that is fetched.
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                await driver.execute_fetchall(f"pragma incremental_vacuum({PAGES})")
                left = (await connection.exec_driver_sql("pragma freelist_count")).scalar_one()
            await asyncio.sleep(self._pause_s)
