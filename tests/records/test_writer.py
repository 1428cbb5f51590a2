"""The writer of the records, on SQLite and on a real PostgreSQL: nothing is lost, nobody waits."""

import asyncio
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.real_servers.postgresql import RealPostgresql
from tests.records.rows import begun, ended, turn

from avr_sts_speechmatics.network.database_address import DatabaseAddress, parse, sqlite_file
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.tables import metadata
from avr_sts_speechmatics.records.writer import RecordWriter


@asynccontextmanager
async def writing(
    address: DatabaseAddress, spool: Path, *, opened: bool = True, **limits: Any
) -> AsyncIterator[RecordWriter]:
    """A writer with short waits, and a database of its own.

    opened: whether the database is there, and was opened before.
    """
    database = Database(address, connect_s=0.5, statement_s=0.5)
    options: dict[str, Any] = {"batch_s": 0.02, "slow_s": 0.1, "retry_s": (0.05,)}
    writer = RecordWriter(database, spool, **(options | limits))
    if opened:
        await database.open()
    await writer.start()
    try:
        yield writer
    finally:
        await writer.close()
        await database.close()


async def rows(address: DatabaseAddress, table: str) -> list[dict[str, Any]]:
    """All rows of a table in the order of the primary key."""
    database = Database(address, statement_s=10)
    found = metadata.tables[table]
    async with database.reading() as connection:
        result = await connection.execute(select(found).order_by(*found.primary_key.columns))
        values = [dict(row) for row in result.mappings()]
    await database.close()
    return values


async def until(happened: Callable[[], bool], within_s: float = 30) -> None:
    """Wait until something is so; the writer has no event for it."""
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def locked(path: Path) -> sqlite3.Connection:
    """A connection that has the lock for writing, until it is closed."""

    def lock() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=20, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    return await asyncio.to_thread(lock)


def everything_is_written(writer: RecordWriter) -> bool:
    return writer.health() | {"refused": 0} == {
        "waiting": 0,
        "spooled": 0,
        "lost": 0,
        "refused": 0,
        "away": "",
    }


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [row["number"] for row in found]


# --- it answers -----------------------------------------------------------------------------------


async def test_changes_are_written(address: DatabaseAddress, tmp_path: Path) -> None:
    about = {"call": "1", "number": 1, "at_ms": 1}
    async with writing(address, tmp_path / "spool", slow_s=20) as writer:
        writer.add(begun(facts={"a": "b"}, caller_number="+49 (0) 123", called_number="100"))
        writer.add(turn(said="Hello."))
        writer.add(Change("tools", {**about, "name": "t", "failed": False}))
        writer.add(Change("events", {**about, "kind": "key", "details": {"d": 1}}))
        writer.add(ended(turns=1))
        writer.add(Change("calls", {"key": "1", "outcome": {"booked": True}}, True))
        await until(lambda: everything_is_written(writer))
    (call,) = await rows(address, "calls")
    wanted = {
        "facts": {"a": "b"},
        "caller_digits": "321094",
        "called_digits": "001",
        "reason": "caller_left",
        "seen_ms": 1,
        "turns": 1,
        "outcome": {"booked": True},
        "error": None,
    }
    assert call | wanted == call
    assert [row["said"] for row in await rows(address, "turns")] == ["Hello."]
    assert [row["name"] for row in await rows(address, "tools")] == ["t"]
    assert [row["details"] for row in await rows(address, "events")] == [{"d": 1}]


async def test_the_end_writes_what_waits(address: DatabaseAddress, tmp_path: Path) -> None:
    async with writing(address, tmp_path / "spool", batch_s=60, slow_s=20) as writer:
        writer.add(begun())
        for number in range(200):
            writer.add(turn(number=number))
    assert numbers(await rows(address, "turns")) == list(range(200))


async def test_running_calls_are_marked_as_running(
    address: DatabaseAddress, tmp_path: Path
) -> None:
    before_ms = time.time_ns() // 1_000_000
    async with writing(address, tmp_path / "spool", seen_s=0.05) as writer:
        writer.add(begun("1"))
        writer.add(begun("2"))
        writer.add(ended("2"))
        await until(lambda: everything_is_written(writer))
        seen: dict[str, int] = {}
        while seen.get("1", 0) < before_ms:
            seen = {row["key"]: row["seen_ms"] for row in await rows(address, "calls")}
    assert seen["2"] == 1


# --- a change that cannot be kept -----------------------------------------------------------------


