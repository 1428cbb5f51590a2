"""Every search uses the index that is made for it, on SQLite and on a real PostgreSQL."""

from typing import Any

import pytest
from bench.history import SEARCHES, fill
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from avr_sts_speechmatics.records.call_filter import Alternative, alternatives, leaders
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.history import CallFilter, History

NOW_MS = 1_800_000_000_000

NAMES = "calls_by_uuid calls_by_agent calls_by_reason"

EXPECTED = [
    ("list", "", "calls_by_time"),
    ("half a year ago", "", "calls_by_time"),
    ("by number", "", "calls_by_caller calls_by_called"),
    ("by last digits (5)", "", "calls_by_caller calls_by_called"),
    ("agent and last digits (2)", "", "calls_by_caller calls_by_called"),
    ("agent that no call had", "", "calls_by_agent"),
    ("by transport", "", "calls_by_transport"),
    ("by reason", "", "calls_by_reason"),
    ("failed", "", "calls_that_failed calls_that_run"),
    ("running", "", "calls_that_run"),
    ("slow: 1500 ms", "", "calls_by_time"),
    ("slow: 9 s (none)", "slow", "calls_by_wait"),
    ("agent and slow: 9 s (none)", "slow", "calls_by_wait"),
    ("by outcome", "", "outcomes_by_field"),
    ("text: nothing found", "", f"{NAMES} calls_by_caller calls_by_called outcomes_by_value"),
]
"""A search, its rarest condition, and the indexes of its alternatives."""


async def plan(connection: AsyncConnection, statement: Any) -> str:
    """How the database would read a statement, as text."""
    if connection.dialect.name == "sqlite":
        written = statement.compile(
            dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        values = tuple(written.params[name] for name in written.positiontup or ())
        driver: Any = (await connection.get_raw_connection()).driver_connection
        async with driver.execute(f"EXPLAIN QUERY PLAN {written}", values) as found:
            return "\n".join(row[3] for row in await found.fetchall())
    # Of a small table all is read at once: this test asks what would be done to a large one.
    for way in ("seqscan", "bitmapscan"):
        await connection.execute(text(f"SET LOCAL enable_{way} = off"))
    literal = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    rows = await connection.exec_driver_sql(f"EXPLAIN {literal}".replace("%", "%%"))
    return "\n".join(row[0] for row in rows)


async def test_every_search_uses_its_index(database: Database) -> None:
    await fill(database, 3000)
    for name, few, indexes in EXPECTED:
        used = set()
        async with database.reading() as connection:
            for one in alternatives(SEARCHES[name], NOW_MS, few):
                shown = await plan(connection, one.statement((NOW_MS, "f"), 51))
                found = {index for index in indexes.split() if index in shown}
                assert found, (name, shown)
                assert "SCAN calls\n" not in f"{shown}\n", name
                used |= found
        assert used == set(indexes.split()), name


async def test_calls_of_a_condition_are_counted_inside_of_its_index(database: Database) -> None:
    await fill(database, 3000)
    wanted = CallFilter(
        agent="desk", transport="x", reason="y", failed=True, slow_ms=1, outcome="a=b"
    )
    indexes = {
        "agent": "calls_by_agent",
        "transport": "calls_by_transport",
        "reason": "calls_by_reason",
        "failed": "calls_that_failed",
        "slow": "calls_by_",
        "outcome": "outcomes_by_field",
    }
    assert leaders(wanted).keys() == indexes.keys()
    async with database.reading() as connection:
        for name, counting in leaders(wanted).items():
            assert indexes[name] in await plan(connection, counting), name


@pytest.mark.parametrize("name", SEARCHES)
async def test_a_search_that_begins_with_the_rarest_condition_finds_the_same(
    database: Database, name: str
) -> None:
    await fill(database, 400)
    wanted = SEARCHES[name]

    async def keys(few: str) -> set[str]:
        found: set[str] = set()
        async with database.reading() as connection:
            for one in alternatives(wanted, NOW_MS, few):
                rows = await connection.execute(one.statement(None, 1000))
                found.update(row.key for row in rows)
        return found

    expected = await keys("")
    for few in leaders(wanted):
        assert await keys(few) == expected
    page = await History(database, now=lambda: NOW_MS / 1000).calls(wanted, limit=1000)
    assert {call["key"] for call in page.calls} == expected


def test_a_filter_without_conditions_is_one_alternative() -> None:
    (only,) = alternatives(CallFilter(), NOW_MS)
    assert only == Alternative([])
