"""Which place the settings choose for recordings."""

from pathlib import Path

from avr_sts_speechmatics.records.recordings.opening import recordings_of
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.settings.record_checks import S3Place
from avr_sts_speechmatics.values import Secret


def test_recordings_are_in_the_data_directory() -> None:
    recordings = recordings_of(Settings(data_dir=Path("/data")))
    assert recordings.folder == Path("/data/recordings")
    assert not recordings.uploads


def test_recordings_are_in_the_directory_that_is_set() -> None:
    recordings = recordings_of(Settings(data_dir=Path("/data"), recordings_url=Path("/calls")))
    assert recordings.folder == Path("/calls")
    assert not recordings.uploads


def test_recordings_for_s3_wait_in_the_data_directory() -> None:
    place = S3Place("calls", "", "http://127.0.0.1:9", "eu-west-1")
    chosen = Settings(
        data_dir=Path("/data"),
        recordings_url=place,
        aws_access_key_id="an-id",
        aws_secret_access_key=Secret("a-secret"),
    )
    recordings = recordings_of(chosen)
    assert recordings.folder == Path("/data/recordings")
    assert recordings.uploads
