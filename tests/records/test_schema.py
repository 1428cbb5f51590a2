"""The tables are made and brought to the version of the program, on both kinds of database."""

import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from avr_sts_speechmatics.network.database_address import DatabaseAddress
from avr_sts_speechmatics.records import migrations, schema
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.tables import metadata


async def test_a_migrated_database_has_the_tables_of_this_program(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_the_last_migration_is_the_version_of_this_program() -> None:
    (folder,) = migrations.__path__
    assert ScriptDirectory(folder).get_heads() == [schema.HEAD]


async def test_the_first_opening_says_what_it_did(address: DatabaseAddress) -> None:
    for did in ("tables made (version 0001)", ""):
        database = Database(address)
        await database.open()
        await database.close()
        assert database.migrated == did


ONE = """
import asyncio, sys
from pathlib import Path
from avr_sts_speechmatics.network.database_address import parse, sqlite_file
from avr_sts_speechmatics.records.database import Database

async def main():
    place = sys.argv[1]
    address = parse(place) if "://" in place else sqlite_file(Path(place))
    database = Database(address, statement_s=20)
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    sys.stdin.readline()
    await database.open()
    await database.close()
    print(database.migrated)

asyncio.run(main())
"""


@pytest.mark.timeout(120)
def test_ten_processes_may_start_at_once(address: DatabaseAddress) -> None:
    place = str(address.path or address.url.reveal())
    words = [sys.executable, "-c", ONE, place]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(10)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = []
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        said.append(out.strip())
    assert sorted(said) == [""] * 9 + ["tables made (version 0001)"]
