"""Databases for tests: each test with `database` runs on SQLite and on a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.real_servers.postgresql import RealPostgresql, postgresql_server

from avr_sts_speechmatics.network.database_address import DatabaseAddress, parse, sqlite_file
from avr_sts_speechmatics.records.database import Database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[RealPostgresql]:
    """A PostgreSQL that stays up. A test that stops it, starts its own."""
    with postgresql_server() as server:
        yield server


@pytest.fixture
def own_postgresql() -> Iterator[RealPostgresql]:
    """A PostgreSQL that the test may freeze, kill and start again."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseAddress:
    """The address of a database without tables, of either kind."""
    if request.param == "sqlite":
        return sqlite_file(tmp_path / "calls.db")
    server: RealPostgresql = request.getfixturevalue("postgresql")
    return parse(server.new_database())


@pytest.fixture
async def database(address: DatabaseAddress) -> AsyncIterator[Database]:
    """A database with empty tables, of either kind."""
    database = Database(address)
    await database.open()
    yield database
    await database.close()
