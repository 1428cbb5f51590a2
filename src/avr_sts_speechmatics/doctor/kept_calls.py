"""Check of the records of calls: the directory can be written, the database answers."""

from avr_sts_speechmatics.assembly import parts as assembly
from avr_sts_speechmatics.doctor.check import Check, check_from
from avr_sts_speechmatics.records import kept_calls
from avr_sts_speechmatics.records.database import Database, DatabaseAway
from avr_sts_speechmatics.settings import Settings

WHAT = "records"

_ADVICE = "Until then calls go on, and their records wait in DATA_DIR."


async def records(chosen: Settings) -> list[Check]:
    """Check that calls can be kept. Nothing is made or written."""
    level = assembly.history_of(chosen)
    if level == "off":
        return [Check(WHAT, "skipped", "nothing is kept of calls (HISTORY=off)")]
    found = [
        check_from(WHAT, "warning", warning.rstrip("."), "; ", "")
        for warning in kept_calls.warnings_of(chosen, level)
    ]
    if found and not chosen.calls_database.is_postgresql:
        return found
    database = Database(chosen.calls_database)
    try:
        version = await database.look()
    except DatabaseAway as error:
        return [*found, check_from(WHAT, "warning", str(error), "; ", _ADVICE)]
    finally:
        await database.close()
    detail = f"HISTORY={level}, {database}: {version}"
    return [*found, Check(WHAT, "ok", detail)]
