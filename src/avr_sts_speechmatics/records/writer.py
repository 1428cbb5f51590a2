"""The writer of the records: takes changes of calls at any time, brings them into the database.

    the database ...        | a change
    ------------------------+--------------------------------------------------------------------
    answers                 | waits in memory for the next batch, at most BATCH_S
    is slow or away         | waits in memory for at most a second, then in the spool, see `spool`
    is there again          | the spool is written first, in order; then as above
    is away, the spool full | waits in memory, up to MOST_WAITING; further changes are lost, counted

So a process that is killed loses the last second, whatever the database does. A process that ends
leaves its spool to the next one; at its start, and every ADOPT_S, a process writes what processes
that have ended left behind. All changes may be written twice, see `batch`.

One task writes. A change that the database refuses (a value out of range) is counted and dropped,
and the others of its batch are written. Calls never wait for any of this.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.database import Database, DatabaseAway
from avr_sts_speechmatics.records.spool import MOST_BYTES, Spool, SpoolFull
from avr_sts_speechmatics.values import counted

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH_S = 0.5
"""Longest time until a change is given to the database (s)."""

BATCH = 40
"""Most changes in one transaction: the event loop is busy with them for less than 2 ms."""

SLOW_S = 0.5
"""Time after which changes that the database has not confirmed go into the spool (s)."""

MOST_WAITING = 20_000
"""Most changes in memory."""

MOST_WAITING_BYTES = 32 << 20
"""Most text of changes in memory (bytes, about)."""

RETRY_S = (0.5, 1.0, 2.0, 5.0)
"""Time before each next try of a database that is away (s); the last one is repeated."""

SEEN_S = 10.0
"""How often running calls are marked as running (s)."""

ADOPT_S = 60.0
"""How often the spools of processes that have ended are looked for (s)."""

SEEN_AT_ONCE = 500
"""Most calls that one statement marks as running."""

SPOOLED_AT_ONCE = 200
"""Most changes that are put into the spool in one go."""

CLOSE_S = 2.0
"""How long the end waits for the database; then what is left goes into the spool (s)."""

_PAUSE_S = 0.01
"""Pause between two batches of a spool (s), in which calls have the event loop for themselves."""

_QUIET_S = 60.0
"""After a line about changes that were lost or refused, further ones are counted this long (s)."""

_log = logging.getLogger(__name__)


class RecordWriter:
    """Writes the changes of one process.

    database: where to.
    spool: directory for changes that have to wait longer than a second.
    batch_s: see BATCH_S.
    slow_s: see SLOW_S.
    retry_s: see RETRY_S.
    seen_s: see SEEN_S.
    adopt_s: see ADOPT_S.
    most_waiting: see MOST_WAITING.
    most_spooled: largest size of the spool (bytes).
    """

    def __init__(
        self,
        database: Database,
        spool: Path,
        *,
        batch_s: float = BATCH_S,
        slow_s: float = SLOW_S,
        retry_s: tuple[float, ...] = RETRY_S,
        seen_s: float = SEEN_S,
        adopt_s: float = ADOPT_S,
        most_waiting: int = MOST_WAITING,
        most_spooled: int = MOST_BYTES,
    ) -> None:
        self._database = database
        self._folder = spool
        self._spool = Spool(spool, most_bytes=most_spooled)
        self._batch_s = batch_s
        self._slow_s = slow_s
        self._retry_s = retry_s
        self._seen_s = seen_s
        self._adopt_s = adopt_s
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Change, int]] = deque()
        self._bytes = 0
        self._running: set[str] = set()
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._busy: asyncio.Task[bool] | None = None
        self._adopting: asyncio.Task[None] | None = None
        self._seen_at = self._adopted_at = float("-inf")
        self._tries = 0
        self._retry_at = 0.0
        self._away_since = 0.0
        self._spool_fails = ""
        self._lost_lines, self._refused_lines = _Quiet(), _Quiet()
        self.lost = 0
        """Number of changes that were lost, because memory and spool were full."""
        self.refused = 0
        """Number of changes that the database refused."""
        self.without_call = 0
        """Number of rows whose call was erased before they were written."""
        self.error = ""
        """Why the database cannot be used; empty if it can."""

    # --- from the calls ------------------------------------------------------------------------

    def add(self, change: Change) -> None:
        """Take a change. Never blocks and never raises."""
        size = 0
        for value in change.row.values():
            if type(value) is str:
                size += len(value)
        if (
            len(self._waiting) >= self._most_waiting
            or self._bytes + size > MOST_WAITING_BYTES
            or self._closing
        ):
            self._lose(1, self._spool_fails)
            return
        self._waiting.append((change, size))
        self._bytes += size
        if change.table == "calls":
            if not change.update:
                self._running.add(change.row["key"])
            elif change.row.get("ended_ms") is not None:
                self._running.discard(change.row["key"])
        if len(self._waiting) == BATCH:
            self._wake.set()

    @property
    def waiting(self) -> int:
        """Number of changes in memory."""
        return len(self._waiting)

    def health(self) -> dict[str, object]:
        """The state, for `/health`."""
        return {
            "waiting": len(self._waiting),
            "spooled": self._spool.waiting,
            "lost": self.lost,
            "refused": self.refused,
            "away": self.error,
        }

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Write from now on. Does not wait for the database, which is opened at once."""
        self._occupy(asyncio.create_task(self._write([]), name="database"))
        self._task = asyncio.create_task(self._run(), name="records")

    async def close(self, within_s: float = CLOSE_S) -> None:
        """Write what waits, or put it into the spool. Changes that come later are lost."""
        self._closing = True
        self._wake.set()
        finishing = asyncio.create_task(self._finish())
        await asyncio.wait((finishing,), timeout=within_s)
        await _end(finishing, within_s)
        await _end(self._task, within_s)
        await _end(self._busy, within_s)
        await _end(self._adopting, within_s)
        while self._waiting and await self._move_to_spool():
            pass
        self._lose(len(self._waiting), self._spool_fails)
        self._waiting.clear()
        if not self._spool.is_empty:
            records = counted(self._spool.waiting, "record")
            _log.warning("%s wait in %s; the next start writes them", records, self._spool.path)
        await asyncio.to_thread(self._spool.close)

    async def _finish(self) -> None:
        for task in (self._task, self._busy):
            if task is not None:
                await asyncio.wait((task,))
        if not self.error and not self._spool.is_empty:
            await self._catch_up()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._batch_s):
                    await self._wake.wait()
            self._wake.clear()
            closing = self._closing
            try:
                await self._tick()
            except Exception:  # a bug must not end the records of all further calls
                _log.exception("the records of calls cannot be written")
                await asyncio.sleep(self._batch_s)
            if closing:
                return

    async def _tick(self) -> None:
        while self._waiting:
            moves = self._write_first if self._may_write() else self._move_to_spool
            if not await moves() and moves == self._move_to_spool:
                break
        now = time.monotonic()
        if self._closing or self._busy is not None or now < self._retry_at:
            return
        if self.error or not self._spool.is_empty:
            self._occupy(asyncio.create_task(self._catch_up(), name="spooled records"))
            return
        if now - self._seen_at >= self._seen_s and self._running:
            self._seen_at = now
            await self._see()
        if now - self._adopted_at >= self._adopt_s and self._adopting is None:
            self._adopted_at = now
            self._adopting = asyncio.create_task(self._adopt(), name="records left behind")

    def _may_write(self) -> bool:
        """Whether changes may go to the database, past the spool."""
        return self._spool.is_empty and self._busy is None and time.monotonic() >= self._retry_at

    # --- to the database -----------------------------------------------------------------------

    async def _write_first(self) -> bool:
        """Write the first changes in memory. Returns False if they have to wait."""
        changes = [change for change, _ in islice(self._waiting, BATCH)]
        writing = asyncio.create_task(self._write(changes), name="records")
        try:
            await asyncio.wait((writing,), timeout=self._slow_s)
        finally:
            if not writing.done():
                # The changes stay in front, so that they are spooled next.
                self._occupy(writing)
        if not writing.done() or not writing.result():
            return False
        self._forget(len(changes))
        return True

    def _occupy(self, task: "asyncio.Task[bool]") -> None:
        """Write nothing else until a task is over."""
        self._busy = task

        def over(task: "asyncio.Task[bool]") -> None:
            self._busy = None
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("the records of calls cannot be written", exc_info=error)

        task.add_done_callback(over)

    async def _catch_up(self) -> bool:
        """Write what waits in the spool, in order. Returns whether everything was written."""
        if self._spool.is_empty:
            return await self._write([])
        return await self._write_spool(self._spool)

    async def _write_spool(self, spool: Spool) -> bool:
        done = spool.is_empty
        while not done:
            changes = await asyncio.to_thread(spool.read, BATCH)
            if not await self._write(changes):
                return False
            done = await asyncio.to_thread(spool.advance, len(changes))
            await asyncio.sleep(_PAUSE_S)
        return True

    async def _adopt(self) -> None:
        """Write what processes that have ended have left in their spools."""
        try:
            while (spool := await asyncio.to_thread(Spool.take_up, self._folder)) is not None:
                _log.info("records of a process that has ended are written: %s", spool.path)
                try:
                    if not await self._write_spool(spool):
                        self._adopted_at = float("-inf")
                        return
                finally:
                    spool.close()
                    self.lost += spool.damaged
        finally:
            self._adopting = None

    async def _see(self) -> None:
        from avr_sts_speechmatics.records import batch

        now_ms, keys = time.time_ns() // 1_000_000, list(self._running)
        for first in range(0, len(keys), SEEN_AT_ONCE):
            some = keys[first : first + SEEN_AT_ONCE]
            await self._carry_out(partial(batch.see, keys=some, now_ms=now_ms))

    async def _write(self, changes: Sequence[Change]) -> bool:
        """Write changes; those that the database refuses are dropped. Returns False if away."""
        try:
            await self._database.open()
        except DatabaseAway as error:
            self._is_away(error)
            return False

        from avr_sts_speechmatics.records import batch

        try:
            return await self._carry_out(partial(batch.write, changes=changes))
        except Exception as error:
            if not changes:
                raise
            if len(changes) == 1:
                self._refuse(changes[0], error)
                return True
        # One of them is refused: halves find it in few steps.
        half = len(changes) // 2
        return await self._write(changes[:half]) and await self._write(changes[half:])

    async def _carry_out(self, work: "Callable[[AsyncConnection], Awaitable[None]]") -> bool:
        try:
            async with self._database.writing() as connection:
                await work(connection)
        except DatabaseAway as error:
            self._is_away(error)
            return False
        self._is_there()
        return True

    # --- to the spool --------------------------------------------------------------------------

    async def _move_to_spool(self) -> bool:
        """Put the first changes in memory into the spool. Returns False if that is impossible."""
        changes = [change for change, _ in islice(self._waiting, SPOOLED_AT_ONCE)]
        try:
            await asyncio.to_thread(self._spool.append, changes)
        except (SpoolFull, OSError) as error:
            self._not_spooled(error)
            return False
        except (TypeError, ValueError) as error:
            # One of them is no JSON: one by one.
            try:
                await asyncio.to_thread(self._spool.append, changes[:1])
            except (SpoolFull, OSError) as other:
                self._not_spooled(other)
                return False
            except (TypeError, ValueError):
                self._refuse(changes[0], error)
            changes = changes[:1]
        self._spool_fails = ""
        self._forget(len(changes))
        return True

    def _not_spooled(self, error: Exception) -> None:
        if isinstance(error, SpoolFull):
            why = "it is full"
        else:
            why = str(getattr(error, "strerror", None) or error).lower()
        if why != self._spool_fails:
            self._spool_fails = why
            _log.warning(
                "records cannot wait in %s (%s): they wait in memory, %d at most",
                *(self._spool.path, why, self._most_waiting),
            )

    # --- what happened -------------------------------------------------------------------------

    def _forget(self, changes: int) -> None:
        for _ in range(changes):
            self._bytes -= self._waiting.popleft()[1]

    def _lose(self, changes: int, why: str) -> None:
        if changes:
            if self._lost_lines.may_say():
                _log.error("records of calls are lost: %s", why or "too many wait")
            self.lost += changes

    def _refuse(self, change: Change, error: Exception) -> None:
        """Drop a change. The text of the error is not logged: it may hold what callers said."""
        from avr_sts_speechmatics.records.failures import lacks_call

        if lacks_call(error):
            self.without_call += 1
            return
        self.refused += 1
        if self._refused_lines.may_say():
            name = type(getattr(error, "orig", None) or error).__name__
            _log.error(
                "a record (%s of call %s) is not kept: the database refuses it (%s); %d so far",
                *(change.table, change.row.get("call") or change.row.get("key"), name),
                self.refused,
            )

    def _is_away(self, error: DatabaseAway) -> None:
        now = time.monotonic()
        wait = self._retry_s[min(self._tries, len(self._retry_s) - 1)]
        self._tries += 1
        self._retry_at = now + wait
        if not self.error:
            self._away_since = now
            _log.warning("%s; calls go on, and their records wait in %s", error, self._folder)
        self.error = str(error)

    def _is_there(self) -> None:
        self._tries, self._retry_at = 0, 0.0
        if self.error:
            self.error = ""
            away_s = time.monotonic() - self._away_since
            waiting = counted(self._spool.waiting + len(self._waiting), "record")
            _log.info(
                "%s is there again after %.1f s; %s to write", self._database, away_s, waiting
            )


async def _end(task: "asyncio.Task[Any] | None", within_s: float) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait((task,), timeout=within_s)


class _Quiet:
    """Says whether a line may be logged: one each _QUIET_S."""

    def __init__(self) -> None:
        self._until = 0.0

    def may_say(self) -> bool:
        now = time.monotonic()
        if now < self._until:
            return False
        self._until = now + _QUIET_S
        return True
