"""Webhooks: delivers events of calls to the operator's own server, in the form of avr-core.

`POST WEBHOOK_URL` with `{"uuid", "type", "timestamp", "payload"}` and the secret in a header.
[AVR protocol, 7]

Each call with events to deliver has a task: the events of a call arrive in order, and an event that
must be retried delays no other call. All tasks share a fixed number of connections, and the queues
are bounded. So a slow or unreachable receiver takes bounded memory and connections, and events may
be lost, but no caller waits. An event may arrive twice: the receiver may have accepted a request
whose reply came too late.

`call_initiated` is the only event whose reply is used and for which a caller waits. `ask` has
separate connections, so that no backlog delays the beginning of a call.

The call decides which events to send and when; the code that calls `ask` interprets the reply.
"""

import asyncio
import json
import logging
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TypeAlias

from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
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
    "call_summary",
]
"""The seven events of avr-core; `call_summary` is ours, of agents that declare an outcome."""

QUEUED_MAX = 5000
QUEUED_PER_CALL = 100
"""Most events that may wait, of all calls and of one call; further events are lost."""

CONNECTIONS = 32
"""Most concurrent requests of `send`, and separately of `ask`."""

ASK_S = 10.0
"""Longest wait of `ask` for a reply, with any settings (s): the caller hears nothing yet."""

CLOSE_S = 1.0
"""How long `close` continues to deliver waiting events (s)."""

TELL_EVERY_S = 10.0
"""Shortest time between two log lines about lost events (s)."""

_Event: TypeAlias = tuple[bytes, Mapping[str, str] | None]
"""Body and further headers."""

_Ask: TypeAlias = asyncio.Task[Mapping[str, Any] | None]

_ENDING = "the service is ending"
_BACK_OFF_S = 0.25
_BACK_OFF_MAX_S = 8.0

_log = logging.getLogger(__name__)


class Webhooks:
    """The receiver at one address, for all calls of the process.

    url: address with http or https, already checked.
    secret: sent in the header `X-AVR-WEBHOOK-SECRET`; None for no header.
    timeout_s: longest time of one request (s).
    retries: tries after the first one, with exponential back-off, if the receiver cannot be
        reached, does not answer in time, or returns 5xx or 429.
    proxy: the HTTP proxy to connect through, or None.
    trace: returns headers that name the trace of the running call, or None.

    Must be used from the thread of the running event loop, and closed by `close`.
    """

    def __init__(
        self,
        url: str,
        secret: Secret | None,
        *,
        timeout_s: float,
        retries: int,
        proxy: Proxy | None = None,
        trace: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._trace = trace
        self.dropped = 0
        """Lost events: queue full, rejected by the receiver, or not delivered before the end."""
        self._receiver = WebhookReceiver(url, secret, timeout_s, proxy=proxy)
        self._timeout_s = timeout_s
        self._retries = retries
        self._calls: dict[str, deque[_Event]] = {}
        self._queued = 0
        self._deliveries: set[asyncio.Task[None]] = set()
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._asks: defaultdict[str, set[_Ask]] = defaultdict(set)
        self._connections_of_asks = asyncio.Semaphore(CONNECTIONS)
        self._closing = asyncio.Event()
        self._untold = 0
        self._why = ""
        self._log_at = 0.0

    def send(self, uuid: str, event: EventName, payload: Mapping[str, object]) -> None:
        """Queue an event for delivery, after the earlier events of the call.

        Returns at once and never raises; if the queue is full, the event is lost.
        """
        events = self._calls.get(uuid)
        waiting = len(events) if events is not None else 0
        # Always queued: a receiver that misses the end of a call would keep the call for ever.
        full = waiting >= QUEUED_PER_CALL and event not in ("call_ended", "call_summary")
        if self._closing.is_set() or full or self._queued >= QUEUED_MAX:
            self._lose(_ENDING if self._closing.is_set() else "too many are waiting")
            return
        if events is None:
            events = self._calls[uuid] = deque()
            # Without the context of the call: log lines about the receiver belong to all calls.
            delivery = asyncio.create_task(self._deliver(uuid, events), context=Context())
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)
        headers = None if self._trace is None else self._trace()
        events.append((_envelope(uuid, event, payload), headers))
        self._queued += 1

    async def ask(self, uuid: str, payload: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Deliver `call_initiated` and wait for the reply; later events of the call wait too.

        Returns the reply if it is a JSON object, else None. Takes at most the smaller of
        timeout x (retries + 1) and ASK_S; never raises. Cancelling is safe: the event is still
        delivered.
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

    async def _deliver(self, uuid: str, events: deque[_Event]) -> None:
        """Deliver the events of a call in order, until none waits."""
        while events:
            while asks := self._asks.get(uuid):
                await asyncio.wait(asks)
            body, headers = events[0]
            await self._post(body, self._connections, headers=headers)
            events.popleft()
            self._queued -= 1
        del self._calls[uuid]

    async def _ask(self, body: bytes) -> Mapping[str, Any] | None:
        longest = min(ASK_S, self._timeout_s * (self._retries + 1))
        try:
            async with running_time.timeout(longest):
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
        self,
        body: bytes,
        connections: asyncio.Semaphore,
        *,
        wants_reply: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send an event, with retries. Returns the reply; empty for a lost event."""
        tries = 0
        while True:
            tries += 1
            try:
                async with connections:
                    return await self._receiver.post(body, wants_reply=wants_reply, headers=headers)
            except Undelivered as failure:
                if not failure.again or tries > self._retries or self._closing.is_set():
                    self._lose(str(failure))
                    return b""
            with suppress(TimeoutError):  # `close` ends the wait for a last try
                async with running_time.timeout(_back_off(tries)):
                    await self._closing.wait()

    def _lose(self, why: str, events: int = 1) -> None:
        self.dropped += events
        self._untold += events
        self._why = why
        if time.monotonic() >= self._log_at:
            self._tell()

    def _tell(self) -> None:
        _log.warning(
            "webhook events lost: %d; the last (%s): %s",
            self._untold,
            self._receiver.shown,
            self._why,
        )
        self._untold = 0
        self._log_at = time.monotonic() + TELL_EVERY_S


def _envelope(uuid: str, event: EventName, payload: Mapping[str, object]) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole = {"uuid": uuid, "type": event, "timestamp": now, "payload": dict(payload)}
    # Callers' text may hold half a surrogate pair: escaped it is still JSON.
    return json.dumps(whole, default=str).encode()


def _back_off(tries: int) -> float:
    """Return the wait before the next try (s).

    tries: number of tries so far.
    """
    return min(_BACK_OFF_MAX_S, _BACK_OFF_S * 2.0 ** (tries - 1)) * random.uniform(0.8, 1.2)


def _object(reply: bytes) -> Mapping[str, Any] | None:
    """Decode a JSON object; None for anything else: most receivers reply with nothing or a word."""
    try:
        found = decode(reply)
    except BadJson:
        return None
    return found if isinstance(found, dict) else None
