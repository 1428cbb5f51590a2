"""Webhooks: what happens to calls, told to the operator's own server as avr-core tells it.

`POST WEBHOOK_URL` with `{"uuid", "type", "timestamp", "payload"}`, the secret in a header.
[AVR protocol, 7]

Each call that has events to deliver has a task: events of a call arrive in order, and an event that
must be tried again delays no other call. All tasks share a fixed number of connections, and queues
are bounded. So a receiver that is slow or down costs bounded memory, bounded connections, and the
events; never a caller's time. An event may arrive twice: a request that was answered too late may
have been taken.

`call_initiated` is the one event whose reply matters and for which a caller waits. `ask` has
connections of its own, so that no backlog delays a call's beginning.

The call decides which events are sent when; the caller of `ask` decides what a reply means.
"""

import asyncio
import json
import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TypeAlias

import msgspec

from avr_sts_speechmatics.telemetry.webhook_receiver import Undelivered, WebhookReceiver
from avr_sts_speechmatics.values import Secret

EventName = Literal[
    "call_initiated",
    "call_started",
    "transcription",
    "interruption",
    "dtmf_digit",
    "error",
    "call_ended",
]

QUEUED_MAX = 5000
QUEUED_PER_CALL = 100
"""Events that may wait, of all calls and of one; further ones are lost."""

CONNECTIONS = 32
"""Requests under way at once; as many again for `ask`."""

ASK_S = 10.0
"""Longest wait for a reply, whatever the settings multiply to (s): a caller hears nothing yet."""

CLOSE_S = 1.0
"""How long `close` goes on delivering what waits (s)."""

TELL_EVERY_S = 10.0
"""Lost events are logged no more often (s)."""

_Ask: TypeAlias = asyncio.Task[Mapping[str, Any] | None]

_ENDING = "the service is ending"
_BACK_OFF_S = 0.25
_BACK_OFF_MAX_S = 8.0

_log = logging.getLogger(__name__)


