"""DTMF: the keys that a telephone can send, and how fast. [ITU-T Q.23]"""

import time
from collections.abc import Callable

KEYS = frozenset("0123456789*#ABCD")
"""The keys of a telephone."""

PER_S = 20.0
"""Keys that are taken in a second, in the long run. A telephone sends at most 12."""

BURST = 32
"""Keys that are taken at once: a telephone that dials a stored number."""


class KeyRate:
    """Limits the keys of one call: each key has a price in the dialogue, and a flood has no caller.

    now: a clock that never goes back (s).
    """

    __slots__ = ("_at", "_left", "_now")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._at = now()
        self._left = float(BURST)

    def allows(self) -> bool:
        """Whether a key that comes now may be taken."""
        now = self._now()
        self._left = min(BURST, self._left + (now - self._at) * PER_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
