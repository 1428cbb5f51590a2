"""Reception: opens and refuses calls for the connections of all ports.

A connection comes here to open its call. Calls that are refused are logged and counted here, so
that refusals look alike on every transport: with the call's name, the transport, the masked
numbers and the reason.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from avr_sts_speechmatics.admission.refusal import CallRefused, Refusal
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network.websocket import Watch
from avr_sts_speechmatics.transports.limited_log import LimitedLog, address_of
from avr_sts_speechmatics.transports.waiting_connections import WaitingConnections

OpenCall = Callable[[Caller, Line], CallerSide]

SHOWN_DIGITS = 2
"""Last characters of a caller's or called number that the log shows of a refused call."""

REFUSALS = 100
"""Refused calls of one client that are logged within a window; the rest are counted."""

_NUMBERS = ("from", "to")


@dataclass(frozen=True, slots=True)
class Reception:
    """The part of the service that every transport receives.

    open_call: opens the call; raises CallerError with the reason when no call can be taken.
    log: takes all log lines about clients.
    waiting: the connections without a call.
    why_not: returns why no new call can be taken now; None if one can. Cheap, for a transport that
        can refuse a call before it accepts anything.
    busy: takes a caller who was refused on a line that is answered already; returns None if the
        line must be ended.
    refused: number of refused calls by transport.
    reasons: number of refused calls by `Refusal.kind`; "other" for calls that are never taken.
    """

    open_call: OpenCall
    log: LimitedLog = field(default_factory=LimitedLog)
    waiting: WaitingConnections = field(
        default_factory=lambda: WaitingConnections(LimitedLog()), repr=False
    )
    why_not: Callable[[], Refusal | None] = lambda: None
    busy: Callable[[Caller, Line], CallerSide | None] = lambda caller, line: None
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def take(self, caller: Caller, line: Line, transport: asyncio.Transport | None) -> CallerSide:
        """Open a call. Its connection no longer counts as a connection without a call.

        transport: the call's connection.

        Raises CallerError with the reason, after logging it, when no call can be taken.
        """
        try:
            call = self.open_call(caller, line)
        except CallerError as error:
            kind = error.refusal.kind if isinstance(error, CallRefused) else "other"
            self.refuse(caller, transport, str(error), kind)
            raise
        self.waiting.remove(transport)
        return call

    def refuse(
        self, caller: Caller, transport: asyncio.Transport | None, why: str, kind: str = "other"
    ) -> None:
        """Log and count a call that is refused.

        transport: the call's connection.
        why: the reason, one sentence.
        kind: the reason in one word, see `reasons`.
        """
        self.refused[caller.transport] += 1
        self.reasons[kind] += 1
        peer = address_of(transport)
        facts = caller.facts
        numbers = "".join(f", {name} {masked(facts[name])}" for name in _NUMBERS if facts.get(name))
        who = f"call {caller.uuid} ({caller.transport}{numbers}, by {peer})"
        self.log.say("refused calls", peer, f"{who} refused: {why}", lines=REFUSALS)


class PortWatch(Watch):
    """Logs what clients do wrong with their WebSockets, and counts their connections.

    reception: takes the log lines and the counts.
    """

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def refused(self, transport: asyncio.Transport, why: str) -> None:
        peer = address_of(transport)
        line = f"a WebSocket handshake from {peer} was refused: {why}"
        self._reception.log.say("refused WebSocket handshakes", peer, line)

    def wrong(self, transport: asyncio.Transport, why: str) -> None:
        peer = address_of(transport)
        line = f"a WebSocket from {peer} is closed: {why}"
        self._reception.log.say("WebSocket protocol errors", peer, line)

    def failed(self, transport: asyncio.Transport, error: BaseException) -> None:
        peer = address_of(transport)
        line = f"a message from {peer} met a fault of this service; please report it"
        self._reception.log.say("messages that met a fault", peer, line, exc_info=error)

    def lost(self, transport: asyncio.Transport) -> None:
        self._reception.waiting.remove(transport)


def masked(number: str) -> str:
    """Return a telephone number of which only the last digits can be read."""
    return f"***{number[-SHOWN_DIGITS:]}" if len(number) > SHOWN_DIGITS else "***"
