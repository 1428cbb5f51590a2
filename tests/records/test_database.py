"""The database of calls, on SQLite and on a real PostgreSQL."""

from typing import Any

import pytest
from sqlalchemy import insert, select

from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.tables import calls


def call(key: str = "1", **columns: Any) -> dict[str, Any]:
    row = {"key": key, "uuid": key, "transport": "audiosocket", "agent": "desk", "began_ms": 1}
    return row | columns


async def test_what_is_written_is_read(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(calls), [call(facts={"a": "\0 ü"})])
    async with database.reading() as connection:
        rows = (await connection.execute(select(calls.c.key, calls.c.facts))).all()
    assert [tuple(row) for row in rows] == [("1", {"a": "\ufffd ü"})]


async def test_a_block_that_raises_writes_nothing(database: Database) -> None:
    async def write_and_raise() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(calls), [call()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_raise()
    async with database.reading() as connection:
        assert (await connection.execute(select(calls.c.key))).all() == []
