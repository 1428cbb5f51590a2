"""Writes to standard output and standard error in a thread, so that no call waits for a reader.

A pipe that nobody reads takes 64 kB and then blocks its writer. If the event loop were that writer,
every call would freeze. Here the loop only appends to a bounded queue; a thread writes. Lines
that do not fit into the queue are dropped and counted, and one line reports the count when there is
room again. A full disk, a closed terminal and a reader that has gone cost the lines, never a call.

The thread is a daemon: a write that never returns does not keep the process alive. `flush` waits
for the queue, but not for ever.
"""

import io
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

QUEUED_MAX_BYTES = 2 * 1024 * 1024
"""Most bytes that may wait for a slow reader; further lines are dropped."""

FLUSH_S = 1.0
"""Longest wait of `flush` for the reader (s)."""

_CHUNK_BYTES = 4096
"""Most that is written in one go, unless one line is longer (bytes). Several processes write to one
pipe, and a pipe keeps together what is no longer than this. [POSIX, PIPE_BUF]"""

NOT_READ = "nobody reads them"


class BackgroundWriter:
    """Writes lines to one stream.

    stream: standard output, standard error or a stream like them; None for a closed stream.
    lost: makes the line that reports the number of lost lines and the reason; None for no line.
    failed: called in the thread with the reason when writing begins to fail.
    most_bytes: see QUEUED_MAX_BYTES (bytes).
    """

    def __init__(
        self,
        stream: TextIO | None,
        *,
        lost: Callable[[int, str], str] | None = None,
        failed: Callable[[str], None] | None = None,
        most_bytes: int = QUEUED_MAX_BYTES,
    ) -> None:
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"
        self.lines_lost = 0
        """Number of lines lost during the whole life of the writer."""
        self.lost = lost
        self.failed = failed
        self._write_some = _target(stream)
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._untold = 0
        self._why = ""
        self._failing = False
        self._writing = False
        self._closing = False
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Queue a line with its line break. Never blocks and never raises."""
        data = line.encode(self.encoding, "backslashreplace")
        with self._changed:
            if self._closing or self._bytes + len(data) > self._most_bytes:
                self._lose(1, NOT_READ)
                return
            self._lines.append(data)
            self._bytes += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="output", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, within_s: float = FLUSH_S) -> bool:
        """Wait until all lines are written, at most `within_s` s. Returns True if all are."""
        until = time.monotonic() + within_s
        with self._changed:
            while self._lines or self._writing:
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return False
        return True

    def close(self) -> None:
        """Flush and end the thread. Later lines are dropped."""
        self.flush()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None and not self._writing:
            self._thread.join(FLUSH_S)

    def _lose(self, lines: int, why: str) -> None:
        self.lines_lost += lines
        self._untold += lines
        self._why = why

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                while not self._lines:
                    if self._closing:
                        return
                    self._changed.wait()
                self._writing = True
                size, chunk = 0, []
                while self._lines and (not size or size + len(self._lines[0]) <= _CHUNK_BYTES):
                    chunk.append(self._lines.popleft())
                    size += len(chunk[-1])
            why = self._try(b"".join(chunk))
            with self._changed:
                self._bytes -= size
                if why:
                    self._lose(len(chunk), why)
                told = self._untold if not (why or self._lines) else 0
                reason = self._why
                self._untold -= told
            if told and self.lost is not None:
                self._try(self.lost(told, reason).encode(self.encoding, "backslashreplace"))
            if why and not self._failing and self.failed is not None:
                self.failed(why)
            self._failing = bool(why)

    def _try(self, data: bytes) -> str:
        """Write all of `data`. Returns the reason of a failure; empty for success."""
        try:
            while data:
                data = data[self._write_some(data) :]
        except OSError as error:
            return (error.strerror or str(error)).lower()
        except ValueError as error:  # a stream that was closed
            return str(error).lower()
        return ""


class BackgroundStream(io.TextIOWrapper):
    """A text stream for `print` that writes through a BackgroundWriter.

    stream: the replaced stream, which answers `isatty` and `fileno`.
    """

    def __init__(self, stream: TextIO, writer: BackgroundWriter) -> None:
        super().__init__(
            _Raw(stream, writer),  # type: ignore[arg-type]  # a raw stream does, as with python -u
            encoding=writer.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
        self.writer = writer


class _Raw(io.RawIOBase):
    def __init__(self, stream: TextIO, writer: BackgroundWriter) -> None:
        super().__init__()
        self._stream = stream
        self._writer = writer

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._writer.write(piece.decode(self._writer.encoding, "backslashreplace"))
        return len(piece)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def _target(stream: TextIO | None) -> Callable[[bytes], int]:
    """Return a function that writes bytes, like `os.write`, past the locks of Python's streams.

    A thread that holds the lock of a Python stream in a write that never returns would abort the
    interpreter at its end.
    """
    if stream is None:
        return _closed
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a stream in memory, in tests
        return lambda data: _write_text(stream, data)
    return lambda data: _write(descriptor, data)


def _write(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        # Another program that shares the pipe or terminal has made it non-blocking.
        select.select((), (descriptor,), (), 1.0)
        return 0


def _write_text(stream: TextIO, data: bytes) -> int:
    stream.write(data.decode(getattr(stream, "encoding", None) or "utf-8", "replace"))
    stream.flush()
    return len(data)


def _closed(data: bytes) -> int:
    raise OSError("the stream is closed")
