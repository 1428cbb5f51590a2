"""Settings of the topic: records of calls."""

from pathlib import Path

from tests.doctor.surroundings import NO_FILE
from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.network.database_address import parse, sqlite_file
from avr_sts_speechmatics.settings import load
from avr_sts_speechmatics.settings.records import Records


class TestRecords(TopicTests):
    topic = Records
    defaults = (
        ("HISTORY", None),
        ("DATA_DIR", Path("data")),
        ("DATABASE_URL", None),
        ("KEEP_DAYS", 30),
        ("KEEP_CALLS_DAYS", 365),
    )
    good = (
        ("HISTORY", "Recordings", "recordings"),
        ("DATA_DIR", "/var/lib/calls", Path("/var/lib/calls")),
        ("DATABASE_URL", "postgresql://me:pw@host/calls", parse("postgresql://me:pw@host/calls")),
        ("DATABASE_URL", "sqlite:////data/calls.db", sqlite_file(Path("/data/calls.db"))),
        ("KEEP_DAYS", "0", 0),
        ("KEEP_CALLS_DAYS", "3650", 3650),
    )
    wrong = (
        ("HISTORY", "all", "off, calls, transcripts, recordings"),
        ("DATA_DIR", "/dev/null", "directory"),
        ("KEEP_DAYS", "-1", "from 0"),
        ("KEEP_CALLS_DAYS", "a year", "number"),
    )
    private = (("DATABASE_URL", "mysql://me:very-secret@host/calls", "postgresql://"),)


def test_the_password_of_the_database_is_a_secret() -> None:
    chosen = load({"DATABASE_URL": "postgresql://me:hunter2%40hunter2@host/calls"}, NO_FILE)
    assert "hunter2@hunter2" in set(chosen.secrets())


def test_calls_are_kept_in_the_directory_of_data_unless_a_database_is_named() -> None:
    chosen = load({"DATA_DIR": "/var/lib/calls"}, NO_FILE)
    assert chosen.calls_database == sqlite_file(Path("/var/lib/calls/calls.db"))
    chosen = load({"DATABASE_URL": "postgres://me@host/calls"}, NO_FILE)
    assert chosen.calls_database.is_postgresql
