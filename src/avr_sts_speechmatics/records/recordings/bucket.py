"""Recordings in a store that speaks S3, through obstore.

obstore is imported when a bucket is made: few operators need it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from avr_sts_speechmatics.errors import SettingsError, StoreError
from avr_sts_speechmatics.records.recordings.place import MEDIA_TYPE
from avr_sts_speechmatics.records.recordings.stored import StoredRecording
from avr_sts_speechmatics.settings.record_checks import S3Place
from avr_sts_speechmatics.values import Secret

TIMEOUT_S = 30
"""Longest time of a request (s)."""

CHUNK_BYTES = 256 * 1024
"""Bytes that are requested at once."""


class Bucket:
    """A bucket. Raises SettingsError if the library for S3 is not installed.

    place: bucket, prefix, address and region.
    key_id: the access key; None for what AWS's environment variables or the machine provide.
    secret: the secret of the access key.
    token: of temporary credentials.
    """

    def __init__(
        self,
        place: S3Place,
        key_id: str | None = None,
        secret: Secret | None = None,
        token: Secret | None = None,
    ) -> None:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError as error:
            raise SettingsError(
                "RECORDINGS_URL: S3 needs a library; pip install 'avr-sts-speechmatics[s3]'"
            ) from error
        self._obstore: Any = obstore
        given: dict[str, Any] = {
            "access_key_id": key_id,
            "secret_access_key": secret and secret.reveal(),
            "session_token": token and token.reveal(),
            "endpoint": place.endpoint,
            "region": place.region,
        }
        self._store: Any = S3Store(
            place.bucket,
            prefix=place.prefix or None,
            # The one style that every server of S3 takes; AWS takes both.
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": f"{TIMEOUT_S}s"},
            # Uploads are retried by `uploads`; a reader wants to know soon.
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=TIMEOUT_S)},
            **{name: value for name, value in given.items() if value},
        )

    def put(self, name: str, path: Path) -> None:
        """Upload a file, overwriting what is there. Blocks. Raises StoreError or OSError."""
        attributes = {"Content-Type": MEDIA_TYPE}
        with path.open("rb") as file, self._errors():
            self._obstore.put(self._store, name, file, attributes=attributes)

    async def open(self, name: str) -> StoredRecording | None:
        """Open a recording; None if there is none. Raises StoreError."""
        try:
            with self._errors():
                found = await self._obstore.head_async(self._store, name)
        except FileNotFoundError:
            return None
        return _BucketRecording(self, name, found["size"])

    async def read(self, name: str, begin: int, end: int) -> bytes:
        """Return a range of bytes. Raises StoreError; FileNotFoundError if there is no such name.

        end: first byte behind the range.
        """
        with self._errors():
            found = await self._obstore.get_range_async(self._store, name, start=begin, end=end)
        return bytes(found)

    async def delete(self, names: Sequence[str]) -> None:
        """Delete recordings; names that are not there are ignored. Raises StoreError."""
        if names:
            with self._errors():
                await self._obstore.delete_async(self._store, list(names))

    def delete_now(self, name: str) -> None:
        """Delete a recording. Blocks. Raises StoreError."""
        with self._errors():
            self._obstore.delete(self._store, name)

    @contextmanager
    def _errors(self) -> Any:
        try:
            yield
        except FileNotFoundError:
            raise
        except self._obstore.exceptions.BaseError as error:
            raise StoreError(f"recordings: {_first_line(error)}") from error


class _BucketRecording(StoredRecording):
    def __init__(self, bucket: Bucket, name: str, size: int) -> None:
        self.size = size
        self.finished = True
        self._bucket = bucket
        self._name = name

    async def read(self, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        end = self.size if end is None else min(end, self.size)
        while begin < end:
            upto = min(end, begin + CHUNK_BYTES)
            try:
                chunk = await self._bucket.read(self._name, begin, upto)
            except FileNotFoundError as error:
                raise StoreError("recordings: the recording was deleted") from error
            begin = upto
            yield chunk

    def close(self) -> None:
        pass


def _first_line(error: Exception) -> str:
    """Return what an error of obstore says; the rest are its causes, one a line."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
