"""Spool: changes that wait on disk while the database is away.

Each process has a file of its own, from the first change that waits to the last one that was
written: one line of JSON for each change. A process that ends or is killed leaves its file, and
exactly one other process takes the file up: the owner holds a lock on the file, which the kernel
frees at the owner's end.

Only the owner of the directory may read the files: they hold what callers say. `erase` removes the
lines of calls from all files, also from those of running processes: a line is overwritten by spaces
in its place, so that the owner may go on reading and writing.
"""

import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from avr_sts_speechmatics.records.change import Change

MOST_BYTES = 256 << 20
"""Largest size of a process's file (bytes)."""

_ENDING = ".jsonl"
_READ_BYTES = 1 << 16


class SpoolFull(Exception):
    """The file has its largest size."""


class Spool:
    """The file of changes of one process. The methods block and may be called in any thread.

    folder: directory of the files, made when a change has to wait.
    most_bytes: see MOST_BYTES.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._one_at_a_time = threading.Lock()
        self._descriptor = -1
        self._path = folder
        self._size = 0
        self._read_to = 0
        self._next = 0
        self.waiting = 0
        """Number of changes in the file; not known exactly for a file that was taken up."""
        self.damaged = 0
        """Number of lines that could not be read."""

    @property
    def is_empty(self) -> bool:
        """Whether no change waits."""
        return self._descriptor < 0

    @property
    def path(self) -> Path:
        """The file, or the directory before there is a file."""
        return self._path

    def append(self, changes: Sequence[Change]) -> None:
        """Add changes, all or none. Raises SpoolFull, OSError, and ValueError for no JSON."""
        data = "".join(f"{json.dumps(change)}\n" for change in changes).encode("ascii")
        with self._one_at_a_time:
            if self._size + len(data) > self._most_bytes:
                raise SpoolFull
            if self._descriptor < 0:
                self._create()
            try:
                _write_all(self._descriptor, data, self._size)
            except OSError:
                # Half a line would make the next one unreadable.
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                if self._size == 0:
                    self._remove()
                raise
            self._size += len(data)
            self.waiting += len(changes)

    def read(self, most: int) -> list[Change]:
        """Return the first changes, at most `most`; they stay in the file until `advance`."""
        with self._one_at_a_time:
            if self._descriptor < 0:
                return []
            found: list[Change] = []
            self._next = self._read_to
            for line in _lines(self._descriptor, self._read_to, self._size):
                self._next += len(line)
                if (change := self._change(line)) is not None:
                    found.append(change)
                    if len(found) == most:
                        break
            return found

    def advance(self, changes: int) -> bool:
        """Drop what `read` returned. Returns whether the file is empty; it is removed then.

        changes: number of changes that `read` returned.
        """
        with self._one_at_a_time:
            self._read_to = self._next
            self.waiting = max(0, self.waiting - changes)
            if self._descriptor >= 0 and self._read_to >= self._size:
                self._remove()
            return self._descriptor < 0

    def close(self) -> None:
        """Close the file; another process may take up what it holds."""
        with self._one_at_a_time:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    @staticmethod
    def take_up(folder: Path) -> "Spool | None":
        """Return the file of a process that has ended, the oldest first; None if there is none."""
        for path in _files(folder):
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                if not _lock(descriptor):
                    os.close(descriptor)
                    continue
                spool = Spool(folder)
                spool._descriptor, spool._path = descriptor, path
                spool._size = os.fstat(descriptor).st_size
                if spool._size == 0:
                    spool._remove()
                    continue
                return spool
        return None

    def _create(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            # In the order of time, so that older files are taken up first.
            name = f"{time.time_ns()}-{secrets.token_hex(4)}{_ENDING}"
            path = self._folder / name
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            # A process that looks for files may have been faster than our lock.
            if _lock(descriptor):
                break
            os.close(descriptor)
        self._descriptor, self._path = descriptor, path
        self._size = self._read_to = self._next = self.waiting = 0

    def _remove(self) -> None:
        # First the name, then the lock: nobody takes up a file that is done.
        with suppress(OSError):
            os.unlink(self._path)
        os.close(self._descriptor)
        self._descriptor = -1
        self._size = self._read_to = self._next = self.waiting = 0

    def _change(self, line: bytes) -> Change | None:
        if not line.strip():  # erased
            return None
        with suppress(ValueError, TypeError):
            table, row, update = json.loads(line)
            return Change(table, row, update)
        self.damaged += 1
        return None


def erase(
    folder: Path,
    keys: Collection[str] = (),
    matches: Callable[[Mapping[str, Any]], bool] = lambda row: False,
) -> set[str]:
    """Erase calls from all files of a directory. Blocks. Raises OSError.

    folder: directory of the files.
    keys: keys of the calls.
    matches: whether a call's row, as the call began, is to be erased too.

    Returns the keys of the calls that were found.
    """
    wanted = set(keys)
    for path in _files(folder):
        for _, _, change in _changes(path):
            if change.table == "calls" and not change.update and matches(change.row):
                wanted.add(change.row["key"])
    found = set()
    for path in _files(folder):
        for at, length, change in _changes(path):
            key = change.row.get("key" if change.table == "calls" else "call")
            if key in wanted:
                found.add(key)
                with suppress(FileNotFoundError):
                    _blank(path, at, length)
    return found


def _blank(path: Path, at: int, length: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _write_all(descriptor, b" " * (length - 1), at)
    finally:
        os.close(descriptor)


def _changes(path: Path) -> Iterator[tuple[int, int, Change]]:
    """Yield place, length (bytes) and change of each line that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # written to the database meanwhile
        return
    try:
        at = 0
        for line in _lines(descriptor, 0, os.fstat(descriptor).st_size):
            with suppress(ValueError, TypeError):
                table, row, update = json.loads(line)
                yield at, len(line), Change(table, row, update)
            at += len(line)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _ENDING)
    except OSError:
        return []


def _lines(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines between two places, with their line breaks; a cut last line as well."""
    rest = b""
    while start < end:
        piece = os.pread(descriptor, min(_READ_BYTES, end - start), start)
        if not piece:
            break
        start += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, at)
        data, at = data[written:], at + written


def _lock(descriptor: int) -> bool:
    """Lock a file and make sure that the file still has its name."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(descriptor).st_nlink > 0
