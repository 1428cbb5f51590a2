"""Brings the tables of a database of calls to the version of this program.

Each step is a migration of Alembic in `migrations/versions`; a table of the database holds the name
of the last one. Alembic is imported only where there is something to do.

Several processes may start at once. One migrates: PostgreSQL by a lock of a session, which the
others ask for again and again (a waiting statement would hold a snapshot, which an index that is
built beside the running service waits for); SQLite by its lock for writing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from avr_sts_speechmatics.records.failures import Unusable

HEAD = "0001"
"""The migration that makes the tables as `tables` has them."""

VERSION_TABLE = "calls_version"

LOCK = 7_401_337
"""Name of PostgreSQL's advisory lock for the migration."""

MIGRATION_S = 300.0
"""Longest wait for a step of a migration, or until another process has migrated (s)."""

_POLL_S = 0.1


async def bring_up_to_date(make: Callable[..., AsyncEngine]) -> str:
    """Migrate where needed.

    make: makes an engine, see `engines.maker`.

    Returns what was done, for a log line; empty if nothing. Raises Unusable if the tables are of a
    newer program, and what SQLAlchemy and its drivers raise.
    """
    async with _disposed(make(1, write=True)) as engine:
        if await version_of(engine) == HEAD:
            return ""
    # An index of a large table takes longer than any statement of calls.
    async with _disposed(make(2, write=True, statement_s=MIGRATION_S)) as engine:
        if engine.dialect.name == "sqlite":
            return await _migrate(engine)
        return await _migrate_alone(engine)


async def look(make: Callable[..., AsyncEngine]) -> str:
    """Say which version the tables have, and what the start will do about it."""
    async with _disposed(make(1, write=False)) as engine:
        version = await version_of(engine)
    if version is None:
        return "the start makes the tables"
    if version == HEAD:
        return f"tables of version {version}"
    return f"tables of version {version}; the start brings them to {HEAD}, if it knows them"


@asynccontextmanager
async def _disposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    try:
        yield engine
    finally:
        await engine.dispose()


async def version_of(engine: AsyncEngine) -> str | None:
    """Read the version of the tables; None if there are none."""
    async with engine.begin() as connection:
        return await connection.run_sync(_version)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(
        text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    ).scalar()
    return found


async def _migrate_alone(engine: AsyncEngine) -> str:
    # A session of its own, outside of any transaction: closing the session frees the lock.
    async with engine.connect() as session:
        locked = await session.execution_options(isolation_level="AUTOCOMMIT")
        async with asyncio.timeout(MIGRATION_S):
            locks = text(f"SELECT pg_try_advisory_lock({LOCK})")
            while not (await locked.execute(locks)).scalar():  # noqa: ASYNC110 - see above
                await asyncio.sleep(_POLL_S)
        try:
            return await _migrate(engine)
        finally:
            await locked.execute(text(f"SELECT pg_advisory_unlock({LOCK})"))


async def _migrate(engine: AsyncEngine) -> str:
    async with engine.begin() as connection:
        return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> str:
    before = _version(connection)
    if before == HEAD:  # another process was faster
        return ""

    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if before is not None and before not in known:
        raise Unusable(
            f"the tables are of a newer version of this program ({before}; this one knows {HEAD}): "
            "start the newer version, or use another database"
        )

    def steps(revision: Any, _: Any) -> Any:
        return scripts._upgrade_revs(HEAD, revision)

    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()
    return f"tables made (version {HEAD})" if before is None else f"migrated {before} to {HEAD}"
