"""Makes SQLAlchemy's engines for a database of calls.

SQLite: WAL, so that readers and a writer of several processes do not wait for each other. We say
BEGIN ourselves, and BEGIN IMMEDIATE for writing: a transaction that begins to write after it has
read would fail at once, whatever the time-out, and Python's default begins none for a SELECT.
"""

import json
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from avr_sts_speechmatics.network.database_address import DatabaseAddress
from avr_sts_speechmatics.records.failures import Unusable

_RECYCLE_S = 1800
"""Age at which a connection is replaced (s): firewalls forget connections that are idle."""

_PRAGMAS = (
    # After a crash of the machine the last transactions are lost, never the database; a process
    # that is killed loses nothing.
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "journal_size_limit=67108864",
    # What is erased is overwritten.
    "secure_delete=ON",
)


def maker(
    address: DatabaseAddress, connect_s: float, statement_s: float
) -> Callable[..., AsyncEngine]:
    """Return a function that makes an engine: `make(connections, write=True)`.

    The function also takes another `statement_s`.

    address: where the database is.
    connect_s: longest wait for a connection (s).
    statement_s: longest wait for the answer to a statement, for a lock, for a free connection (s).
    """
    if address.path is not None:
        return partial(_sqlite, str(address.path), statement_s=statement_s)
    if find_spec("asyncpg") is None:
        raise Unusable(
            "the package asyncpg is not installed: pip install 'avr-sts-speechmatics[postgresql]'"
        )
    return partial(_postgresql, address.url.reveal(), connect_s, statement_s=statement_s)


def _sqlite(path: str, connections: int, *, write: bool, statement_s: float) -> AsyncEngine:
    from sqlalchemy import URL
    from sqlalchemy.pool import AsyncAdaptedQueuePool

    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=path),
        connect_args={"timeout": statement_s},
        poolclass=AsyncAdaptedQueuePool,
        **_options(connections, statement_s),
    )
    begin = "BEGIN IMMEDIATE" if write else "BEGIN"

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        # Only where it is not set: setting it wants the file alone for a moment.
        cursor.execute("pragma journal_mode")
        if cursor.fetchone()[0] != "wal":
            # Before there is any table: only then the file can become smaller later.
            cursor.execute("pragma auto_vacuum=INCREMENTAL")
            cursor.execute("pragma journal_mode=WAL")
        for pragma in _PRAGMAS:
            cursor.execute(f"pragma {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql(
    url: str, connect_s: float, connections: int, *, write: bool, statement_s: float
) -> AsyncEngine:
    import asyncpg

    async def connect() -> Any:
        # From the address as it is: asyncpg knows libpq's options, such as sslmode and several
        # hosts.
        return await asyncpg.connect(
            url,
            timeout=connect_s,
            command_timeout=statement_s,
            server_settings={"application_name": "avr-sts-speechmatics"},
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_recycle=_RECYCLE_S,
        # A reader finds a new connection where the old one was lost; the writer tries again anyway.
        pool_pre_ping=not write,
        **_options(connections, statement_s),
    )


def _options(connections: int, statement_s: float) -> dict[str, Any]:
    return {
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": statement_s,
        "json_serializer": written_json,
    }


def written_json(value: object) -> str:
    """Write JSON that both databases can take apart: without NUL and half characters."""
    text = json.dumps(value, separators=(",", ":"))
    if "\\u0000" in text or "\\ud" in text:
        text = json.dumps(cleaned(value), separators=(",", ":"))
    return text


def cleaned(value: Any) -> Any:
    """Replace what no database stores in text: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        if "\0" in value:
            value = value.replace("\0", "\ufffd")
        if not value.isascii():
            value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, dict):
        return {cleaned(key): cleaned(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(one) for one in value]
    return value
