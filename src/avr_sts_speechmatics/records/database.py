"""The database of calls: opened, brought to its version, read and written.

    database = Database(settings.calls_database)
    async with database.reading() as connection:      # a snapshot
        rows = await connection.execute(select(calls))
    async with database.writing() as connection:      # a transaction; committed at the end
        await connection.execute(...)

The first use connects and brings the tables to the version of this program, see `schema`. Every
wait has a bound. Whatever shows that the database cannot be used now is raised as DatabaseAway; the
next use tries again. Other errors of SQLAlchemy (a value that the database refuses) pass through.

SQLAlchemy takes half a second to import, so it is imported when a database is opened, in a thread.
Modules that the start of the service imports must not import SQLAlchemy, `tables` or `schema`.
"""

import asyncio
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.network.database_address import DatabaseAddress

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

CONNECT_S = 3.0
"""Longest wait for a connection to PostgreSQL (s)."""

STATEMENT_S = 5.0
"""Longest wait for the answer to a statement (PostgreSQL), or for the lock of another process that
writes (SQLite) (s)."""

READERS = 4
"""Most connections of a process that read at the same moment; further ones wait STATEMENT_S."""

WRITERS = 2
"""Most connections of a process that write; the records, and erasure beside them."""

_T = TypeVar("_T")


class DatabaseAway(StoreError):
    """The database of calls cannot be used now. The text says where, why and what to do."""


class Database:
    """The database of calls, of one process and event loop.

    address: where the database is.
    connect_s: see CONNECT_S.
    statement_s: see STATEMENT_S.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        *,
        connect_s: float = CONNECT_S,
        statement_s: float = STATEMENT_S,
    ) -> None:
        self.address = address
        self.migrated = ""
        """What `open` did to the tables, for a log line; empty if nothing."""
        self._connect_s = connect_s
        self._statement_s = statement_s
        self._opening = asyncio.Lock()
        self._reader: AsyncEngine | None = None
        self._writer: AsyncEngine | None = None

    def __str__(self) -> str:
        return self.address.shown

    async def open(self) -> None:
        """Connect and bring the tables to this version; does nothing if that is done.

        Raises DatabaseAway, also if the tables are of a newer version of this program.
        """
        if self._writer is not None:
            return
        async with self._opening:
            if self._writer is None:
                await self._open()

    async def _open(self) -> None:
        def prepare() -> tuple[str, "AsyncEngine", "AsyncEngine"]:
            # All that writing needs is imported here: an import would delay the event loop.
            from avr_sts_speechmatics.records import batch, engines, schema

            _ = batch
            make = engines.maker(self.address, self._connect_s, self._statement_s)
            did = asyncio.run(schema.bring_up_to_date(make))
            return did, make(READERS, write=False), make(WRITERS, write=True)

        try:
            self._prepare_directory()
            self.migrated, self._reader, self._writer = await _in_thread(prepare)
        except Exception as error:
            raise self._translated(error) or error from error

    async def look(self) -> str:
        """Look at the database without a change, and say in which state the tables are.

        Raises DatabaseAway.
        """

        def ask() -> str:
            from avr_sts_speechmatics.records import engines, schema

            make = engines.maker(self.address, self._connect_s, self._statement_s)
            return asyncio.run(schema.look(make))

        try:
            if self.address.path is not None and not self.address.path.exists():
                return "the start makes the file"
            return await _in_thread(ask)
        except Exception as error:
            raise self._translated(error) or error from error

    def _prepare_directory(self) -> None:
        """Make the file of SQLite: only its owner may read what callers say."""
        if (path := self.address.path) is None:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def reading(self) -> "AbstractAsyncContextManager[AsyncConnection]":
        """Return a connection that reads a snapshot. Raises DatabaseAway.

        What is read inside of the block must be used inside of the block, or loaded completely.
        """
        return self._connected(lambda: self._reader)

    def writing(self) -> "AbstractAsyncContextManager[AsyncConnection]":
        """Return a connection with a transaction that is committed at the end of the block.

        Raises DatabaseAway: whether the transaction was committed is unknown then.
        """
        return self._connected(lambda: self._writer)

    @asynccontextmanager
    async def alone(self, work: str) -> AsyncIterator[bool]:
        """Whether this process is the only one that does some work, until the end of the block.

        work: name of the work.

        All processes that have the database are meant. Raises DatabaseAway.
        """
        if (path := self.address.path) is not None:
            await self.open()
            with _locked(path.with_name(f"{path.name}.{work}")) as alone:
                yield alone
            return
        from sqlalchemy import text

        # The lock is the session's, whatever transactions the session has.
        name = {"name": f"avr-sts-speechmatics {work}"}
        async with self._connected(lambda: self._reader, transaction=False) as connection:
            locks = text("SELECT pg_try_advisory_lock(hashtext(:name))")
            alone = bool((await connection.execute(locks, name)).scalar())
            await connection.commit()
            try:
                yield alone
            finally:
                if alone:
                    unlocks = text("SELECT pg_advisory_unlock(hashtext(:name))")
                    await connection.execute(unlocks, name)

    @asynccontextmanager
    async def _connected(
        self, engine_of: "Callable[[], AsyncEngine | None]", *, transaction: bool = True
    ) -> AsyncIterator["AsyncConnection"]:
        await self.open()
        engine = engine_of()
        assert engine is not None
        try:
            async with engine.begin() if transaction else engine.connect() as connection:
                yield connection
        except Exception as error:
            translated = self._translated(error)
            if translated is None:
                raise
            raise translated from error

    def _translated(self, error: Exception) -> DatabaseAway | None:
        """Return what to raise for an error; None if the error is no failure of the database."""
        if isinstance(error, DatabaseAway):
            return error
        from avr_sts_speechmatics.records import failures

        why = failures.why_away(error, self._statement_s)
        return None if why is None else DatabaseAway(f"{self}: {why}")

    async def close(self) -> None:
        """Close all connections; waits a bounded time for statements under way."""
        reader, writer = self._reader, self._writer
        self._reader = self._writer = None
        for engine in filter(None, (reader, writer)):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._connect_s):
                    await engine.dispose()


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether this process has the lock of a file, which is made if it is missing."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


async def _in_thread(work: Callable[[], _T]) -> _T:
    """Run `work` in a thread that the end of the program does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def finish(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # no error: the result of `work`

    def run() -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = work(), None
        except BaseException as error:
            outcome = None, error
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(finish, *outcome)

    threading.Thread(target=run, name="database", daemon=True).start()
    return await done
