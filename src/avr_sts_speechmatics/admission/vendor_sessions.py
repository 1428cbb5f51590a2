"""STT sessions: a limit of the operator's plan, and what the vendor's refusals teach.

A call has one STT session, which the call opens at its beginning and opens again when the session
is lost. So a call counts as a session from its admission to its end: a session in use, or one that
is being opened.

The operator may know the limit of the plan (SPEECHMATICS_MAX_SESSIONS). Other services may use the
same account, and then the vendor refuses sessions earlier. The call that meets such a refusal tries
again for some seconds. Meanwhile no further call is taken that would meet the same refusal:

    state  | when                                | then
    -------+-------------------------------------+--------------------------------------------------
    open   | the vendor refuses a session        | FULL for `hold`; what is open now is the limit
    FULL   | the vendor refuses again            | FULL for `hold` from now on
    FULL   | a session starts above the limit    | that is the new limit
    FULL   | a call ends, so that fewer calls    | the next call is taken
           | run than the limit                  |
    FULL   | `hold` is over                      | open: the next call tries it out
    open   | a session is refused soon again     | FULL, and `hold` is doubled, up to HOLD_MAX_S
    open   | a session starts                    | `hold` is HOLD_S again

A call that waits for its session counts, so that a session that becomes free is left to that call.
"""

import logging
import math
import time
from collections.abc import Callable

from avr_sts_speechmatics.admission.call_count import CallCount, LocalCount
from avr_sts_speechmatics.admission.refusal import Refusal
from avr_sts_speechmatics.values import counted

HOLD_S = 15.0
"""How long no call is taken after the vendor refused a session (s): longer than the call that met
the refusal tries again."""

HOLD_MAX_S = 60.0
"""The longest such time (s), after refusals in a row. The account may be used elsewhere."""

_log = logging.getLogger(__name__)


class VendorSessions:
    """The STT sessions of this process, and whether another may be had.

    count: counts the calls that have or want a session, with the operator's limit.
    now: a clock that never goes back (s).
    """

    def __init__(
        self, count: CallCount | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = LocalCount() if count is None else count
        self._now = now
        self._calls = 0  # of this process
        self.open = 0
        """Sessions of this process that take audio."""
        self.refusals = 0
        """Sessions of this process that the vendor refused."""
        self._learned = 0  # the limit while the vendor is full
        self._full_until = -math.inf
        self._hold_s = HOLD_S

    @property
    def limit(self) -> int | None:
        """The operator's limit, of all processes; None for no limit."""
        return self._count.limit

    # --- admission -----------------------------------------------------------------------------

    def refusal(self) -> Refusal | None:
        """Return why no further call can have a session; None if it may have one."""
        if self._count.full:
            most = counted(self._count.limit or 0, "STT session")
            reason = f"the service has its {most} (SPEECHMATICS_MAX_SESSIONS)"
            return Refusal("no_sessions", reason)
        left_s = self._full_until - self._now()
        if left_s > 0 and self._calls >= self._learned:
            reason = "the STT service has no session left for another call"
            return Refusal("no_sessions", reason, math.ceil(left_s))
        return None

    def try_begin(self) -> bool:
        """Count a call. Returns False, and counts nothing, if it can have no session."""
        if self.refusal() is not None or not self._count.try_begin():
            return False
        self._calls += 1
        return True

    def end(self) -> None:
        """Count a call less."""
        self._calls -= 1
        self._count.end()

    # --- reports about sessions (implements `services.stt.protocol.SessionWatch`) ---------------

    def started(self) -> None:
        self.open += 1
        if self._now() < self._full_until:
            self._learned = max(self._learned, self.open)
        else:
            self._full_until, self._hold_s = -math.inf, HOLD_S

    def ended(self) -> None:
        self.open -= 1

    def refused(self) -> None:
        self.refusals += 1
        now = self._now()
        if now >= self._full_until:
            if now < self._full_until + self._hold_s:
                self._hold_s = min(2 * self._hold_s, HOLD_MAX_S)
            else:
                self._hold_s = HOLD_S
            _log.warning(
                "the STT service has no session left (%s in use here); new calls are refused for "
                "%.0f s, or until a call ends",
                self.open,
                self._hold_s,
            )
        self._full_until = now + self._hold_s
        self._learned = self.open
