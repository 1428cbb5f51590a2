"""Directories, databases and places of recordings: what is taken, and what the value becomes."""

from pathlib import Path

import pytest

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.settings.record_checks import S3Place, recordings


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
