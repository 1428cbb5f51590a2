"""Log lines that strangers can provoke, limited for each client and each kind of line.

Any client of a port can send malformed requests as fast as the network allows. If each request
caused a log line, the log would cost more than the calls, and the lines that matter would be lost
among the others. So all lines about clients go through one LimitedLog: for each kind and each
client, LINES lines are logged within WINDOW_S. Further lines are counted, and the count is logged
at the end of the window: "37 more malformed requests from 10.0.0.5 in 60 s".

Memory is limited too: clients beyond REMEMBERED share one count.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from avr_sts_speechmatics.transports.untrusted_text import clean

LINES = 10
"""Lines of one kind about one client that are logged within WINDOW_S; the rest are counted."""

WINDOW_S = 60.0
"""Length of a window (s)."""

REMEMBERED = 1000
"""Pairs of kind and client that are counted separately."""

LINE_MAX = 500
"""Longest line (characters); the rest of the line is cut."""

OTHERS = "other addresses"
"""Name of all clients beyond REMEMBERED."""

NOBODY = "an unknown address"
"""Name of a client whose socket has no address."""

_log = logging.getLogger(__name__)


class LimitedLog:
    """The lines about all clients of the process.

    lines: see LINES.
    window_s: see WINDOW_S (s).
    remembered: see REMEMBERED.
    now: a clock that never goes back (s).
    """

    def __init__(
        self,
        *,
        lines: int = LINES,
        window_s: float = WINDOW_S,
        remembered: int = REMEMBERED,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines = lines
        self._window_s = window_s
        self._remembered = remembered
        self._now = now
        self._windows: dict[tuple[str, str], _Window] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._windows)

    def say(
        self,
        kind: str,
        peer: str,
        line: str,
        *,
        level: int = logging.WARNING,
        lines: int | None = None,
        exc_info: BaseException | bool = False,
    ) -> None:
        """Log a line about a client, or count it.

        kind: common name of the lines, in the plural, such as "malformed requests"; never
            text of the client.
        peer: address of the client.
        line: the text; characters that cannot be printed are removed.
        level: severity of the line.
        lines: lines of this kind within a window, if not the usual number.
        exc_info: as for `logging`; for faults of this service only.
        """
        window = self._window(kind, peer)
        window.level = max(window.level, level)
        if window.lines < (lines or self._lines):
            window.lines += 1
            _log.log(level, "%s", clean(line, LINE_MAX), exc_info=exc_info)
            return
        window.more += 1
        if self._timer is None:
            self._wake_at(window.ends)

    def close(self) -> None:
        """Log all counts and forget everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._forget(before=float("inf"))

    def _window(self, kind: str, peer: str) -> "_Window":
        key, now = (kind, peer), self._now()
        window = self._windows.get(key)
        if window is not None and now < window.ends:
            return window
        if window is None and len(self._windows) >= self._remembered:
            self._forget(before=now)
            if len(self._windows) >= self._remembered:
                key = (kind, OTHERS)
                window = self._windows.get(key)
                if window is not None and now < window.ends:
                    return window
        if window is not None:
            self._report(key, window)
        self._windows[key] = window = _Window(now + self._window_s)
        return window

    def _forget(self, *, before: float) -> None:
        """Forget the windows that ended before a time, and log their counts."""
        ended = [key for key, window in self._windows.items() if window.ends <= before]
        for key in ended:
            self._report(key, self._windows.pop(key))

    def _report(self, key: tuple[str, str], window: "_Window") -> None:
        if window.more:
            kind, peer = key
            text = "%d more %s from %s in %.0f s"
            _log.log(window.level, text, window.more, kind, peer, self._window_s)
            window.more = 0

    def _wake_at(self, when: float) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._timer = loop.call_later(max(0.0, when - self._now()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._forget(before=self._now())
        waiting = [window.ends for window in self._windows.values() if window.more]
        if waiting:
            self._wake_at(min(waiting))


class _Window:
    """The lines of one kind and one client within one window.

    ends: time of the clock at which the window ends (s).
    """

    __slots__ = ("ends", "level", "lines", "more")

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.level = logging.DEBUG
        self.lines = 0
        self.more = 0


def address_of(transport: asyncio.BaseTransport | None) -> str:
    """Return the address of the client at the other end of a transport, for the log."""
    peer = None if transport is None else transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else NOBODY
