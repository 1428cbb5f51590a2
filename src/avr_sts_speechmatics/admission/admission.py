"""Whether one more call can be taken now: the one place that knows all reasons against it.

The transports ask before they accept a call (`refusal`), so that a peer is refused before a
handshake is completed. The server asks once more when the call begins (`begin`), and counts it.

    reason         | because                                       | until
    ---------------+-----------------------------------------------+----------------------------------
    starting       | there is nothing yet that could answer        | the service is ready
    draining       | the service is about to end                   | the end
    no_descriptors | a call could not connect to its services      | calls end, connections close
    full           | MAX_CALLS are running                         | a call ends
    no_sessions    | a call would not be heard                     | a call ends, or a while
    overloaded     | the audio of all calls would be late          | the event loop is on time again
"""

from collections.abc import Callable

from avr_sts_speechmatics.admission.call_count import CallCount
from avr_sts_speechmatics.admission.descriptors import Descriptors
from avr_sts_speechmatics.admission.loop_lag import LoopLag
from avr_sts_speechmatics.admission.refusal import CallRefused, Refusal
from avr_sts_speechmatics.admission.vendor_sessions import VendorSessions
from avr_sts_speechmatics.values import counted


class Admission:
    """Admits calls, or says why not.

    state: returns the refusal of a service that is starting or draining, or None.
    calls: counts the calls, with the limit MAX_CALLS.
    sessions: counts the STT sessions.
    lag: measures how late the event loop is.
    descriptors: the file descriptors of this process.
    """

    def __init__(
        self,
        state: Callable[[], Refusal | None],
        calls: CallCount,
        sessions: VendorSessions,
        lag: LoopLag,
        descriptors: Descriptors,
    ) -> None:
        self._state = state
        self._calls = calls
        self.sessions = sessions
        self.lag = lag
        self.descriptors = descriptors
        self._here = 0  # calls of this process

    @property
    def calls_limit(self) -> int | None:
        """Most calls at once, of all processes; None for no limit."""
        return self._calls.limit

    def start(self, max_calls: int) -> list[str]:
        """Begin to measure: everything is open that is open without calls.

        Returns warnings for the operator, one sentence each.
        """
        self.descriptors.settle()
        self.lag.start()
        warning = self.descriptors.warning(max_calls)
        return [] if warning is None else [warning]

    def refusal(self) -> Refusal | None:
        """Return why no new call can be taken now; None if one can."""
        return (
            self._state()
            or self.descriptors.refusal(self._here)
            or (self._full() if self._calls.full else None)
            or self.sessions.refusal()
            or (self._overloaded() if self.lag.overloaded else None)
        )

    def begin(self) -> None:
        """Count a call that begins. Raises CallRefused if no call can be taken."""
        refusal = self.refusal()
        if refusal is not None:
            raise CallRefused(refusal)
        # A count that several processes share may have become full in this moment.
        if not self._calls.try_begin():
            raise CallRefused(self._full())
        if not self.sessions.try_begin():
            self._calls.end()
            lost = Refusal("no_sessions", "no STT session is left for another call")
            raise CallRefused(self.sessions.refusal() or lost)
        self._here += 1

    def end(self) -> None:
        """Count the end of a call; once for each `begin` that did not raise."""
        self._here -= 1
        self.sessions.end()
        self._calls.end()

    def health(self) -> dict[str, object]:
        """The part of `/health` about admission."""
        refusal = self.refusal()
        return {
            "refusing": None if refusal is None else refusal.reason,
            "loop_lag_ms": round(self.lag.p95_ms, 1),
            "file_descriptors_left": self.descriptors.room(),
        }

    def _full(self) -> Refusal:
        most = counted(self._calls.limit or 0, "call")
        return Refusal("full", f"the service has its {most} (MAX_CALLS)")

    def _overloaded(self) -> Refusal:
        reason = f"the service is overloaded: it is late by {self.lag.p95_ms:.0f} ms"
        return Refusal("overloaded", f"{reason} (OVERLOAD_LAG_MS)")
