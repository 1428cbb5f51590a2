"""The history, made when it is asked for first: SQLAlchemy takes half a second to import."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avr_sts_speechmatics.records.database import Database
    from avr_sts_speechmatics.records.history import History


class OpenedHistory:
    """The history of this process. Call it to have it; None if there is nothing to read.

    kept: returns the records of the process, with their `database` and `spool`; None while the
        service starts, or if nothing is kept.
    recordings: returns the recordings, so that a deletion deletes them as well; or None.
    """

    def __init__(
        self, kept: Callable[[], Any], recordings: Callable[[], Any] = lambda: None
    ) -> None:
        self._kept = kept
        self._recordings = recordings
        self._made: tuple[Database, History] | None = None

    async def __call__(self) -> "History | None":
        kept = self._kept()
        if kept is None:
            return None
        if self._made is None or self._made[0] is not kept.database:
            # Imported in a thread: running calls go on meanwhile.
            history, erase = await asyncio.to_thread(_imported)
            erase = partial(erase, kept.spool)
            made = history(kept.database, recordings=self._recordings(), erase=erase)
            self._made = kept.database, made
        return self._made[1]


def _imported() -> "tuple[type[History], Callable[..., set[str]]]":
    from avr_sts_speechmatics.records.history import History
    from avr_sts_speechmatics.records.spool import erase

    return History, erase
