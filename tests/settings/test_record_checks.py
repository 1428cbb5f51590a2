"""Checks of the settings about records."""

from pathlib import Path

import pytest

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings import record_checks
from avr_sts_speechmatics.settings.record_checks import S3Place, recordings


def test_a_directory_need_not_be_there(tmp_path: Path) -> None:
    assert record_checks.directory_to_make(str(tmp_path / "new")) == tmp_path / "new"
    assert record_checks.directory_to_make("~/calls") == Path.home() / "calls"


@pytest.mark.parametrize("value", ["/dev/null", "~nobody-of-this-name/calls"])
def test_what_can_be_no_directory_is_rejected(value: str) -> None:
    with pytest.raises(InvalidValue, match="path of a directory"):
        record_checks.directory_to_make(value)


def test_a_database_is_rejected_without_its_password() -> None:
    with pytest.raises(InvalidValue, match="the name of the database is missing") as error:
        record_checks.database("postgresql://me:hunter2@host")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("calls", Path("calls")),
        ("~/calls", Path.home() / "calls"),
        ("/var/s3:/calls", Path("/var/s3:/calls")),
        ("file:///var/a%20b", Path("/var/a b")),
        ("file://localhost/var", Path("/var")),
        ("s3://my.calls", S3Place("my.calls")),
        ("s3://calls/", S3Place("calls")),
        ("s3://calls/a%20b/c/", S3Place("calls", "a b/c")),
        ("s3://calls?region=x&endpoint=", S3Place("calls", region="x")),
        (
            "s3://calls?endpoint=http%3A%2F%2Fminio%3A9000",
            S3Place("calls", "", "http://minio:9000"),
        ),
    ],
)
def test_a_place_of_recordings(text: str, place: Path | S3Place) -> None:
    assert recordings(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3://ab",
        "s3://Calls",
        "s3://calls:9000",
        "s3://calls?key=1",
        "s3://calls?endpoint=minio:9000",
        "s3://calls?endpoint=ftp://minio",
        "gs://calls",
        "http://host/calls",
        "file://host/calls",
        "file:///",
        "s3://[calls",
    ],
)
def test_no_place_of_recordings(text: str) -> None:
    with pytest.raises(InvalidValue):
        recordings(text)
