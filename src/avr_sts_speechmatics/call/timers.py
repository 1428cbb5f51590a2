"""The timers of a dialogue, run by the event loop."""

import asyncio
from collections.abc import Callable

from avr_sts_speechmatics.dialogue.events import Timer, TimerFired


class Timers:
    """At most one running timer of each kind.

    tell: function that is called with a TimerFired when the time of a timer is over.
    """

    def __init__(self, tell: Callable[[TimerFired], None]) -> None:
        self._tell = tell
        self._running: dict[Timer, asyncio.TimerHandle] = {}

    def set(self, timer: Timer, after: float) -> None:
        """Start a timer; restart it if it is already running.

        after: seconds from now.
        """
        self.cancel(timer)
        loop = asyncio.get_running_loop()
        self._running[timer] = loop.call_later(after, self._fire, timer)

    def cancel(self, timer: Timer) -> None:
        """Stop a timer. Does nothing if the timer is not running."""
        handle = self._running.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def cancel_all(self) -> None:
        for handle in self._running.values():
            handle.cancel()
        self._running.clear()

    def _fire(self, timer: Timer) -> None:
        del self._running[timer]
        self._tell(TimerFired(timer))