class Webhooks:
    """The receiver at one address, for all calls of the process.

    url: http or https, checked. secret: copied into `X-AVR-WEBHOOK-SECRET`, None for none.
    timeout_s: of one request. retries: tries after the first, with exponential back-off, where the
    receiver cannot be reached, does not answer in time, or says 5xx or 429.

    Used from the thread of a running event loop; `close` ends it.
    """

    def __init__(self, url: str, secret: Secret | None, *, timeout_s: float, retries: int) -> None:
        self.dropped = 0
        """Events that were lost: no place to wait, not taken by the receiver, or no time left."""
        self._receiver = WebhookReceiver(url, secret, timeout_s)
        self._timeout_s = timeout_s
        self._retries = retries
        self._calls: dict[str, deque[bytes]] = {}
        self._queued = 0
        self._deliveries: set[asyncio.Task[None]] = set()
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._asks: defaultdict[str, set[_Ask]] = defaultdict(set)
        self._connections_of_asks = asyncio.Semaphore(CONNECTIONS)
        self._closing = asyncio.Event()
        self._untold = 0
        self._why = ""
        self._tell_at = 0.0

    def send(self, uuid: str, event: EventName, payload: Mapping[str, object]) -> None:
        """Have an event delivered, after those of the same call that were sent before it.

        Returns at once and never raises; an event that finds no place is lost.
        """
        events = self._calls.get(uuid)
        waiting = len(events) if events is not None else 0
        # A receiver that never hears of a call's end keeps it for ever: there is always place.
        full = waiting >= QUEUED_PER_CALL and event != "call_ended"
        if self._closing.is_set() or full or self._queued >= QUEUED_MAX:
            self._lose(_ENDING if self._closing.is_set() else "too many are waiting")
            return
        if events is None:
            events = self._calls[uuid] = deque()
            # Without the context of the call: log lines about the receiver belong to all calls.
            delivery = asyncio.create_task(self._deliver(uuid, events), context=Context())
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)
        events.append(_envelope(uuid, event, payload))
        self._queued += 1

    async def ask(self, uuid: str, payload: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Deliver `call_initiated` and wait for the reply; later events of the call wait too.

        Returns the reply if it is a JSON object, else None. Takes no longer than
        timeout x (retries + 1), nor than ASK_S; never raises. Cancelling is safe: the event is
        delivered all the same.
        """
        if self._closing.is_set():
            self._lose(_ENDING)
            return None
        body = _envelope(uuid, "call_initiated", payload)
        task = asyncio.create_task(self._ask(body), context=Context())
        self._asks[uuid].add(task)
        task.add_done_callback(partial(self._asked, uuid))
        await asyncio.wait((task,))
        return None if task.cancelled() else task.result()

    async def close(self) -> None:
        """Take no more events, try each waiting event once more for CLOSE_S, drop the rest."""
        self._closing.set()
        if asks := set[_Ask]().union(*self._asks.values()):
            for ask in asks:
                ask.cancel()
            await asyncio.wait(asks)
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=CLOSE_S)
        if self._deliveries:
            for delivery in self._deliveries:
                delivery.cancel()
            await asyncio.wait(self._deliveries)
        if self._queued:
            self._lose(_ENDING, self._queued)
        if self._untold:
            self._tell()
        await self._receiver.close()

    async def _deliver(self, uuid: str, events: deque[bytes]) -> None:
        """Deliver a call's events in order, until none waits."""
        while events:
            while asks := self._asks.get(uuid):
                await asyncio.wait(asks)
            await self._post(events[0], self._connections)
            events.popleft()
            self._queued -= 1
        del self._calls[uuid]

    async def _ask(self, body: bytes) -> Mapping[str, Any] | None:
        longest = min(ASK_S, self._timeout_s * (self._retries + 1))
        try:
            async with asyncio.timeout(longest):
                reply = await self._post(body, self._connections_of_asks, wants_reply=True)
        except TimeoutError:
            self._lose(f"no answer within {longest:g} s")
            return None
        return _object(reply)

    def _asked(self, uuid: str, ask: _Ask) -> None:
        self._asks[uuid].remove(ask)
        if not self._asks[uuid]:
            del self._asks[uuid]
        if ask.cancelled():
            self._lose(_ENDING)

    async def _post(
        self, body: bytes, connections: asyncio.Semaphore, *, wants_reply: bool = False
    ) -> bytes:
        """Send an event, several times if need be; returns the reply, empty for a lost event."""
        tries = 0
        while True:
            tries += 1
            try:
                async with connections:
                    return await self._receiver.post(body, wants_reply=wants_reply)
            except Undelivered as failure:
                if not failure.again or tries > self._retries or self._closing.is_set():
                    self._lose(str(failure))
                    return b""
            with suppress(TimeoutError):  # or `close` gives the event its last try
                async with asyncio.timeout(_back_off(tries)):
                    await self._closing.wait()

    def _lose(self, why: str, events: int = 1) -> None:
        self.dropped += events
        self._untold += events
        self._why = why
        if time.monotonic() >= self._tell_at:
            self._tell()

    def _tell(self) -> None:
        _log.warning(
            "webhook events lost: %d; the last (%s): %s",
            self._untold,
            self._receiver.shown,
            self._why,
        )
        self._untold = 0
        self._tell_at = time.monotonic() + TELL_EVERY_S


def _envelope(uuid: str, event: EventName, payload: Mapping[str, object]) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole = {"uuid": uuid, "type": event, "timestamp": now, "payload": dict(payload)}
    # Callers' text may hold half a surrogate pair: escaped it is still JSON.
    return json.dumps(whole, default=str).encode()


def _back_off(tries: int) -> float:
    """How long to wait after so many tries (s)."""
    return min(_BACK_OFF_MAX_S, _BACK_OFF_S * 2.0 ** (tries - 1)) * random.uniform(0.8, 1.2)


def _object(reply: bytes) -> Mapping[str, Any] | None:
    """A JSON object, or None: most receivers answer with nothing, or with a word."""
    try:
        found = msgspec.json.decode(reply)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
