"""Cost limit: a call that has cost MAX_COST is ended politely.

The recogniser's sessions report their audio when they end. Until then the time since the call began
stands in for it: the caller's audio is recognised for the whole call.
"""

import logging

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallEnded,
    DialogueAdviser,
    Observed,
    TokensUsed,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.services.use import AudioSent, TextSent
from avr_sts_speechmatics.telemetry.call_cost import CallCost
from avr_sts_speechmatics.telemetry.prices import Prices

WARN_AT = 0.8
"""Share of the limit at which a warning is logged."""

AGAIN_S = 5.0
"""Time after which a call that still goes on is told again (s): a word may have kept the call."""

_log = logging.getLogger(__name__)


class CostLimit(DialogueAdviser):
    """Watches the cost of one call.

    prices: the price table, with a price for every service that the call may use.
    limit: highest cost, in the currency of the table; above 0.
    recogniser: server and model of the recogniser.
    """

    def __init__(self, prices: Prices, limit: float, recogniser: tuple[str, str]) -> None:
        self._cost = CallCost(prices)
        self._currency = prices.currency
        self._limit = limit
        hearing = prices.of("stt", *recogniser)
        self._per_second = 0.0 if hearing is None else hearing.second
        self._hears_since: float | None = None
        self._is_warned = False
        self._tell_at = 0.0

    def event(self, at: float, event: Observed) -> None:
        match event:
            case AudioSent():
                self._cost.add(event)
                self._hears_since = at
            case TextSent() | TokensUsed():
                self._cost.add(event)
            case AgentAnswered():
                self._hears_since = at
            case CallEnded():
                self._hears_since = None
                return
        if self._hears_since is None:
            return
        cost = self._cost.known + (at - self._hears_since) * self._per_second
        if cost < WARN_AT * self._limit:
            return
        if not self._is_warned:
            self._is_warned = True
            _log.warning(
                "the call has cost %.4f %s, %d %% of MAX_COST",
                cost,
                self._currency,
                100 * cost / self._limit,
            )
        if cost >= self._limit and at >= self._tell_at:
            self._tell_at = at + AGAIN_S
            self.tell_soon(ev.CostReached())

    def command(self, at: float, command: ev.Command) -> None:
        pass
