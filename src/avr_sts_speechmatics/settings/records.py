"""Settings: what is kept of calls, where, and for how long."""

from dataclasses import dataclass
from pathlib import Path

from avr_sts_speechmatics.network.database_address import DatabaseAddress, sqlite_file
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings import record_checks
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.settings.record_checks import S3Place
from avr_sts_speechmatics.values import Secret

HISTORY_LEVELS = ("off", "calls", "transcripts", "recordings")


@dataclass(frozen=True, kw_only=True)
class Records:
    """What is kept of calls."""

    history: str | None = setting(
        check.one_of(*HISTORY_LEVELS),
        "What is kept of calls: `off`, `calls` (facts and times, no words), `transcripts` (words, "
        "keys and arguments of tools as well) or `recordings` (the sound as well).",
        default_text="`transcripts` offline, `calls` with keys",
    )
    data_dir: Path = setting(
        record_checks.directory_to_make,
        "Directory for what is kept: the database of calls, and recordings. It is made if it does "
        "not exist.",
        Path("data"),
        default_text="`data`; `/data` in the image",
    )
    database_url: DatabaseAddress | None = setting(
        record_checks.database,
        "Database of calls: `postgresql://user:password@host:5432/name` or `sqlite:///path`.",
        default_text="SQLite in `DATA_DIR`",
        private=True,
    )
    recordings_url: Path | S3Place | None = setting(
        record_checks.recordings,
        "Where recordings are kept (`HISTORY=recordings`): a directory, or a store that speaks S3, "
        "`s3://bucket/prefix?endpoint=https://host&region=name`. With S3, a recording is written "
        "to `DATA_DIR` and uploaded after the call.",
        default_text="`recordings` in `DATA_DIR`",
    )
    aws_access_key_id: str | None = setting(
        check.text,
        "Access key of the store. Without it, what AWS's other variables or the machine provide.",
    )
    aws_secret_access_key: Secret | None = setting(check.secret, "Secret of the access key.")
    aws_session_token: Secret | None = setting(check.secret, "Token of temporary credentials.")
    keep_days: int = setting(
        check.whole(0, 36_500),
        "Days after which words and recordings are erased; `0`: never.",
        30,
    )
    keep_calls_days: int = setting(
        check.whole(0, 36_500),
        "Days after which the rest of a call is erased; `0`: never.",
        365,
    )

    @property
    def calls_database(self) -> DatabaseAddress:
        """Where calls are kept: DATABASE_URL, or a file in DATA_DIR."""
        return self.database_url or sqlite_file(self.data_dir / "calls.db")
