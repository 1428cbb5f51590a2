"""A million calls, and how long each search of the history takes.

    python -m bench.history                                   # SQLite in a temporary directory
    python -m bench.history postgresql://user@host/name       # a database without calls

The calls are spread over a year, with the shares of a busy installation: 1 in 50 fails, 1 in 20
answers late, a caller calls about ten times.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avr_sts_speechmatics.network.database_address import parse, sqlite_file
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.history import CallFilter, History
from avr_sts_speechmatics.records.numbers import backwards
from avr_sts_speechmatics.records.tables import calls, metadata, outcomes, turns

YEAR_MS = 365 * 24 * 3_600_000
BATCH = 20_000
TABLES = calls, turns, outcomes
AGENTS = "desk", "support", "sales", "night"

_HALF = round(time.time() * 1000) - YEAR_MS // 2

SEARCHES = {
    "list": CallFilter(),
    "by number": CallFilter(number="+49228100007"),
    "by last digits (5)": CallFilter(number="00007"),
    "by last digits (2)": CallFilter(number="07"),
    "by agent": CallFilter(agent="sales"),
    "agent that no call had": CallFilter(agent="nobody"),
    "failed": CallFilter(failed=True),
    "not failed": CallFilter(failed=False),
    "slow: 1500 ms": CallFilter(slow_ms=1500),
    "slow: 9 s (none)": CallFilter(slow_ms=9000),
    "running": CallFilter(running=True),
    "by reason": CallFilter(reason="silence"),
    "by transport": CallFilter(transport="avr-http"),
    "by outcome": CallFilter(outcome="reason=complaint"),
    "outcome that no call had": CallFilter(outcome="reason=none"),
    "text: a uuid": CallFilter(text="00000000-0000-4000-8000-000000500000"),
    "text: an agent": CallFilter(text="sales"),
    "text: last digits": CallFilter(text="100007"),
    "text: nothing found": CallFilter(text="zzzz"),
    "agent and failed and slow": CallFilter(agent="sales", failed=True, slow_ms=1500),
    "agent and slow: 9 s (none)": CallFilter(agent="sales", slow_ms=9000),
    "agent, failed, outcome": CallFilter(agent="sales", failed=True, outcome="complaint"),
    "agent and last digits (2)": CallFilter(agent="sales", number="07"),
    "half a year ago": CallFilter(until_ms=_HALF),
    "running half a year ago": CallFilter(during_ms=(_HALF, _HALF)),
}


def made(number: int, seed: int = 7) -> Iterator[tuple[dict[str, Any], ...]]:
    """Yield the rows of calls: a call, its turns, its outcome.

    number: of calls; they began within the last year.
    """
    chance = random.Random(seed)
    begin = round(time.time() * 1000) - YEAR_MS
    for n in range(number):
        began = begin + YEAR_MS * n // number
        key = f"{began:012x}{n:020x}"
        failed, late = chance.random() < 0.02, chance.random() < 0.05
        caller = f"+49228{100_000 + chance.randrange(max(1, number // 10)):06d}"
        worst = chance.randrange(1500, 4000) if late else chance.randrange(500, 1500)
        call = {
            "key": key,
            "uuid": f"00000000-0000-4000-8000-{n:012d}",
            "transport": "audiosocket",
            "agent": chance.choice(AGENTS),
            "caller_number": caller,
            "called_number": "5001",
            "caller_digits": backwards(caller),
            "called_digits": "1005",
            "began_ms": began,
            "seen_ms": began,
            "ended_ms": began + chance.randrange(20_000, 300_000),
            "reason": "failure" if failed else "silence" if n % 97 == 0 else "caller",
            "ended_by": "caller",
            "error": "the agent has no voice" if failed else None,
            "duration_s": 95.4,
            "turns": 9,
            "failures": int(failed),
            "voice_to_voice_median_ms": 620,
            "voice_to_voice_worst_ms": worst,
            "cost": 0.0213,
            "currency": "USD",
        }
        turn = {
            "call": key,
            "number": 1,
            "at_ms": 300,
            "speaker": "agent",
            "kind": "welcome",
            "interrupted": False,
        }
        wish = "complaint" if n % 500 == 0 else "booking"
        outcome = {
            "call": key,
            "number": 1,
            "began_ms": began,
            "name": "reason",
            "value": wish,
        }
        yield call, turn, outcome


async def fill(database: Database, number: int) -> None:
    """Write `number` calls, as fast as each kind of database can."""
    await database.open()
    rows: list[list[dict[str, Any]]] = [[] for _ in TABLES]
    for n, made_rows in enumerate(made(number), 1):
        for table, row in zip(rows, made_rows, strict=True):
            table.append(row)
        if n % BATCH == 0 or n == number:
            await _write(database, rows)
            rows = [[] for _ in TABLES]
    await _analyse(database)


async def _write(database: Database, rows: list[list[dict[str, Any]]]) -> None:
    async with database.writing() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for table, some in zip(TABLES, rows, strict=True):
            names = tuple(some[0])
            values = [tuple(row.values()) for row in some]
            if database.address.path is None:
                await driver.copy_records_to_table(table.name, records=values, columns=names)
            else:
                marks = ", ".join("?" * len(names))
                into = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
                await driver.executemany(into, values)


async def _analyse(database: Database) -> None:
    """Let the database count, as PostgreSQL does by itself after a while."""
    if database.address.path is None:
        async with database.writing() as connection:
            for table in metadata.tables:
                await connection.exec_driver_sql(f"ANALYZE {table}")


async def measured(database: Database, repeats: int = 5) -> dict[str, tuple[float, int]]:
    """Return the worst time of each search (ms), and how many calls the first page has."""
    history, found = History(database), {}
    await history.calls(CallFilter())
    for name, wanted in SEARCHES.items():
        worst, calls_found = 0.0, 0
        for _ in range(repeats):
            begun = time.perf_counter()
            calls_found = len((await history.calls(wanted)).calls)
            worst = max(worst, 1000 * (time.perf_counter() - begun))
        found[name] = worst, calls_found
    return found


async def run(database: Database, number: int) -> None:
    try:
        begun = time.perf_counter()
        await fill(database, number)
        print(f"{number} calls written in {time.perf_counter() - begun:.1f} s\n")
        print("| search | calls on the first page | worst of 5 (ms) |\n|---|---|---|")
        for name, (took, found) in (await measured(database)).items():
            print(f"| {name} | {found} | {took:.1f} |")
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("url", nargs="?", help="a database without calls (default: SQLite)")
    parser.add_argument("--calls", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        address = parse(given.url) if given.url else sqlite_file(Path(directory) / "calls.db")
        asyncio.run(run(Database(address, statement_s=600), given.calls))


if __name__ == "__main__":
    main()
