"""The relay of live calls: a client sees the calls of all workers, whichever worker it asked.

A worker that has a reader asks the supervisor to listen. The supervisor then lets every other
worker send its calls, and each of their events afterwards; the channel keeps their order. While no
worker listens, nothing is sent.

    worker that listens            supervisor                     every other worker
    -----------------------------+------------------------------+--------------------------------
    listen: true               -> remembers it, asks the others -> feed: row of the listener
                                  passes on                    <- to: row, calls: all its calls
    takes the calls            <- worker: row, calls
                                  passes on to all listeners   <- events, every FLUSH_S
    takes the events           <- worker: row, events
                                  when a worker ends:
    its calls end              <- gone: row
    listen: false              -> forgets it; asks the others   -> feed: null, if nobody listens

Neither side waits for the other. If messages pile up before a process, its events are left out, and
a new list of the calls follows when it reads again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from avr_sts_speechmatics.console.call_control import NOT_FOUND
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.console.live_view import Kind
from avr_sts_speechmatics.workers.channel import Message

FLUSH_S = 0.05
"""How long events are collected before they are sent (s)."""

EVENTS_MAX = 500
"""Most events of one message."""

BACKLOG_MAX = 1 << 20
"""Most bytes that may wait for another process before events are left out."""

CALLS_MAX = 2000
"""Most calls of a worker that are sent: a message has a limit."""

LEAVE_S = 0.3
"""Longest wait for a worker that is asked to end a call (s)."""

LISTEN_S = 0.5
"""Longest wait for the calls of the other workers (s); late ones follow in a new snapshot."""


class Way(Protocol):
    """The channel to another process."""

    @property
    def backlog(self) -> int:
        """Bytes that wait to be read by the other process."""

    def send(self, message: Message) -> None:
        """Send a message."""


class LiveRelay:
    """A worker's side. Implements `console.live_calls.Relay`.

    channel: the way to the supervisor.
    live: the calls of this worker, and its readers.
    """

    def __init__(self, channel: Way, live: LiveCalls) -> None:
        self._channel = channel
        self._live = live
        self._events: list[tuple[Kind, Mapping[str, Any]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._left_out = False
        self._listens = False
        self._expected: set[int] | None = None  # workers whose calls have not come yet
        self._all_here = asyncio.Event()

    # --- this worker listens -------------------------------------------------------------------

    async def listen(self) -> None:
        if not self._listens:
            self._listens = True
            self._expected = None
            self._all_here.clear()
            self._channel.send({"tell": "live", "listen": True})
        try:
            async with asyncio.timeout(LISTEN_S):
                await self._all_here.wait()
        except TimeoutError:
            pass

    def listen_no_more(self) -> None:
        if self._listens:
            self._listens = False
            self._channel.send({"tell": "live", "listen": False})

    # --- others listen -------------------------------------------------------------------------

    def publish(self, kind: Kind, data: Mapping[str, Any]) -> None:
        self._events.append((kind, data))
        if len(self._events) >= EVENTS_MAX:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def wrong_token(self, address: str) -> None:
        self._channel.send({"tell": "live", "wrong_token": address})

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events, self._events = self._events, []
        if not self._live.relayed:
            return
        if self._channel.backlog > BACKLOG_MAX:
            self._left_out = True
        elif self._left_out:
            self._left_out = False
            self._send_calls(None)
        elif events:
            self._channel.send({"tell": "live", "events": events})
        if self._left_out:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S * 10, self._flush)

    def _send_calls(self, to: int | None) -> None:
        """Send all calls of this worker. to: row of a listener; None for all listeners."""
        self._channel.send({"tell": "live", "to": to, "calls": self._live.own()[-CALLS_MAX:]})

    # --- what the supervisor says --------------------------------------------------------------

    def take(self, message: Message) -> None:
        live = self._live
        match message:
            case {"feed": int(to)}:
                self._flush()  # before the list, which has these events in it
                live.listened_elsewhere(True)
                self._send_calls(to)
            case {"feed": None}:
                live.listened_elsewhere(False)
            case {"expect": workers}:
                self._expected = set(workers)
                self._look()
            case {"worker": worker, "calls": calls}:
                if self._listens:
                    live.calls_of(worker, calls)
                    if self._expected is not None:
                        self._expected.discard(worker)
                    self._look()
            case {"worker": worker, "events": events}:
                for kind, data in events if self._listens else ():
                    live.happened(worker, kind, data)
            case {"gone": worker}:
                live.lost(worker)
            case {"wrong_token": address}:
                live.wrong_elsewhere(address)

    def _look(self) -> None:
        if self._expected is not None and not self._expected:
            self._all_here.set()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Worker(Protocol):
    """A worker, as the supervisor sees it."""

    @property
    def row(self) -> int:
        """Row of the board, which names the worker here."""

    @property
    def backlog(self) -> int:
        """Bytes that wait to be read by the worker."""

    @property
    def is_ready(self) -> bool:
        """Whether the worker has started."""

    def tell(self, message: Message) -> None:
        """Send a message."""

    async def leave(self, question: Message, within_s: float) -> Message | None:
        """End or transfer a call of the worker; returns None if it does not answer in time."""


class LiveExchange:
    """The supervisor's side.

    workers: returns all workers that run.
    """

    def __init__(self, workers: Callable[[], "Iterable[Worker]"]) -> None:
        self._workers = workers
        self._listeners: dict[int, Worker] = {}  # by row
        self._behind: set[int] = set()  # listeners for which events were left out

    def gone(self, worker: Worker) -> None:
        """A worker has ended."""
        self._forget(worker)
        for listener in self._listeners.values():
            listener.tell({"tell": "live", "gone": worker.row})

    def told(self, worker: Worker, message: Message) -> None:
        """Take a message of a worker."""
        match message:
            case {"tell": "ready"}:
                for row in self._listeners:
                    worker.tell({"tell": "live", "feed": row})
            case {"listen": True}:
                self._listeners[worker.row] = worker
                others = self._others(worker)
                worker.tell({"tell": "live", "expect": [one.row for one in others]})
                for other in others:
                    other.tell({"tell": "live", "feed": worker.row})
            case {"listen": False}:
                self._forget(worker)
            case {"to": to, "calls": calls}:
                found: Message = {"tell": "live", "worker": worker.row, "calls": calls}
                for row, listener in self._listeners.items():
                    if row != worker.row and to in (None, row):
                        listener.tell(found)
            case {"events": events}:
                self._pass_on(worker, events)
            case {"wrong_token": _}:
                for other in self._others(worker):
                    other.tell(message)

    async def leave(self, asking: Worker, question: Message) -> Message:
        """Let the worker that has a call end or transfer the call."""
        order = {name: question[name] for name in ("what", "key", "extension")}
        answers = await asyncio.gather(*(one.leave(order, LEAVE_S) for one in self._others(asking)))
        return next((one for one in answers if one is not None and one["found"]), NOT_FOUND)

    def _pass_on(self, worker: Worker, events: list[Any]) -> None:
        message: Message = {"tell": "live", "worker": worker.row, "events": events}
        for row, listener in self._listeners.items():
            if listener is worker:
                continue
            if listener.backlog > BACKLOG_MAX:
                self._behind.add(row)
            elif row in self._behind:
                self._behind.discard(row)
                for other in self._others(listener):
                    other.tell({"tell": "live", "feed": row})
            else:
                listener.tell(message)

    def _forget(self, worker: Worker) -> None:
        self._behind.discard(worker.row)
        if self._listeners.pop(worker.row, None) is None:
            return
        # A worker is fed as long as a worker other than itself listens.
        for other in self._workers():
            if other.is_ready and not self._listeners.keys() - {other.row}:
                other.tell({"tell": "live", "feed": None})

    def _others(self, worker: Worker) -> "list[Worker]":
        return [one for one in self._workers() if one is not worker and one.is_ready]
