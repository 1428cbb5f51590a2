"""The board: memory that the supervisor and all workers share, with one row for each worker.

A worker writes only its own row. Counts with a limit are checked and increased under a lock of the
file (POSIX record lock), which the kernel releases if its holder dies. The supervisor empties the
row of a worker that has ended: what a dead worker counted does not count any more.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

from avr_sts_speechmatics.runtime.anonymous_file import anonymous_file

ROWS = 256
"""Most workers at once, including those whose last calls finish."""

_ROW = struct.Struct("=IIIII")
_STRIDE = 64  # a cache line each
_SIZE = ROWS * _STRIDE
_PID, _STATE, _WAITING, _CALLS, _SESSIONS = range(5)
_FIELD = struct.Struct("=I")


class State(IntEnum):
    """A worker's way with new calls."""

    NONE = 0
    """There is no worker in this row, or it does not accept connections."""
    REFUSES = 1
    """The worker accepts connections and refuses calls."""
    TAKES = 2
    """The worker takes calls."""


@dataclass(frozen=True, slots=True)
class Row:
    """One worker.

    index: of the row.
    pid: process id; 0 if the row is free.
    state: see State.
    waiting: connections without a call.
    calls: running calls.
    sessions: STT sessions in use.
    """

    index: int
    pid: int
    state: State
    waiting: int
    calls: int
    sessions: int

    @property
    def load(self) -> int:
        """Calls that the worker has or is about to have."""
        return self.calls + self.waiting


class Board:
    """The shared memory.

    descriptor: an open file of `Board.SIZE` bytes; None for a new one. The board closes it.
    """

    SIZE = _SIZE

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = anonymous_file("workers", _SIZE) if descriptor is None else descriptor
        self._memory = mmap.mmap(self.descriptor, _SIZE)

    def close(self) -> None:
        self._memory.close()
        os.close(self.descriptor)

    def claim(self, pid: int) -> int:
        """Give a row to a worker; returns its index. Raises LookupError if none is free."""
        free = next((i for i in range(ROWS) if not self._get(i, _PID)), None)
        if free is None:
            raise LookupError(f"there are {ROWS} workers already")
        _ROW.pack_into(self._memory, free * _STRIDE, pid, State.NONE, 0, 0, 0)
        return free

    def free(self, index: int) -> None:
        """Empty the row of a worker that has ended."""
        with self._locked():
            _ROW.pack_into(self._memory, index * _STRIDE, 0, State.NONE, 0, 0, 0)

    def rows(self) -> Iterator[Row]:
        """Yield the rows that are in use."""
        for index in self._used():
            pid, state, *counts = _ROW.unpack_from(self._memory, index * _STRIDE)
            yield Row(index, pid, State(state), *counts)

    def calls(self) -> int:
        """Return the number of calls of all workers."""
        return sum(row.calls for row in self.rows())

    def _used(self) -> list[int]:
        """Indices of the rows in use."""
        # One read of all process ids: this is asked for each connection.
        pids = memoryview(self._memory).cast("I")[:: _STRIDE // 4]
        return [index for index, pid in enumerate(pids) if pid]

    def _get(self, index: int, field: int) -> int:
        value: int = _FIELD.unpack_from(self._memory, index * _STRIDE + 4 * field)[0]
        return value

    def _set(self, index: int, field: int, value: int) -> None:
        _FIELD.pack_into(self._memory, index * _STRIDE + 4 * field, value)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)


class OwnRow:
    """The row of one worker, as the worker itself sees it.

    board: the board.
    index: of the row.
    """

    def __init__(self, board: Board, index: int) -> None:
        self.board = board
        self.index = index

    def show(self, state: State) -> None:
        """Write what the worker does with new calls."""
        self.board._set(self.index, _STATE, state)

    def show_waiting(self, count: int) -> None:
        """Write the number of connections without a call."""
        self.board._set(self.index, _WAITING, count)

    def calls(self, limit: int | None) -> "SharedCount":
        """Return the count of calls. limit: of all workers together."""
        return SharedCount(self.board, self.index, _CALLS, limit)

    def sessions(self, limit: int | None) -> "SharedCount":
        """Return the count of STT sessions. limit: of all workers together."""
        return SharedCount(self.board, self.index, _SESSIONS, limit)

    def others(self) -> list[Row]:
        """Return the rows of the other workers."""
        return [row for row in self.board.rows() if row.index != self.index]


class SharedCount:
    """A count of all workers with one limit. Implements `admission.call_count.CallCount`."""

    def __init__(self, board: Board, index: int, field: int, limit: int | None) -> None:
        self._board = board
        self._index = index
        self._field = field
        self._limit = limit

    @property
    def limit(self) -> int | None:
        return self._limit

    @property
    def full(self) -> bool:
        return self._limit is not None and self._total() >= self._limit

    def try_begin(self) -> bool:
        board = self._board
        with board._locked():
            if self.full:
                return False
            board._set(self._index, self._field, board._get(self._index, self._field) + 1)
        return True

    def end(self) -> None:
        own = self._board._get(self._index, self._field)
        assert own, "ended more often than begun"
        self._board._set(self._index, self._field, own - 1)

    def _total(self) -> int:
        return sum(self._board._get(i, self._field) for i in self._board._used())
