"""Connections without a call: their number is limited, and the oldest is closed first.

A connection waits for its first message, its uuid or the next HTTP request, each for a limited
time. A client that opens connections faster than the waits end would use up the memory and the file
descriptors that calls need. When there are too many, the oldest waiting connection of the client
that has the most is closed. A call opens within a moment of its connection, so that such a client
closes its own connections and not those of callers. A connection with a call does not count: all
calls may come from the one address of a PBX.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from avr_sts_speechmatics.transports.limited_log import LimitedLog, address_of

WAITING_MAX = 1000
"""Most connections without a call; the service sets the limit by MAX_CALLS."""


class WaitingConnections:
    """The connections of all ports that carry no call now.

    log: logs the connections that are closed.
    limit: most connections that may wait.
    """

    def __init__(self, log: LimitedLog, limit: int = WAITING_MAX) -> None:
        self._log = log
        self._limit = limit
        # Order: the oldest connection first.
        self._waiting: dict[asyncio.Transport, tuple[str, float]] = {}
        self._of_peer: Counter[str] = Counter()
        self.changed: Callable[[int], None] = lambda count: None
        """Called with the number of connections whenever it changes."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, transport: asyncio.Transport) -> None:
        """Count a connection that has just been accepted. May be repeated."""
        if transport in self._waiting:
            return
        peer = address_of(transport)
        self._waiting[transport] = peer, time.monotonic()
        self._of_peer[peer] += 1
        self.changed(len(self._waiting))
        if len(self._waiting) > self._limit:
            self._close_one()

    def remove(self, transport: asyncio.Transport | None) -> None:
        """Stop counting a connection that carries a call or is closed. May be repeated."""
        known = None if transport is None else self._waiting.pop(transport, None)
        if known is not None:
            peer, _ = known
            self.changed(len(self._waiting))
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]

    def close_older_than(self, age_s: float) -> None:
        """Close every connection that waits for longer, because its descriptor is needed.

        age_s: how long a connection may have waited (s).
        """
        until = time.monotonic() - age_s
        while self._waiting:
            oldest, (peer, since) = next(iter(self._waiting.items()))
            if since > until:
                return
            self.remove(oldest)
            self._log.say(
                "connections without a call closed",
                peer,
                f"a connection from {peer} was closed: descriptors are short, and it had no call",
            )
            oldest.abort()

    def _close_one(self) -> None:
        """Close the oldest connection of the client that has the most."""
        crowd = max(self._of_peer, key=self._of_peer.__getitem__)
        oldest = next(one for one, (peer, _) in self._waiting.items() if peer == crowd)
        self.remove(oldest)
        self._log.say(
            "connections without a call closed",
            crowd,
            f"a connection from {crowd} was closed: {self._limit} others wait without a call",
        )
        oldest.abort()
