"""The first migration makes the tables that the service writes, with all their columns."""

from sqlalchemy import Connection, inspect

from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.tables import metadata


async def test_the_database_has_the_tables_and_columns_that_are_declared(
    database: Database,
) -> None:
    def columns(connection: Connection) -> dict[str, set[str]]:
        found = inspect(connection)
        return {
            name: {one["name"] for one in found.get_columns(name)}
            for name in found.get_table_names()
        }

    async with database.reading() as connection:
        there = await connection.run_sync(columns)
    for name, table in metadata.tables.items():
        assert there[name] == set(table.columns.keys()), name
