"""A batch of changes, on both kinds of database: in any grouping and twice, the same comes out."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.records.rows import begun, ended, turn

from avr_sts_speechmatics.records import batch
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.tables import calls, metadata, turns

CHANGES = (
    begun("1"),
    turn("1", 1, said="Hello."),
    begun("2", agent="bar"),
    ended("2", error="gone"),
    turn("1", 2, speaker="agent", heard="Yes?"),
    ended("1", turns=2),
    Change("calls", {"key": "1", "outcome": {"booked": True}}, True),
    Change("calls", {"key": "1", "turns": 3}, True),
)


def pieces(cuts: Sequence[int]) -> Iterator[Sequence[Change]]:
    places = sorted({0, len(CHANGES), *cuts})
    for start, end in pairwise(places):
        yield CHANGES[start:end]


async def write(database: Database, changes: Sequence[Change]) -> None:
    async with database.writing() as connection:
        await batch.write(connection, changes)


async def all_rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    found = {}
    async with database.reading() as connection:
        for table in (calls, turns):
            rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row) for row in rows.mappings()]
    return found


@pytest.mark.parametrize("cuts", [(), (1, 3), (2, 4, 6), range(8)])
async def test_changes_may_be_grouped_and_repeated_at_will(
    database: Database, cuts: Sequence[int]
) -> None:
    for piece in pieces(cuts):
        await write(database, piece)
        await write(database, piece)
    found = await all_rows(database)
    one, two = found["calls"]
    assert (one["turns"], one["reason"], one["outcome"]) == (3, "caller_left", {"booked": True})
    assert (two["agent"], two["error"], two["outcome"]) == ("bar", "gone", None)
    assert [row["said"] for row in found["turns"]] == ["Hello.", None]
    assert [row["heard"] for row in found["turns"]] == [None, "Yes?"]


async def test_a_row_that_is_there_stays_as_it_is(database: Database) -> None:
    await write(database, [begun("1", agent="desk"), turn("1", said="first")])
    await write(database, [begun("1", agent="bar"), turn("1", said="second")])
    found = await all_rows(database)
    assert [row["agent"] for row in found["calls"]] == ["desk"]
    assert [row["said"] for row in found["turns"]] == ["first"]


async def test_only_calls_that_run_are_marked_as_running(database: Database) -> None:
    await write(database, [begun("1"), begun("2"), begun("3"), ended("2")])
    async with database.writing() as connection:
        await batch.see(connection, ["1", "2"], 1_000)
    seen = [row["seen_ms"] for row in (await all_rows(database))["calls"]]
    assert seen == [1_000, 1, 1]


@given(st.sets(st.sampled_from(sorted(column.name for column in calls.columns))))
def test_a_row_has_all_columns_whatever_is_given(names: set[str]) -> None:
    given_row = dict.fromkeys(names, "1")
    whole = batch._whole(metadata.tables["calls"], given_row)
    assert whole.keys() == set(calls.columns.keys())
    for name in names - {"caller_digits", "called_digits"}:
        assert whole[name] == "1"
