"""File descriptors: how many there are, how many a call needs, and how many are kept in reserve.

A process that has used up its file descriptors can neither accept a caller nor connect a running
call to a cloud. Therefore the soft limit is raised at the start, calls are counted against what is
left, and RESERVE descriptors are never given to new calls: running calls reconnect with them, and
`/health` and the log work.

A call is promised PER_CALL descriptors: the caller, the STT, the LLM and the TTS. Measured, 40
calls that are answered in the same moment use 3.9 each. Calls that are spread over time use 2.6,
because they share their connections to the LLM and the TTS.
"""

import errno
import os
import resource
import time
from collections.abc import Callable

from avr_sts_speechmatics.admission.refusal import Refusal

WANTED = 65_536
"""The soft limit that is asked for: over 15 000 calls. More would not be of use."""

PER_CALL = 4
"""Descriptors that are promised to a call."""

RESERVE_MIN = 16
RESERVE_MAX = 256
"""Descriptors that are kept in reserve: a sixteenth of the limit, within these bounds."""

COUNTED_S = 0.05
"""How long a count is used where counting is slow (s)."""

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of a system call that has no descriptor, or no memory for one."""

_FOLDER = next((one for one in ("/proc/self/fd", "/dev/fd") if os.path.isdir(one)), None)


def raise_limit(wanted: int = WANTED) -> int:
    """Raise the soft limit of open files as far as that is permitted and useful.

    wanted: the soft limit to reach, if the hard limit permits.

    Returns the limit that holds now.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < best:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
        except (OSError, ValueError):
            return soft  # macOS permits less than its hard limit says
        return best
    return max(best, wanted) if soft == resource.RLIM_INFINITY else soft


def in_use() -> int:
    """Return how many descriptors this process has open; 0 where that is not known."""
    if _FOLDER is None:
        return 0
    # Linux has the number in the size of the folder since 6.2. [proc_pid_fd(5)]
    if size := os.stat(_FOLDER).st_size if _FOLDER.startswith("/proc") else 0:
        return size
    try:
        return len(os.listdir(_FOLDER)) - 1  # without the descriptor that lists the folder
    except OSError as error:
        if error.errno in SHORTAGES:
            return 1 << 30  # not one is left
        raise


class Descriptors:
    """The descriptors of this process.

    limit: the soft limit.
    used: returns how many are open.
    """

    def __init__(self, limit: int, *, used: Callable[[], int] = in_use) -> None:
        self.limit = limit
        self.reserve = max(RESERVE_MIN, min(RESERVE_MAX, limit // 16))
        self._used = used
        self._base = 0
        self._counted = 0
        self._counted_until = 0.0

    def settle(self) -> None:
        """Note what is open without any call, such as listeners and the log."""
        self._base = self._used()

    @property
    def capacity(self) -> int:
        """How many calls there are descriptors for."""
        return max(0, (self.limit - self.reserve - self._base) // PER_CALL)

    def room(self) -> int:
        """Return how many descriptors may still be opened besides the reserve."""
        now = time.monotonic()
        if now >= self._counted_until:
            self._counted = self._used()
            # Counting takes longer with each open descriptor, where it takes long at all.
            slow = self._counted > 256
            self._counted_until = now + COUNTED_S if slow else 0.0
        return self.limit - self.reserve - self._counted

    def opened(self) -> None:
        """Count a descriptor that was opened since `room` counted."""
        self._counted += 1

    def refusal(self, calls: int) -> Refusal | None:
        """Return why there are no descriptors for another call; None if there are.

        calls: number of running calls.
        """
        # The caller's own connection is open already.
        if calls < self.capacity and self.room() >= PER_CALL - 1:
            return None
        reason = f"no file descriptor is left for another call (the limit is {self.limit})"
        return Refusal("no_descriptors", reason)

    def warning(self, max_calls: int) -> str | None:
        """Return a sentence for the operator if there are too few descriptors for MAX_CALLS."""
        if self.capacity >= max_calls:
            return None
        return (
            f"Only {self.limit} files may be open, which is enough for {self.capacity} calls and "
            f"not for MAX_CALLS={max_calls}: further calls are refused. Raise the limit (ulimit "
            "-n, LimitNOFILE= of systemd, --ulimit nofile= of Docker)."
        )
