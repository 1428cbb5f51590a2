"""Makes the recordings from the settings."""

from avr_sts_speechmatics.records.recordings.bucket import Bucket
from avr_sts_speechmatics.records.recordings.place import Folder
from avr_sts_speechmatics.records.recordings.recordings import Recordings
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.settings.record_checks import S3Place

DIRECTORY = "recordings"
"""Directory in DATA_DIR."""


def recordings_of(settings: Settings) -> Recordings:
    """Return the recordings, to read and to delete; `Recordings.run` makes new ones possible.

    Raises SettingsError if the library of the place is not installed.
    """
    place, own = settings.recordings_url, settings.data_dir / DIRECTORY
    if not isinstance(place, S3Place):
        return Recordings(Folder(place or own))
    bucket = Bucket(
        place,
        settings.aws_access_key_id,
        settings.aws_secret_access_key,
        settings.aws_session_token,
    )
    return Recordings(Folder(own), bucket)