async def test_what_the_database_refuses_does_not_block_the_rest(
    address: DatabaseAddress, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with writing(address, tmp_path / "spool", batch_s=0.2, slow_s=20) as writer:
        writer.add(begun())
        for number in range(20):
            writer.add(turn(number=number, at_ms=2**70 if number in (3, 11) else 0, said="words"))
        writer.add(turn(number=20, said=object()))
        await until(lambda: everything_is_written(writer) and writer.refused == 3)
    assert numbers(await rows(address, "turns")) == [n for n in range(20) if n not in (3, 11)]
    (line,) = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert "turns of call 1" in line
    assert "words" not in line


async def test_any_text_is_kept(address: DatabaseAddress, tmp_path: Path) -> None:
    async with writing(address, tmp_path / "spool") as writer:
        writer.add(begun(facts={"\0": ["\ud800", "ü"]}, error="é\ud83d"))
        writer.add(turn(said="a\0b \ud83d\ude00 \udc00."))
        await until(lambda: everything_is_written(writer))
        assert writer.refused == 0
    (call,) = await rows(address, "calls")
    assert call["facts"] == {"\ufffd": ["\ufffd", "ü"]}
    assert call["error"] == "é\ufffd"
    assert (await rows(address, "turns"))[0]["said"] == "a\ufffdb \U0001f600 \ufffd."


async def test_rows_of_an_erased_call_are_dropped_without_a_word(
    address: DatabaseAddress, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with writing(address, tmp_path / "spool", slow_s=20) as writer:
        writer.add(begun())
        writer.add(turn("erased"))
        writer.add(ended("erased"))
        await until(lambda: everything_is_written(writer) and writer.without_call == 1)
    assert len(await rows(address, "calls")) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_column_that_the_table_lacks_costs_its_value_only(
    address: DatabaseAddress, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with writing(address, tmp_path / "spool") as writer:
        writer.add(begun(**{f"colour_of_{tmp_path.name}": "red"}))
        await until(lambda: everything_is_written(writer))
    assert len(await rows(address, "calls")) == 1
    assert f"the records have no column calls.colour_of_{tmp_path.name}" in caplog.text


# --- it is away -----------------------------------------------------------------------------------


async def test_a_server_that_stands_still_loses_nothing(
    own_postgresql: RealPostgresql, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    address = parse(own_postgresql.new_database())
    async with writing(address, tmp_path / "spool") as writer:
        writer.add(begun())
        await until(lambda: everything_is_written(writer))
        own_postgresql.freeze()
        for number in range(100):
            writer.add(turn(number=number))
            await asyncio.sleep(0.01)
        await until(lambda: writer.error != "" and writer.waiting == 0)
        assert writer.health()["spooled"] == 100
        own_postgresql.thaw()
        await until(lambda: everything_is_written(writer))
        writer.add(ended())
        await until(lambda: everything_is_written(writer))
    assert numbers(await rows(address, "turns")) == list(range(100))
    assert (await rows(address, "calls"))[0]["ended_ms"] == 2
    assert list((tmp_path / "spool").iterdir()) == []
    said = [record.message for record in caplog.records if "PostgreSQL" in record.message]
    assert len(said) == 2
    assert "calls go on" in said[0]
    assert "is there again after" in said[1]


async def test_a_server_that_is_started_again_loses_nothing(
    own_postgresql: RealPostgresql, tmp_path: Path
) -> None:
    address = parse(own_postgresql.new_database())
    async with writing(address, tmp_path / "spool") as writer:
        writer.add(begun())
        for number in range(300):
            writer.add(turn(number=number))
            await asyncio.sleep(0.005)
            if number == 100:
                await asyncio.to_thread(own_postgresql.kill)
            if number == 200:
                await asyncio.to_thread(own_postgresql.stop)
        own_postgresql.start()
        await until(lambda: everything_is_written(writer))
    assert numbers(await rows(address, "turns")) == list(range(300))


async def test_a_restart_while_the_server_is_away_loses_nothing(
    own_postgresql: RealPostgresql, tmp_path: Path
) -> None:
    address = parse(own_postgresql.new_database())
    spool = tmp_path / "spool"
    async with writing(address, spool) as writer:
        writer.add(begun())
        await until(lambda: everything_is_written(writer))
        own_postgresql.freeze()
        writer.add(turn(number=1))
    async with writing(address, spool, opened=False) as writer:  # never gets through
        writer.add(begun("2"))
        writer.add(turn("2"))
    own_postgresql.thaw()
    async with writing(address, spool) as one, writing(address, spool) as other:
        await until(lambda: list(spool.iterdir()) == [])
        assert everything_is_written(one)
        assert everything_is_written(other)
    assert [row["call"] for row in await rows(address, "turns")] == ["1", "2"]


async def test_a_file_that_another_process_has_locked_loses_nothing(
    tmp_path: Path,
) -> None:
    address = sqlite_file(tmp_path / "calls.db")
    async with writing(address, tmp_path / "spool") as writer:
        writer.add(begun())
        await until(lambda: everything_is_written(writer))
        other = await locked(tmp_path / "calls.db")
        for number in range(50):
            writer.add(turn(number=number))
        await until(lambda: "database is locked" in writer.error and writer.waiting == 0)
        other.close()
        await until(lambda: everything_is_written(writer))
    assert numbers(await rows(address, "turns")) == list(range(50))


async def test_without_a_spool_changes_wait_in_memory(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    address = sqlite_file(tmp_path / "calls.db")
    async with writing(address, tmp_path / "spool") as writer:
        writer.add(begun())
        await until(lambda: everything_is_written(writer))
        other = await locked(tmp_path / "calls.db")
        writer.add(turn())
        await until(lambda: writer.error != "")
        writer.add(turn(number=2))
        other.close()
        await until(lambda: everything_is_written(writer))
    assert numbers(await rows(address, "turns")) == [1, 2]


async def test_what_is_too_much_is_lost_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = sqlite_file(tmp_path / "calls.db")
    limits: dict[str, Any] = {"most_waiting": 100, "most_spooled": 2000}
    async with writing(address, tmp_path / "spool", **limits) as writer:
        writer.add(begun())
        await until(lambda: everything_is_written(writer))
        other = await locked(tmp_path / "calls.db")
        number = 0
        while writer.lost < 100:
            number += 1
            writer.add(turn(number=number))
            await asyncio.sleep(0)
        assert writer.health()["waiting"] == 100
        lost = writer.lost
        other.close()
        await until(lambda: not (writer.waiting or writer.health()["spooled"] or writer.error))
    found = numbers(await rows(address, "turns"))
    assert len(found) == number - lost
    assert found == sorted(found)
    assert caplog.text.count("records of calls are lost") == 1


async def test_a_database_that_was_never_there_costs_nothing(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    async with writing(parse("postgresql://127.0.0.1:1/calls"), spool, opened=False) as writer:
        writer.add(begun())
        await until(lambda: "is it running" in writer.error and writer.waiting == 0)
    address = sqlite_file(tmp_path / "calls.db")
    async with writing(address, spool):
        await until(lambda: list(spool.iterdir()) == [])
    assert len(await rows(address, "calls")) == 1


# --- the process is killed ------------------------------------------------------------------------

KILLED = """
import asyncio, itertools, sys, time
from pathlib import Path
from avr_sts_speechmatics.network.database_address import parse, sqlite_file
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.writer import RecordWriter
from tests.records.rows import begun, turn

async def main():
    place, spool = sys.argv[1:]
    database = Database(parse(place) if "://" in place else sqlite_file(Path(place)))
    writer = RecordWriter(database, Path(spool))
    await database.open()
    await writer.start()
    writer.add(begun())
    for number in itertools.count():
        writer.add(turn(number=number))
        print(number, time.monotonic(), flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
async def test_a_process_that_is_killed_loses_at_most_the_last_second(
    address: DatabaseAddress, tmp_path: Path, away: bool, request: pytest.FixtureRequest
) -> None:
    spool, server, other = tmp_path / "spool", None, None
    if away and address.is_postgresql:
        server = request.getfixturevalue("own_postgresql")
        address = parse(server.new_database())
    place = str(address.path or address.url.reveal())
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", KILLED, place, str(spool)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    added = []
    for line in process.stdout:
        number, at = line.split()
        added.append((int(number), float(at)))
        if number == "20" and away:
            if server is not None:
                server.freeze()
            else:
                other = await locked(Path(place))
        if number == "150":
            break
    killed_at = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    if server is not None:
        server.thaw()
    if other is not None:
        other.close()
    async with writing(address, spool):
        await until(lambda: not spool.exists() or list(spool.iterdir()) == [])
    found = set(numbers(await rows(address, "turns")))
    # The machine of the tests may itself stop for a moment.
    lost = [at for number, at in added if number not in found]
    assert not lost or killed_at - min(lost) < 2.5
    assert {number for number, _ in added[:20]} <= found
