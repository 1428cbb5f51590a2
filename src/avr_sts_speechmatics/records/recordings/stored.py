"""A recording that is read: its size, and any range of its bytes."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK_BYTES = 64 * 1024
"""Bytes that are read at once."""


class StoredRecording(ABC):
    """A recording, open until `close` or the end of a `with` block.

    size: bytes.
    finished: False while the call goes on; the recording grows, and can be read up to `size`.
    """

    size: int
    finished: bool

    @abstractmethod
    def read(self, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of a range, in pieces. Raises StoreError.

        begin: first byte.
        end: first byte behind the range; None for the end of the recording.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the file. May be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class LocalRecording(StoredRecording):
    """A recording in a file.

    path: the file; it may be renamed or deleted while it is read.

    Raises OSError.
    """

    def __init__(self, path: Path, *, finished: bool) -> None:
        self.finished = finished
        self._file = path.open("rb")
        self.size = os.fstat(self._file.fileno()).st_size

    async def read(self, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        end = self.size if end is None else min(end, self.size)
        while begin < end:
            size = min(CHUNK_BYTES, end - begin)
            chunk = await asyncio.to_thread(os.pread, self._file.fileno(), size, begin)
            if not chunk:
                return
            begin += len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()
