"""Webhooks: what happens to calls, told to the operator's own server as avr-core tells it.

`POST WEBHOOK_URL` with `{"uuid", "type", "timestamp", "payload"}`, the secret in a header.
[AVR protocol, 7]

Each call has a queue of its own: its events arrive in order, and one that must be tried again holds
up no other call. A fixed number of workers takes the calls in turn, one event each. So a receiver
that is slow or gone costs bounded memory, bounded connections, and the events; never a caller's
time. An event may arrive twice: a request that was answered too late may have been taken.

`call_initiated` is the one event whose reply matters and for which a caller waits. It has
connections of its own, so that no backlog delays a call's beginning.

What is told when is the call's business, what a reply means that of whoever asked.
"""

import asyncio
import json
import logging
import random
import time
from collections import deque
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

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
        self._calls: dict[str, _Call] = {}
        self._queued = 0
        self._ready: deque[_Call] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._asks: set[asyncio.Task[Mapping[str, Any] | None]] = set()
        self._asking = asyncio.Semaphore(CONNECTIONS)
        self._closing = False
        self._untold = 0
        self._why = ""
        self._tell_at = 0.0

    def send(self, uuid: str, event: EventName, payload: Mapping[str, object]) -> None:
        """Have an event delivered, after those of the same call that were sent before it.

        Returns at once and never raises; an event that finds no place is lost.
        """
        call = self._calls.get(uuid)
        waiting = len(call.events) if call is not None else 0
        # A receiver that never hears of a call's end keeps it for ever: there is always place.
        full = waiting >= QUEUED_PER_CALL and event != "call_ended"
        if self._closing or full or self._queued >= QUEUED_MAX:
            self._lose(_ENDING if self._closing else "too many are waiting")
            return
        if call is None:
            call = self._calls[uuid] = _Call(uuid)
        call.events.append(_Event(_envelope(uuid, event, payload)))
        self._queued += 1
        self._go_on(call)

    async def ask(self, uuid: str, payload: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Deliver `call_initiated` and wait for the reply; later events of the call wait too.

        Returns the reply if it is a JSON object, else None. Takes no longer than
        timeout x (retries + 1), nor than ASK_S; never raises. Cancelling is safe: the event is
        delivered all the same.
        """
        if self._closing:
            self._lose(_ENDING)
            return None
        call = self._calls.setdefault(uuid, _Call(uuid))
        call.held += 1
        body = _envelope(uuid, "call_initiated", payload)
        task = asyncio.create_task(self._ask(body), context=Context())
        self._asks.add(task)

        def asked(task: asyncio.Task[Mapping[str, Any] | None]) -> None:
            self._asks.discard(task)
            if task.cancelled():
                self._lose(_ENDING)
            call.held -= 1
            self._go_on(call)

        task.add_done_callback(asked)
        await asyncio.wait((task,))
        return None if task.cancelled() else task.result()

    async def close(self) -> None:
        """Take no more events, give those that wait one more try for CLOSE_S, drop the rest."""
        self._closing = True
        if self._asks:
            for asking in self._asks:
                asking.cancel()
            await asyncio.wait(self._asks)
        for call in self._calls.values():
            if call.again is not None:
                call.again.cancel()
                self._make_ready(call)
        if self._workers:
            await asyncio.wait(self._workers, timeout=CLOSE_S)
        if self._workers:
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers)
        if self._queued:
            self._lose(_ENDING, self._queued)
        if self._untold:
            self._tell()
        await self._receiver.close()

    # --- whose turn it is ----------------------------------------------------------------------

    def _go_on(self, call: "_Call") -> None:
        """See to the next event of a call, unless somebody has the call in hand."""
        if self._take(call):
            self._make_ready(call)

    def _take(self, call: "_Call") -> bool:
        """Take a call in hand if its next event may be delivered; forget it if there is none."""
        if call.held:
            return False
        if not call.events:
            self._calls.pop(call.uuid, None)
            return False
        call.held += 1
        return True

    def _make_ready(self, call: "_Call") -> None:
        call.again = None
        self._ready.append(call)
        if len(self._workers) < CONNECTIONS:
            # Not in the context of the call that happened to need it: its log lines are of all.
            worker = asyncio.create_task(self._work(), context=Context())
            self._workers.add(worker)

    async def _work(self) -> None:
        """Deliver events while there are calls that have some."""
        try:
            while self._ready:
                call = self._ready.popleft()
                if not await self._deliver(call):
                    continue
                call.events.popleft()
                self._queued -= 1
                call.held -= 1
                if self._take(call):
                    self._ready.append(call)
        finally:
            # At once: whoever looks for a worker next must not count this one.
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _deliver(self, call: "_Call") -> bool:
        """Send a call's next event; False if it is to be tried again later."""
        event = call.events[0]
        event.tries += 1
        try:
            await self._receiver.post(event.body)
        except Undelivered as failure:
            if self._may_try_again(failure, event.tries) and not self._closing:
                call.again = asyncio.get_running_loop().call_later(
                    _back_off(event.tries), self._make_ready, call, context=Context()
                )
                return False
            self._lose(str(failure))
        return True

    async def _ask(self, body: bytes) -> Mapping[str, Any] | None:
        longest = min(ASK_S, self._timeout_s * (self._retries + 1))
        tries = 0
        try:
            async with asyncio.timeout(longest), self._asking:
                while True:
                    tries += 1
                    try:
                        return _object(await self._receiver.post(body, wants_reply=True))
                    except Undelivered as failure:
                        if not self._may_try_again(failure, tries):
                            self._lose(str(failure))
                            return None
                    await asyncio.sleep(_back_off(tries))
        except TimeoutError:
            self._lose(f"no answer within {longest:g} s")
            return None

    def _may_try_again(self, failure: Undelivered, tries: int) -> bool:
        return failure.again and tries <= self._retries

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


@dataclass(slots=True)
class _Event:
    body: bytes
    tries: int = 0


@dataclass(slots=True, eq=False)
class _Call:
    """The events of one call.

    held: by a worker, or waiting for one, or for a second try; and by each `ask`. While it is held
    nobody else takes an event of it. again: when it is tried again.
    """

    uuid: str
    events: deque[_Event] = field(default_factory=deque)
    held: int = 0
    again: asyncio.TimerHandle | None = None


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
