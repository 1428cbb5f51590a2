"""Live calls: the calls that are running, and the readers that follow them.

Each call's observer (`live_observer`) keeps a small picture of its call and publishes events. While
nobody reads, publishing is one comparison. A reader has a bounded buffer: an event is encoded once
and put into the buffer of every reader, and a reader whose buffer is full is cut off. So neither
the number of readers nor their speed delays a call.

With several workers, a `Relay` brings the calls of the other workers (workers/live_relay.py).
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any, Protocol

import msgspec

from avr_sts_speechmatics.console.live_view import Kind, View, applied

READERS_MAX = 32
"""Most readers of one process."""

BUFFER_MAX = 512 * 1024
"""Events that a reader may leave unread before it is cut off (bytes)."""


class Relay(Protocol):
    """The way to the calls of other workers."""

    async def listen(self) -> None:
        """Begin to bring the calls of the other workers; return when they are there."""

    def listen_no_more(self) -> None:
        """Bring nothing more."""

    def publish(self, kind: Kind, data: Mapping[str, Any]) -> None:
        """Pass an event on to the workers that listen."""

    def wrong_token(self, address: str) -> None:
        """Tell all other workers that a client gave a wrong token."""


class RunningCall(Protocol):
    """A call of this process."""

    def shown(self) -> View:
        """Return the call as clients see it."""


class TooManyReaders(Exception):
    """No further reader is taken."""


class Reader:
    """One client that follows the calls.

    cut: called once when the client is too slow.
    buffer_max: see BUFFER_MAX (bytes).
    """

    def __init__(self, cut: Callable[[], None], buffer_max: int = BUFFER_MAX) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._buffer_max = buffer_max
        self._something = asyncio.Event()
        self._cut = cut
        self.resync = False
        """Whether a new snapshot must be sent in place of what was waiting."""
        self.over = False
        """Whether nothing more follows."""

    def put(self, piece: bytes) -> None:
        """Add an event. Cuts the reader off if its buffer is full."""
        if self.over or self.resync:
            return
        self._bytes += len(piece)
        if self._bytes > self._buffer_max:
            self.end()
            self._pieces.clear()
            self._cut()
            return
        self._pieces.append(piece)
        self._something.set()

    def ask_resync(self) -> None:
        """Let the reader send a new snapshot: events that wait are part of it."""
        self.resync = True
        self._pieces.clear()
        self._bytes = 0
        self._something.set()

    def end(self) -> None:
        self.over = True
        self._something.set()

    async def wait(self) -> None:
        """Wait until there is something to send, or nothing more follows."""
        await self._something.wait()

    def take(self) -> bytes:
        """Return everything that waits."""
        found = b"".join(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        if not self.over:
            self._something.clear()
        return found


class LiveCalls:
    """The running calls of the service.

    history: what is kept of calls, see HISTORY_LEVELS; it decides whether clients see words.
    opened: called with the transport of a client that stays connected.
    readers_max: see READERS_MAX.
    """

    def __init__(
        self,
        history: str,
        opened: Callable[[Any], None] = lambda transport: None,
        *,
        readers_max: int = READERS_MAX,
    ) -> None:
        self.history = history
        self.words = history in ("transcripts", "recordings")
        """Whether clients see what is said."""
        self.opened = opened
        self.relay: Relay | None = None
        self.relayed = False
        """Whether other workers listen."""
        self.listened = False
        """Whether anybody reads: otherwise nothing needs to be published."""
        self.wrong_elsewhere: Callable[[str], None] = lambda address: None
        """Called with the address of a client that gave a wrong token to another worker."""
        self._own: dict[str, RunningCall] = {}
        self._others: dict[int, dict[str, View]] = {}
        self._readers: set[Reader] = set()
        self._readers_max = readers_max
        self._numbers = count(1)
        self._epoch = f"{time.time_ns() // 1_000_000:x}-{os.getpid():x}"
        self._closed = False

    # --- the calls of this process -------------------------------------------------------------

    def began(self, key: str, call: RunningCall) -> None:
        self._own[key] = call
        if self.listened:
            self.publish("began", call.shown())

    def ended(self, key: str, summary: Callable[[], Mapping[str, Any]]) -> None:
        if self._own.pop(key, None) is not None and self.listened:
            self.publish("ended", summary())

    def publish(self, kind: Kind, data: Mapping[str, Any]) -> None:
        """Tell everybody who reads. Callers ask `listened` first, to save the work."""
        self._tell(kind, data)
        if self.relayed and self.relay is not None:
            self.relay.publish(kind, data)

    def own(self) -> list[View]:
        """Return the calls of this process."""
        return [call.shown() for call in self._own.values()]

    # --- the calls of other workers ------------------------------------------------------------

    def listened_elsewhere(self, listened: bool) -> None:
        """Take note of whether other workers listen."""
        self.relayed = listened
        self._look()

    def calls_of(self, worker: int, calls: Iterable[View]) -> None:
        """Take all calls of another worker."""
        self._others[worker] = {call["key"]: call for call in calls}
        for reader in self._readers:
            reader.ask_resync()

    def happened(self, worker: int, kind: Kind, data: Mapping[str, Any]) -> None:
        """Take an event of another worker."""
        calls = self._others.get(worker)
        if calls is None or not self._readers:
            return  # its calls are on their way, with this event in them
        key = data["key"]
        if kind == "began":
            calls[key] = dict(data)
        elif kind == "ended":
            calls.pop(key, None)
        elif (view := calls.get(key)) is not None:
            applied(view, kind, data)
        self._tell(kind, data)

    def lost(self, worker: int) -> None:
        """Another worker has ended, with all calls that it had."""
        for view in self._others.pop(worker, {}).values():
            self._tell("ended", {"key": view["key"], "uuid": view["uuid"], "reason": "lost"})

    def wrong_token(self, address: str) -> None:
        """A client gave a wrong token: other workers count it as well."""
        if self.relay is not None:
            self.relay.wrong_token(address)

    # --- readers -------------------------------------------------------------------------------

    async def add(self, reader: Reader) -> None:
        """Let a reader follow the calls. Raises TooManyReaders."""
        if self._closed or len(self._readers) >= self._readers_max:
            raise TooManyReaders
        self._readers.add(reader)
        self._look()
        if self.relay is not None:
            await self.relay.listen()

    def remove(self, reader: Reader) -> None:
        self._readers.discard(reader)
        if not self._readers and self.relay is not None:
            self.relay.listen_no_more()
            self._others.clear()
        self._look()

    def snapshot(self, reader: Reader) -> bytes:
        """Return the event with all calls, for the beginning; events that wait are part of it."""
        reader.ask_resync()
        reader.take()
        reader.resync = False
        calls = self.own()
        for of_worker in self._others.values():
            calls += of_worker.values()
        calls.sort(key=lambda call: str(call["key"]))
        return self._event("snapshot", {"words": self.words, "calls": calls})

    def close(self) -> None:
        """End all readers."""
        self._closed = True
        for reader in self._readers:
            reader.put(b"event: closing\ndata: {}\n\n")
            reader.end()

    def _tell(self, kind: str, data: Mapping[str, Any]) -> None:
        if self._readers:
            piece = self._event(kind, data)
            for reader in self._readers:
                reader.put(piece)

    def _event(self, kind: str, data: Mapping[str, Any]) -> bytes:
        content = msgspec.json.encode(data)
        return f"id: {self._epoch}-{next(self._numbers)}\nevent: {kind}\ndata: ".encode() + (
            content + b"\n\n"
        )

    def _look(self) -> None:
        self.listened = bool(self._readers) or self.relayed
