"""The place of recordings: their names, and the directory.

A recording is called `YYYY/MM/DD/<key>.flac`, by the day on which the call began (UTC). While it is
written its file has `.part` behind the name, and a lock that ends with the process.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

SUFFIX = ".flac"
PART = ".part"

MEDIA_TYPE = "audio/flac"

_NAME = re.compile(r"\d{4}/\d\d/\d\d/[0-9a-f]{32}\.flac")


def name_of(key: str, began: float) -> str:
    """Return the name of a call's recording.

    began: when the call began, seconds since 1970.
    """
    return f"{datetime.fromtimestamp(began, UTC):%Y/%m/%d}/{key}{SUFFIX}"


def is_name(text: str) -> bool:
    """Whether a text is the name of a recording, and so no way out of the directory."""
    return _NAME.fullmatch(text) is not None


class Folder:
    """The directory of recordings. The methods use the disk and belong to a thread.

    root: the directory; made when the first recording begins.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Return the path of a finished recording."""
        return self.root / name

    def part(self, name: str) -> Path:
        """Return the path of a recording while it is written."""
        return self.root / f"{name}{PART}"

    def find(self, name: str) -> Path | None:
        """Return the path of a recording, finished or not; None if there is none."""
        # Twice: the recording may be finished in between.
        for path in (self.path(name), self.part(name), self.path(name)):
            if path.exists():
                return path
        return None

    def finish(self, name: str) -> bool:
        """Give a finished recording its name. Returns False if it was deleted meanwhile."""
        try:
            self.part(name).rename(self.path(name))
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> bool:
        """Delete a recording. Returns whether there was one. Raises OSError."""
        found = False
        for path in (self.part(name), self.path(name), self.part(name)):
            try:
                path.unlink()
                found = True
            except FileNotFoundError:
                pass
        return found

    def tidy(self, name: str) -> None:
        """Remove the directories of a day that have become empty."""
        for parent in list(self.path(name).parents)[:3]:
            try:
                parent.rmdir()
            except OSError:
                return

    def names(self) -> Iterator[str]:
        """Yield the names of finished recordings, in the order of their days."""
        return self._walk(SUFFIX)

    def finish_abandoned(self) -> int:
        """Finish the recordings of processes that were killed. Returns their number."""
        count = 0
        for name in self._walk(f"{SUFFIX}{PART}"):
            try:
                if self._is_abandoned(self.part(name)) and self.finish(name):
                    count += 1
            except OSError:
                continue
        return count

    def _walk(self, ending: str) -> Iterator[str]:
        for folder, subfolders, files in os.walk(self.root):
            subfolders.sort()
            for file in sorted(files):
                if file.endswith(ending):
                    path = Path(folder, file).relative_to(self.root).as_posix()
                    name = path.removesuffix(PART)
                    if is_name(name):
                        yield name

    def _is_abandoned(self, path: Path) -> bool:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # A file is locked before its first byte is written.
            if not os.fstat(file).st_size:
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True
