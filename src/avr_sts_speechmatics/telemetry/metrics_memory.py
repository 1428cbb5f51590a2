"""Series of metrics in memory that another process can read at any time, and what they are.

A worker counts here, and the supervisor reads: without a question to the worker, which may hang,
and after its death, so that no count is lost with a process. A count is one addition to a number of
8 bytes, which is written as a whole; there is no lock, and no file that stays behind.

    bytes               | content
    --------------------+-------------------------------------------------------------------------
    0 to 7              | LAYOUT
    8 to 15             | size of the directory (bytes), written after each entry
    HEAD to VALUES_AT   | the directory: one JSON array a line, for a family or a series
    from VALUES_AT      | the numbers, 8 bytes each

The memory describes itself, because the reader may run older code than the writer: a restart
without a lost call replaces the workers and keeps the supervisor.

    ["family", name, kind, help, over, bounds]
    ["series", number of the family, {label: value}, number of the first value]

A counter or gauge has one value. A histogram has the sum, then a count for each bucket, the one
above the last bound included.
"""

import logging
import mmap
import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from avr_sts_speechmatics.runtime.anonymous_file import anonymous_file

LAYOUT = 1
"""Version of the layout. A reader leaves memory of another version alone."""

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Over: TypeAlias = Literal["sum", "max", "min"]

_HEAD = 64
_VALUES_AT = 1 << 20
_SIZE = 2 << 20  # pages that are not written to take no memory
_VALUES_MAX = (_SIZE - _VALUES_AT) // 8
_SPARE = 256  # the last values: of all series that have no room
_LAYOUT_AT, _DIRECTORY_AT = 0, 1  # in numbers of 8 bytes

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    name: with its unit; that of a counter ends in "_total".
    kind: see Kind.
    help: one or more sentences, for people.
    labels: names of the labels.
    over: how a gauge of several processes becomes one; counters and histograms are summed.
    bounds: upper bounds of a histogram's buckets, ascending, without infinity.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    over: Over = "sum"
    bounds: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Number of values of one series."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


@dataclass(frozen=True, slots=True)
class Series:
    """One series as it was read.

    family: what it is; `labels` of the family are not known.
    labels: values by name.
    values: see the theory above.
    """

    family: Family
    labels: Mapping[str, str]
    values: Sequence[float]


class SeriesMemory:
    """The memory, as its writer sees it.

    descriptor: an open file, made by `new_file`, which the caller keeps; None for memory that no
        other process reads.

    values: the numbers; only the writer's thread changes them.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.buffer = mmap.mmap(-1 if descriptor is None else descriptor, _SIZE)
        whole = memoryview(self.buffer)
        self._head = whole[:_HEAD].cast("Q")
        self._directory = whole[_HEAD:_VALUES_AT]
        self.values = whole[_VALUES_AT:].cast("d")
        self._head[_LAYOUT_AT] = LAYOUT
        self._used = 0
        self._next = 0
        self._families: dict[str, int] = {}
        self._full = False

    def add(self, family: Family, labels: Mapping[str, str]) -> int:
        """Add a series; returns the number of its first value.

        There is room for thousands of series. A series beyond is counted and never shown.
        """
        number = self._families.get(family.name, len(self._families))
        entries: list[object] = [("series", number, labels, self._next)]
        if family.name not in self._families:
            about = family.name, family.kind, family.help, family.over, family.bounds
            entries.insert(0, ("family", *about))
        lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        end = self._used + len(lines)
        room = end <= len(self._directory) and self._next + family.size <= _VALUES_MAX - _SPARE
        if not room:
            if not self._full:
                self._full = True
                _log.warning("there are too many series of metrics; further ones are not shown")
            return _VALUES_MAX - _SPARE
        self._directory[self._used : end] = lines
        self._families.setdefault(family.name, number)
        self._used = self._head[_DIRECTORY_AT] = end
        at, self._next = self._next, self._next + family.size
        return at


def new_file() -> int:
    """Make a file for `SeriesMemory`; returns its descriptor."""
    return anonymous_file("metrics", _SIZE)


class SeriesReader:
    """The memory, as its reader sees it.

    buffer: the memory, or the descriptor of its file. The reader keeps what it needs of a file.
    """

    def __init__(self, buffer: mmap.mmap | int) -> None:
        if isinstance(buffer, int):
            # A newer writer may use a longer file.
            buffer = mmap.mmap(buffer, os.fstat(buffer).st_size, access=mmap.ACCESS_READ)
        self._buffer = buffer
        whole = memoryview(buffer)
        self._head = whole[:_HEAD].cast("Q")
        self._directory = whole[_HEAD:_VALUES_AT]
        self._values = whole[_VALUES_AT:].cast("d")
        self._read = 0
        self._families: list[Family] = []
        self._series: list[tuple[Family, dict[str, str], int]] = []

    def series(self) -> list[Series]:
        """Read all series; none if the layout is not known."""
        if self._head[_LAYOUT_AT] != LAYOUT:
            return []
        self._read_directory()
        values = self._values
        return [
            Series(family, labels, values[at : at + family.size].tolist())
            for family, labels, at in self._series
        ]

    def _read_directory(self) -> None:
        end = self._head[_DIRECTORY_AT]
        lines = bytes(self._directory[self._read : end]).splitlines()
        self._read = end
        for line in lines:
            entry = msgspec.json.decode(line)
            if entry[0] == "family":
                _, name, kind, about, over, bounds = entry
                self._families.append(Family(name, kind, about, (), over, tuple(bounds)))
            elif entry[0] == "series":
                _, number, labels, at = entry
                self._series.append((self._families[number], labels, at))


class Counter:
    """A number that only grows."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: "memoryview[float]", at: int) -> None:
        self._values = values
        self._at = at

    def add(self, more: float = 1.0) -> None:
        """Count. more: zero or positive."""
        self._values[self._at] += more

    def grow_to(self, total: float) -> None:
        """Set the total, of something that is counted elsewhere."""
        if total > self._values[self._at]:
            self._values[self._at] = total


class Gauge:
    """A number that grows and falls."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: "memoryview[float]", at: int) -> None:
        self._values = values
        self._at = at

    def add(self, more: float = 1.0) -> None:
        self._values[self._at] += more

    def set(self, value: float) -> None:
        self._values[self._at] = value


class Histogram:
    """Counts of observations by size. bounds: see `Family`."""

    __slots__ = ("_at", "_bounds", "_buckets_at", "_values")

    def __init__(self, values: "memoryview[float]", at: int, bounds: tuple[float, ...]) -> None:
        self._values = values
        self._at = at
        self._buckets_at = at + 1
        self._bounds = bounds

    def observe(self, value: float) -> None:
        values = self._values
        values[self._at] += value
        values[self._buckets_at + bisect_left(self._bounds, value)] += 1.0
