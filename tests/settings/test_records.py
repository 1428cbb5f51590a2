"""Settings of the topic: records of calls."""

from pathlib import Path

from tests.doctor.surroundings import NO_FILE
from tests.settings.topic_tests import TopicTests

from avr_sts_speechmatics.network.database_address import parse, sqlite_file
from avr_sts_speechmatics.settings import load
from avr_sts_speechmatics.settings.record_checks import S3Place
from avr_sts_speechmatics.settings.records import Records
from avr_sts_speechmatics.values import Secret


class TestRecords(TopicTests):
    topic = Records
    defaults = (
        ("HISTORY", None),
        ("DATA_DIR", Path("data")),
        ("DATABASE_URL", None),
        ("RECORDINGS_URL", None),
        ("AWS_ACCESS_KEY_ID", None),
        ("AWS_SECRET_ACCESS_KEY", None),
        ("AWS_SESSION_TOKEN", None),
        ("KEEP_DAYS", 30),
        ("KEEP_CALLS_DAYS", 365),
    )
    good = (
        ("HISTORY", "Recordings", "recordings"),
        ("DATA_DIR", "/var/lib/calls", Path("/var/lib/calls")),
        ("DATABASE_URL", "postgresql://me:pw@host/calls", parse("postgresql://me:pw@host/calls")),
        ("DATABASE_URL", "sqlite:////data/calls.db", sqlite_file(Path("/data/calls.db"))),
        ("RECORDINGS_URL", "/var/calls", Path("/var/calls")),
        ("RECORDINGS_URL", "file:///var/my%20calls", Path("/var/my calls")),
        ("RECORDINGS_URL", "s3://calls", S3Place("calls")),
        (
            "RECORDINGS_URL",
            "s3://calls/a/b/?endpoint=https://s3.example:9000&region=eu-west-1",
            S3Place("calls", "a/b", "https://s3.example:9000", "eu-west-1"),
        ),
        ("AWS_ACCESS_KEY_ID", "AKIA1234", "AKIA1234"),
        ("AWS_SECRET_ACCESS_KEY", "wJalr/K7", Secret("wJalr/K7")),
        ("AWS_SESSION_TOKEN", "FwoGZ", Secret("FwoGZ")),
        ("KEEP_DAYS", "0", 0),
        ("KEEP_CALLS_DAYS", "3650", 3650),
    )
    free_text = ("AWS_ACCESS_KEY_ID",)
    wrong = (
        ("HISTORY", "all", "off, calls, transcripts, recordings"),
        ("DATA_DIR", "/dev/null", "directory"),
        ("RECORDINGS_URL", "/dev/null", "directory"),
        ("RECORDINGS_URL", "https://host/calls", "s3://"),
        ("RECORDINGS_URL", "file://host/calls", "file:///"),
        ("RECORDINGS_URL", "s3://C_alls", "bucket"),
        ("RECORDINGS_URL", "s3://calls?endpoint=s3.example", "endpoint"),
        ("RECORDINGS_URL", "s3://calls?region=a&zone=b", "zone"),
        ("KEEP_DAYS", "-1", "from 0"),
        ("KEEP_CALLS_DAYS", "a year", "number"),
    )
    private = (
        ("RECORDINGS_URL", "s3://me:very-secret@calls", "AWS_SECRET_ACCESS_KEY"),
        ("DATABASE_URL", "mysql://me:very-secret@host/calls", "postgresql://"),
    )


def test_the_password_of_the_database_is_a_secret() -> None:
    chosen = load({"DATABASE_URL": "postgresql://me:hunter2%40hunter2@host/calls"}, NO_FILE)
    assert "hunter2@hunter2" in set(chosen.secrets())


def test_calls_are_kept_in_the_directory_of_data_unless_a_database_is_named() -> None:
    chosen = load({"DATA_DIR": "/var/lib/calls"}, NO_FILE)
    assert chosen.calls_database == sqlite_file(Path("/var/lib/calls/calls.db"))
    chosen = load({"DATABASE_URL": "postgres://me@host/calls"}, NO_FILE)
    assert chosen.calls_database.is_postgresql
