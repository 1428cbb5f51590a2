"""What the service has of its records: the database, the writer and the upkeep, opened and closed.

The start does not wait for the database: changes wait in memory and in the spool until the database
is there. So a database that is away stops no start and no call.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from avr_sts_speechmatics.records.database import Database
from avr_sts_speechmatics.records.upkeep import Deletes, Upkeep
from avr_sts_speechmatics.records.writer import RecordWriter
from avr_sts_speechmatics.settings import Settings

SPOOL = "spool"
"""Name of the directory in DATA_DIR for records that wait for the database."""

_WHAT = {
    "calls": "facts and times of calls, no words",
    "transcripts": "calls with their words",
    "recordings": "calls with their words and recordings",
}


class KeptCalls:
    """The records of one process.

    settings: HISTORY and DATA_DIR, DATABASE_URL, KEEP_DAYS, KEEP_CALLS_DAYS.
    level: what is kept, see `level_of`; not "off".
    recordings: where recordings are, for their retention; None if there are none.
    """

    def __init__(self, settings: Settings, level: str, recordings: Deletes | None = None) -> None:
        self.level = level
        self.spool = settings.data_dir / SPOOL
        """Directory of records that wait for the database."""
        self.database = Database(settings.calls_database)
        self.writer = RecordWriter(self.database, self.spool)
        self._upkeep = Upkeep(
            self.database, settings.keep_days, settings.keep_calls_days, recordings
        )
        self._tending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Keep calls from now on."""
        await self.writer.start()
        self._tending = asyncio.create_task(self._upkeep.run(), name="upkeep of records")

    async def close(self) -> None:
        """Write what waits, within a bound, and close the database."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait((self._tending,), timeout=1)
        await self.writer.close()
        await self.database.close()

    def health(self) -> dict[str, object]:
        """The state, for `/health`."""
        return {"keeps": self.level, "in": str(self.database), **self.writer.health()}


def level_of(settings: Settings, *, offline: bool) -> str:
    """What is kept of calls: HISTORY, or its default.

    offline: whether the sandbox stands in for STT or TTS, so that calls are trials.
    """
    return settings.history or ("transcripts" if offline else "calls")


def what_is_kept(settings: Settings, level: str) -> str:
    """Say in one sentence what is kept of calls, where and for how long."""
    if level == "off":
        return "Nothing is kept of calls (HISTORY=off)."
    rest = _days(settings.keep_calls_days)
    words = "" if level == "calls" else f"words {_days(settings.keep_days)}, the rest "
    where = settings.calls_database.shown
    return f"Kept (HISTORY={level}): {_WHAT[level]}, in {where}; {words}{rest}."


def warnings_of(settings: Settings, level: str) -> Iterator[str]:
    """Warn if records cannot be kept in DATA_DIR."""
    if level == "off":
        return
    address = settings.calls_database
    if address.path is not None and (why := _why_not_writable(address.path.parent)):
        setting = "DATA_DIR" if settings.database_url is None else "DATABASE_URL"
        yield (
            f"{setting}: {address.path.parent} cannot be written ({why}), so calls are not kept; "
            "name a directory that this user may write, or set HISTORY=off."
        )
    elif why := _why_not_writable(settings.data_dir):
        yield (
            f"DATA_DIR: {settings.data_dir} cannot be written ({why}): while the database is away, "
            "records of calls wait in memory only; name a directory that this user may write."
        )


def _days(days: int) -> str:
    return f"for {days} days" if days else "for ever"


def _why_not_writable(folder: Path) -> str:
    """Say why a directory cannot be made or written; empty if it can. Nothing is changed."""
    for place in (folder, *folder.absolute().parents):
        try:
            if not place.exists():
                continue
        except OSError as error:
            return (error.strerror or str(error)).lower()
        if not place.is_dir():
            return "not a directory"
        return "" if os.access(place, os.W_OK | os.X_OK) else "permission denied"
    return ""
