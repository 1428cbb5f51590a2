"""Counts of what is limited: calls, or STT sessions. One process, or many that share a count."""

from typing import Protocol


class CallCount(Protocol):
    """A count with a limit. Several processes or machines may share one."""

    @property
    def full(self) -> bool:
        """Whether `try_begin` would return False now. Must be cheap, and must not wait."""

    @property
    def limit(self) -> int | None:
        """The largest count; None for no limit."""

    def try_begin(self) -> bool:
        """Count one more, unless the limit is reached. Returns whether one more was counted."""

    def end(self) -> None:
        """Count one less; once for each `try_begin` that returned True."""


class LocalCount:
    """Implements `CallCount` for one process.

    limit: the largest count; None for no limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        return self._limit is not None and self._count >= self._limit

    @property
    def limit(self) -> int | None:
        return self._limit

    def try_begin(self) -> bool:
        if self.full:
            return False
        self._count += 1
        return True

    def end(self) -> None:
        assert self._count, "ended more often than begun"
        self._count -= 1
