"""Calls in a database, and the API over them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert
from tests.console.served import Port, serving

from avr_sts_speechmatics.console import calls_api, recording_api
from avr_sts_speechmatics.console.access import Access
from avr_sts_speechmatics.console.console import described
from avr_sts_speechmatics.console.tokens import Tokens
from avr_sts_speechmatics.network.database_address import sqlite_file
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.history import History
from avr_sts_speechmatics.records.tables import calls, events, tools, turns

BEGAN_MS = 1_796_000_000_000
"""Beginning of the first call: 2026-11-30T01:53:20Z; each further call begins 1 s later."""


def key_of(number: int) -> str:
    return f"{BEGAN_MS + 1000 * number:012x}{number:020x}"


def call_row(number: int = 0, **values: Any) -> dict[str, Any]:
    began = BEGAN_MS + 1000 * number
    row: dict[str, Any] = {
        "key": key_of(number),
        "uuid": f"uuid-{number}",
        "transport": "audiosocket",
        "agent": "default",
        "caller_number": f"+49228{number:05}",
        "called_number": "700",
        "facts": {"name": "Ann"},
        "began_ms": began,
        "seen_ms": began + 5000,
        "ended_ms": began + 9000,
        "reason": "caller",
        "ended_by": "caller",
        "duration_s": 9.0,
        "turns": 1,
        "failures": 0,
        "voice_to_voice_worst_ms": 500 + number,
        "cost": 0.0125,
        "currency": "USD",
        "outcome": {"booked": True},
    }
    return row | values


@dataclass
class Kept:
    """The API, the database below it, and how many recordings were deleted."""

    port: Port
    database: Database
    folder: Path
    deleted: list[str] = field(default_factory=list)

    async def add(self, *rows: dict[str, Any], table: Table = calls) -> None:
        async with self.database.writing() as connection:
            for row in rows:  # one by one: their columns differ
                await connection.execute(insert(table), row)

    async def add_whole(self, number: int = 0, **values: Any) -> str:
        """Add a call with turns, a tool and events; its key."""
        row = call_row(number, **values)
        await self.add(row)
        key: str = row["key"]
        agent = {"speaker": "agent", "interrupted": False, "kind": "answer"}
        agent |= {"said": "At five.", "heard": "At five.", "words_said": 2, "words_heard": 2}
        await self.add(
            {"call": key, "number": 1, "at_ms": 900, "until_ms": 1900, **agent}, table=turns
        )
        tool = {"name": "look_up", "took_ms": 12, "failed": False, "arguments": {"day": "Monday"}}
        await self.add({"call": key, "number": 1, "at_ms": 800, **tool}, table=tools)
        failure = {"kind": "failure", "details": {"service": "llm", "error": "503"}}
        await self.add({"call": key, "number": 1, "at_ms": 700, **failure}, table=events)
        return key


class StoredBytes(recording_api.Stored):
    """A recording in memory."""

    def __init__(self, content: bytes, *, finished: bool = True) -> None:
        self.size = len(content)
        self.finished = finished
        self.closed = False
        self._content = content

    async def read(self, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        wanted = self._content[begin:end]
        for at in range(0, len(wanted), 1000):
            yield wanted[at : at + 1000]

    def close(self) -> None:
        self.closed = True


class StoredRecordings:
    """Recordings in memory, by their names."""

    def __init__(self) -> None:
        self.content: dict[str, StoredBytes] = {}

    async def open(self, name: str) -> StoredBytes | None:
        return self.content.get(name)

    async def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.content.pop(name, None)


@asynccontextmanager
async def kept_calls(
    folder: Path, *, level: str = "recordings", recordings: StoredRecordings | None = None
) -> AsyncIterator[Kept]:
    database = Database(sqlite_file(folder / "calls.db"))
    await database.open()
    store = recordings or StoredRecordings()
    reader = History(database, recordings=store)  # type: ignore[arg-type]

    async def history() -> History:
        return reader

    topics = [
        *calls_api.operations(history, level),
        *recording_api.operations(history, level, lambda: store),
    ]
    app = described(topics, Access(Tokens([]), "avr_console"), lambda address, why: None)
    try:
        async with serving(app) as port:
            yield Kept(port, database, folder)
    finally:
        await database.close()
