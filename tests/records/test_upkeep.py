"""Retention on SQLite and PostgreSQL: what is old is erased, and nothing else."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.records.rows import call

from avr_sts_speechmatics.network.database_address import DatabaseAddress, sqlite_file
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.tables import calls, events, metadata, outcomes, tools, turns
from avr_sts_speechmatics.records.upkeep import Upkeep

DAY_MS = 24 * 3600 * 1000
NOW_S = 1_000 * DAY_MS / 1000


class Recordings:
    """Recordings of which some cannot be deleted."""

    def __init__(self, *stuck: str) -> None:
        self.deleted: list[str] = []
        self.stuck = stuck

    async def delete(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self.stuck:
                raise OSError("the store is away")
            self.deleted.append(name)


def upkeep(
    database: Database, days: int = 30, calls_days: int = 365, recordings: Recordings | None = None
) -> Upkeep:
    return Upkeep(database, days, calls_days, recordings, pause_s=0, now=lambda: NOW_S)


async def keep(database: Database, *ages: int) -> None:
    """Keep a call for each age (days), with words."""
    async with database.writing() as connection:
        for age in ages:
            key = f"{age:03}"
            began_ms = (1_000 - age) * DAY_MS - 1
            row = call(
                key, began_ms=began_ms, facts={"a": 1}, outcome={"b": 2}, recording=f"{key}.ogg"
            )
            await connection.execute(insert(calls), [row | {"caller_number": "+491"}])
            of = {"call": key, "number": 1, "at_ms": 1}
            spoken = {"speaker": "agent", "interrupted": False, "said": "secret", "heard": "secret"}
            await connection.execute(insert(turns), [of | spoken])
            done = {"name": "t", "failed": False, "arguments": {"x": "secret"}, "result": "secret"}
            await connection.execute(insert(tools), [of | done])
            key_event = {"kind": "key", "details": {"digit": "secret"}}
            failure = {"kind": "failure", "details": {"service": "llm"}, "number": 2}
            await connection.execute(insert(events), [of | key_event, of | failure])
            field: dict[str, object] = {"began_ms": 1, "name": "secret", "value": "secret"}
            await connection.execute(insert(outcomes), [field | {"call": key, "number": 1}])


async def texts(database: Database, key: str) -> str:
    """All that is kept of a call, as text."""
    found = ""
    async with database.reading() as connection:
        for table in metadata.sorted_tables:
            column = table.c.key if table is calls else table.c.call
            found += str((await connection.execute(select(table).where(column == key))).all())
    return found


async def test_words_go_first_and_the_rest_later(database: Database) -> None:
    await keep(database, 1, 29, 30, 100, 364, 365, 900)
    recordings = Recordings()
    assert await upkeep(database, recordings=recordings).once() == (3, 2)
    for key in ("001", "029"):
        assert "secret" in await texts(database, key)
    for key in ("030", "100", "364"):
        left = await texts(database, key)
        assert "secret" not in left
        assert "'a'" not in left
        assert "'b'" not in left
        assert ".ogg" not in left
        assert "+491" in left
        assert "'service': 'llm'" in left
    for key in ("365", "900"):
        assert await texts(database, key) == "[]" * len(metadata.tables)
    assert sorted(recordings.deleted) == ["030.ogg", "100.ogg", "364.ogg", "365.ogg", "900.ogg"]
    assert await upkeep(database, recordings=recordings).once() == (0, 0)


@pytest.mark.parametrize(("days", "calls_days"), [(0, 0), (0, 365), (30, 0)])
async def test_nothing_is_erased_for_0_days(database: Database, days: int, calls_days: int) -> None:
    await keep(database, 900)
    erased = await upkeep(database, days, calls_days).once()
    assert erased == (int(days > 0), int(calls_days > 0))


async def test_many_calls_go_in_steps(database: Database) -> None:
    async with database.writing() as connection:
        rows = [call(f"{number:04}", began_ms=5) for number in range(230)]
        await connection.execute(insert(calls), rows)
    assert await upkeep(database).once() == (0, 230)


async def test_a_recording_that_cannot_be_deleted_is_tried_again(database: Database) -> None:
    await keep(database, 40, 50, 400)
    recordings = Recordings("040.ogg", "400.ogg")
    assert await upkeep(database, recordings=recordings).once() == (1, 0)
    assert "040.ogg" in await texts(database, "040")
    recordings.stuck = ()
    assert await upkeep(database, recordings=recordings).once() == (1, 1)


async def test_one_process_at_a_time_erases(address: DatabaseAddress, database: Database) -> None:
    other = Database(address)
    await keep(database, 40)
    async with other.alone("upkeep") as alone:
        assert alone
        assert await upkeep(database).once() == (0, 0)
    assert await upkeep(database).once() == (1, 0)
    await other.close()


async def test_it_is_done_again_and_again(database: Database) -> None:
    work = Upkeep(database, 30, 365, every_s=0.01, pause_s=0, now=lambda: NOW_S)
    task = asyncio.create_task(work.run())
    for age in (40, 50):
        await keep(database, age)
        while "secret" in await texts(database, f"{age:03}"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait((task,))


async def test_the_file_of_sqlite_becomes_smaller_and_holds_nothing_of_it(tmp_path: Path) -> None:
    database = Database(sqlite_file(tmp_path / "calls.db"))
    words = "very secret words " * 500
    async with database.writing() as connection:
        for number in range(200):
            key = f"{number:04}"
            await connection.execute(insert(calls), [call(key, began_ms=5)])
            row: dict[str, Any] = {"call": key, "number": 1, "at_ms": 1, "speaker": "caller"}
            await connection.execute(insert(turns), [row | {"interrupted": False, "said": words}])
    assert await upkeep(database).once() == (0, 200)
    await database.close()
    left = b"".join(path.read_bytes() for path in tmp_path.glob("calls.db*"))  # noqa: ASYNC240
    assert b"secret" not in left
    assert len(left) < 200_000
