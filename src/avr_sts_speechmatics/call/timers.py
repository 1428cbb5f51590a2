"""The timers of a dialogue, in running time: what waits in a socket is heard before they fire."""

from collections.abc import Callable

from avr_sts_speechmatics.dialogue.events import Timer, TimerFired
from avr_sts_speechmatics.network import running_time


class Timers:
    """At most one running timer of each kind.

    tell: function that is called with a TimerFired when the time of a timer is over.
    """

    def __init__(self, tell: Callable[[TimerFired], None]) -> None:
        self._tell = tell
        self._running: dict[Timer, running_time.Timer] = {}

    def set(self, timer: Timer, after: float) -> None:
        """Start a timer; restart it if it is already running.

        after: seconds from now.
        """
        self.cancel(timer)
        self._running[timer] = running_time.call_later(after, self._fire, timer)

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
