"""The database of calls, on SQLite and on a real PostgreSQL."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from tests.real_servers.postgresql import RealPostgresql
from tests.records.rows import call

from avr_sts_speechmatics.network.database_address import DatabaseAddress, parse, sqlite_file
from avr_sts_speechmatics.records import engines
from avr_sts_speechmatics.records.database import Database, DatabaseAway
from avr_sts_speechmatics.records.tables import calls


async def keys(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list((await connection.execute(select(calls.c.key).order_by("key"))).scalars())


async def test_what_is_written_is_read(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(calls), [call(facts={"a": "\0 ü"}, outcome=None)])
    async with database.reading() as connection:
        columns = calls.c.key, calls.c.facts, calls.c.outcome.is_(None)
        rows = (await connection.execute(select(*columns))).all()
    assert [tuple(row) for row in rows] == [("1", {"a": "\ufffd ü"}, True)]


async def test_a_block_that_raises_writes_nothing(database: Database) -> None:
    async def write_and_raise() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(calls), [call()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_raise()
    assert await keys(database) == []


async def test_writers_wait_for_each_other_and_lose_nothing(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(calls), [call(failures=0)])

    async def count_one_more() -> None:
        async with database.writing() as connection:
            rows = select(calls.c.failures).with_for_update()
            failures = (await connection.execute(rows)).scalar_one()
            await connection.execute(calls.update().values(failures=failures + 1))

    await asyncio.gather(*(count_one_more() for _ in range(20)))
    async with database.reading() as connection:
        assert (await connection.execute(select(calls.c.failures))).scalar_one() == 20


async def test_a_call_takes_its_rows_along(database: Database) -> None:
    turn = {"call": "1", "number": 1, "at_ms": 0, "speaker": "caller", "interrupted": False}
    async with database.writing() as connection:
        await connection.execute(insert(calls), [call()])
        await connection.execute(insert(calls.metadata.tables["turns"]), [turn])
    async with database.writing() as connection:
        await connection.execute(calls.delete())
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM turns"))).scalar() == 0


# --- it cannot be used --------------------------------------------------------------------------


async def why_not(address: DatabaseAddress) -> str:
    database = Database(address, connect_s=1, statement_s=1)
    with pytest.raises(DatabaseAway) as error:
        await database.open()
    await database.close()
    return str(error.value)


async def test_a_server_that_is_not_there() -> None:
    why = await why_not(parse("postgresql://me:hunter2@127.0.0.1:1/calls"))
    assert why.startswith("PostgreSQL at 127.0.0.1:1, database calls: ")
    assert "is it running, and are host and port right?" in why
    assert "hunter2" not in why


async def test_a_host_without_an_address() -> None:
    why = await why_not(parse("postgresql://nowhere.invalid/calls"))
    assert "check the host in DATABASE_URL" in why


async def test_a_database_that_is_missing(postgresql: RealPostgresql) -> None:
    assert "check DATABASE_URL" in await why_not(parse(f"{postgresql.url}/missing"))


async def test_a_server_without_tls(postgresql: RealPostgresql) -> None:
    address = parse(f"{postgresql.new_database()}?sslmode=require")
    assert "set sslmode=disable" in await why_not(address)


async def test_a_server_that_stands_still(own_postgresql: RealPostgresql) -> None:
    address = parse(own_postgresql.new_database())
    database = Database(address, connect_s=1, statement_s=0.5)
    assert await keys(database) == []
    own_postgresql.freeze()
    with pytest.raises(DatabaseAway, match=r"no answer within 0\.5 s"):
        await keys(database)
    assert "no answer within" in await why_not(address)
    own_postgresql.thaw()
    assert await keys(database) == []
    await database.close()


async def test_a_server_that_is_started_again(own_postgresql: RealPostgresql) -> None:
    database = Database(parse(own_postgresql.new_database()), connect_s=1, statement_s=1)
    assert await keys(database) == []
    own_postgresql.kill()
    with pytest.raises(DatabaseAway):
        await keys(database)
    own_postgresql.start()
    assert await keys(database) == []
    await database.close()


async def test_a_file_that_another_process_has_locked(tmp_path: Path) -> None:
    address = sqlite_file(tmp_path / "calls.db")
    database = Database(address, statement_s=0.2)
    assert await keys(database) == []
    other = sqlite3.connect(address.path or "")
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(calls), [call()])

    with pytest.raises(DatabaseAway, match="database is locked"):
        await write()
    assert await keys(database) == []  # readers need no lock
    other.close()
    await write()
    await database.close()


async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    why = await why_not(sqlite_file(tmp_path / "file" / "calls.db"))
    assert "set DATA_DIR to a directory that this user may write" in why


async def test_a_file_of_another_program(tmp_path: Path) -> None:
    (tmp_path / "calls.db").write_bytes(b"no database" * 1000)
    assert "move the file away" in await why_not(sqlite_file(tmp_path / "calls.db"))


async def test_tables_of_a_newer_program(address: DatabaseAddress) -> None:
    database = Database(address)
    async with database.writing() as connection:
        await connection.execute(text("UPDATE calls_version SET version_num = '9999'"))
    await database.close()
    assert "newer version of this program (9999;" in await why_not(address)


async def test_tables_of_another_program_are_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "calls.db")) as other:
        other.execute("CREATE TABLE turns (of_another_program)")
    assert "name a database of its own" in await why_not(sqlite_file(tmp_path / "calls.db"))
    with closing(sqlite3.connect(tmp_path / "calls.db")) as other:
        tables = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("turns",)]


# --- files --------------------------------------------------------------------------------------


async def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    database = Database(sqlite_file(folder / "calls.db"))
    async with database.writing() as connection:
        await connection.execute(insert(calls), [call()])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"calls.db": 0o600, "calls.db-wal": 0o600, "calls.db-shm": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await database.close()


def test_opening_is_all_that_needs_sqlalchemy() -> None:
    code = """
import sys, avr_sts_speechmatics.server, avr_sts_speechmatics.records.database
print([name for name in ("sqlalchemy", "alembic", "aiosqlite", "asyncpg") if name in sys.modules])
"""
    words = [sys.executable, "-c", code]
    assert subprocess.check_output(words, text=True).strip() == "[]"


async def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    why = await why_not(parse("postgresql://host/calls"))
    assert "pip install 'avr-sts-speechmatics[postgresql]'" in why
