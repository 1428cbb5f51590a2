"""The doctor looks whether calls can be kept, and changes nothing."""

import sqlite3
from pathlib import Path

from tests.doctor.surroundings import free_port, looked_at, offline
from tests.real_servers.postgresql import postgresql_server

from avr_sts_speechmatics.network.database_address import sqlite_file
from avr_sts_speechmatics.records.database import Database


async def test_a_file_is_made_by_the_start_and_not_by_the_doctor(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (found,) = await looked_at(offline(DATA_DIR=str(folder)), "records")
    assert found.state == "ok"
    where = f"SQLite in {folder}/calls.db"
    assert found.detail == f"HISTORY=transcripts, {where}: the start makes the file"
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_the_tables_that_are_there_are_named(tmp_path: Path) -> None:
    database = Database(sqlite_file(tmp_path / "calls.db"))
    await database.open()
    await database.close()
    (found,) = await looked_at(offline(DATA_DIR=str(tmp_path), HISTORY="calls"), "records")
    assert found.state == "ok"
    assert found.detail.endswith("calls.db: tables of version 0001")


async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (found,) = await looked_at(offline(DATA_DIR=str(tmp_path / "file" / "data")), "records")
    assert found.state == "warning"
    assert "cannot be written (not a directory), so calls are not kept" in found.detail
    assert "HISTORY=off" in found.advice


async def test_a_file_of_another_program(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "calls.db").close()
    (tmp_path / "calls.db").write_bytes(b"something else" * 100)
    (found,) = await looked_at(offline(DATA_DIR=str(tmp_path)), "records")
    assert found.state == "warning"
    assert found.advice == "Move the file away; a new one is made."


async def test_nothing_is_looked_at_where_nothing_is_kept() -> None:
    (found,) = await looked_at(offline(HISTORY="off"), "records")
    assert (found.state, found.advice) == ("skipped", "")


async def test_postgresql_is_asked(tmp_path: Path) -> None:
    place = {"DATA_DIR": str(tmp_path)}
    with postgresql_server() as server:
        url = server.new_database()
        (found,) = await looked_at(offline(DATABASE_URL=url, **place), "records")
        assert found.state == "ok"
        assert found.detail.endswith(": the start makes the tables")
    nobody = f"postgresql://me:the-password@127.0.0.1:{free_port()}/calls"
    (found,) = await looked_at(offline(DATABASE_URL=nobody, **place), "records")
    assert found.state == "warning"
    assert "connection refused" in found.detail
    assert found.advice == "Is it running, and are host and port right?"
    assert "the-password" not in str(found)
