"""Loop lag: how late the event loop is, and whether that is too late for a further call.

Every caller's audio waits for the event loop. A beat every BEAT_S measures the wait: how late its
own timer is. The service is overloaded when more than SHARE of the beats of the last WINDOW_S were
later than the limit, in other words when the 95th percentile is above the limit. The service is no
longer overloaded when the 95th percentile has fallen below CALM times the limit.

A standstill of the process (SIGSTOP, a moved virtual machine) is one late beat, however long it
lasts, so that a single standstill refuses nobody. After a long standstill the window would hold
that one beat and few others; therefore the window keeps at least FEWEST beats, and nothing is
judged before there are that many.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context

BEAT_S = 0.025
"""Time between two beats (s)."""

WINDOW_S = 5.0
"""How long a beat counts (s)."""

FEWEST = 40
"""Beats that the window keeps, however old they are: a second of beats."""

SHARE = 0.05
"""Share of beats that may be late."""

CALM = 0.7
"""Share of the limit below which the lag must fall before calls are taken again."""

_log = logging.getLogger(__name__)


class LagWindow:
    """The lags of the last beats, and what follows from them.

    limit_s: 95th percentile of the lag above which the service is overloaded (s).
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._calm_s = limit_s * CALM
        self._beats: deque[tuple[float, float]] = deque()
        # Counted instead of sorted at each beat: how many beats of the window are late.
        self._above_limit = 0
        self._above_calm = 0
        self.overloaded = False

    def __len__(self) -> int:
        return len(self._beats)

    def add(self, now: float, lag: float) -> None:
        """Add a beat.

        now: time of the beat (s).
        lag: how late the beat was (s).
        """
        beats = self._beats
        beats.append((now, lag))
        self._count(lag, 1)
        while len(beats) > FEWEST and beats[0][0] <= now - WINDOW_S:
            self._count(beats.popleft()[1], -1)
        if len(beats) < FEWEST:
            return
        late = self._above_calm if self.overloaded else self._above_limit
        self.overloaded = late > SHARE * len(beats)

    def forget(self) -> None:
        """Forget all beats."""
        self._beats.clear()
        self._above_limit = self._above_calm = 0
        self.overloaded = False

    def p95(self) -> float:
        """Return the 95th percentile of the lag (s); 0 if there are no beats."""
        lags = sorted(lag for _, lag in self._beats)
        return lags[math.ceil((1 - SHARE) * len(lags)) - 1] if lags else 0.0

    def _count(self, lag: float, by: int) -> None:
        if lag > self._limit_s:
            self._above_limit += by
        if lag > self._calm_s:
            self._above_calm += by


class LoopLag:
    """The beat of the running event loop.

    limit_ms: value of OVERLOAD_LAG_MS (ms); 0: nothing is measured, and the loop is never too late.
    now: a clock that never goes back (s).
    """

    def __init__(self, limit_ms: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self.limit_ms = limit_ms
        self.noted: Callable[[float], None] | None = None
        """Called with the lag of each beat (s)."""
        self._now = now
        self._window = LagWindow(limit_ms / 1000)
        # No call's context: the log would attribute the lines to the call that began meanwhile.
        self._context = Context()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    @property
    def overloaded(self) -> bool:
        return self._window.overloaded

    @property
    def p95_ms(self) -> float:
        """95th percentile of the lag in the last WINDOW_S (ms)."""
        return self._window.p95() * 1000

    def start(self) -> None:
        """Begin to beat."""
        if self.limit_ms and self._timer is None:
            self._wait()

    def forget(self) -> None:
        """Forget what was measured so far."""
        self._window.forget()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(BEAT_S, self._beat, context=self._context)
        # Behind `call_later`, which brings the cached time of uvloop up to date.
        self._due = self._now() + BEAT_S

    def _beat(self) -> None:
        now, before = self._now(), self._window.overloaded
        lag = max(0.0, now - self._due)
        self._window.add(now, lag)
        if self.noted is not None:
            self.noted(lag)
        if self._window.overloaded is not before:
            self._tell()
        self._wait()

    def _tell(self) -> None:
        if self._window.overloaded:
            _log.warning(
                "the service is overloaded: its event loop is late by %.0f ms (OVERLOAD_LAG_MS=%g);"
                " new calls are refused until that falls",
                self.p95_ms,
                self.limit_ms,
            )
        else:
            _log.info("the service is no longer overloaded; new calls are taken again")
