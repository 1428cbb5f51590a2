"""The records of a process: what is kept, where, and what the service says about it."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.records.rows import begun
from tests.support import Serve, until

from avr_sts_speechmatics.network.database_address import parse
from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.kept_calls import KeptCalls, level_of, warnings_of, what_is_kept
from avr_sts_speechmatics.records.tables import calls
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted
from avr_sts_speechmatics.settings import DEFAULTS

TRANSCRIPTS = (
    "calls with their words, in SQLite in data/calls.db; words for 30 days, the rest for 365 days."
)


@pytest.mark.parametrize(
    ("history", "offline", "level"),
    [
        (None, True, "transcripts"),
        (None, False, "calls"),
        ("off", True, "off"),
        ("recordings", False, "recordings"),
    ],
)
def test_what_is_kept_is_chosen_or_follows_from_the_keys(
    history: str | None, offline: bool, level: str
) -> None:
    assert level_of(replace(DEFAULTS, history=history), offline=offline) == level


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (
            "calls",
            "facts and times of calls, no words, in SQLite in data/calls.db; for 365 days.",
        ),
        (
            "transcripts",
            TRANSCRIPTS,
        ),
    ],
)
def test_the_start_says_what_is_kept(level: str, says: str) -> None:
    assert what_is_kept(DEFAULTS, level) == f"Kept (HISTORY={level}): {says}"
    assert what_is_kept(DEFAULTS, "off") == "Nothing is kept of calls (HISTORY=off)."


def test_the_start_says_no_password() -> None:
    address = parse("postgresql://me:hunter2@host/calls")
    said = what_is_kept(replace(DEFAULTS, database_url=address, keep_calls_days=0), "calls")
    assert said.endswith("in PostgreSQL at host, database calls; for ever.")


def test_a_directory_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    chosen = replace(DEFAULTS, data_dir=tmp_path / "file" / "data")
    (warning,) = warnings_of(chosen, "calls")
    assert warning.startswith(f"DATA_DIR: {tmp_path}/file/data cannot be written (")
    assert "HISTORY=off" in warning
    elsewhere = replace(chosen, database_url=parse("postgresql://host/calls"))
    (warning,) = warnings_of(elsewhere, "calls")
    assert "wait in memory only" in warning
    assert list(warnings_of(chosen, "off")) == []
    assert list(warnings_of(replace(DEFAULTS, data_dir=tmp_path / "new"), "calls")) == []


async def test_what_is_added_is_kept(tmp_path: Path) -> None:
    kept = KeptCalls(replace(DEFAULTS, data_dir=tmp_path / "data"), "calls")
    await kept.start()
    kept.writer.add(begun())
    await kept.close()
    again = Database(kept.database.address)
    async with again.reading() as connection:
        assert (await connection.execute(select(calls.c.key))).scalars().all() == ["1"]
    await again.close()


# --- the service ----------------------------------------------------------------------------------


async def test_the_service_keeps_its_records_open(serve: Serve, tmp_path: Path) -> None:
    async with running_sandbox(scripted()) as cloud:
        async with serve(cloud, history="calls", data_dir=tmp_path / "data") as server:
            health = server.health()["records"]
            assert health["keeps"] == "calls"
            assert health["in"] == f"SQLite in {tmp_path}/data/calls.db"
            assert health["lost"] == 0
        async with serve(cloud) as server:
            assert server.health()["records"] == {"keeps": "off"}


async def test_a_database_that_is_away_stops_no_start(serve: Serve, tmp_path: Path) -> None:
    address = parse("postgresql://127.0.0.1:1/calls")
    async with running_sandbox(scripted()) as cloud:
        options = {"history": "calls", "data_dir": tmp_path, "database_url": address}
        async with serve(cloud, **options) as server:
            assert server.ready
            await until(lambda: "is it running" in server.health()["records"]["away"])
            assert server.health()["status"] == "ok"


async def test_a_directory_that_cannot_be_written_stops_no_start(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    async with running_sandbox(scripted()) as cloud:
        async with serve(cloud, history="calls", data_dir=tmp_path / "file") as server:
            assert server.ready
            assert any("DATA_DIR" in warning for warning in server.warnings)
