"""The body of a streamed answer: server-sent events, read as they arrive.

A body is read by one coroutine, and no task or generator belongs to the reading: a dropped answer
leaves nothing behind. The longest wait is kept by a timer that closes the response, so that the
reader may be called from different tasks. The timer is not moved with each event; it looks at the
time that is due when it rings.
"""

import math

import aiohttp
import msgspec

from avr_sts_speechmatics.network import connection_errors, running_time

LONGEST_EVENT = 4 * 1024 * 1024
"""Longest event, and longest answer that is not streamed (bytes)."""

REST_S = 1.0
"""Time in which a server may end the response after the last event (s). The connection is used
again if the server does so; otherwise it is closed. Nobody waits for it."""

_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"  # as numbers, which are looked for five times as fast as texts of one byte


class Stalled(Exception):
    """The server sent nothing for too long."""


class Cut(Exception):
    """The answer broke off. The text says how."""


class EventStream:
    """The events of one answer.

    response: an answer whose body has not been read. The stream closes the response.

    A server that does not stream sends one JSON text, which is read like the data of one event.
    """

    __slots__ = (
        "_due",
        "_ended",
        "_events",
        "_response",
        "_rings_at",
        "_stalled",
        "_timer",
        "_whole",
    )

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        is_json = response.headers.get("content-type", "").lower().startswith("application/json")
        self._events = None if is_json else Events()
        self._whole = bytearray()  # an answer that is not streamed
        self._ended = False
        self._stalled = False
        self._due = math.inf
        self._rings_at = math.inf
        self._timer: running_time.Timer | None = None

    async def read(self, until: float) -> list[bytes] | None:
        """Wait for the next events; return their data, or None after the last event.

        until: longest wait, in running time (s).

        Comments do not count as events. Raises Stalled or Cut.
        """
        events, content = self._events, self._response.content
        while not self._ended:
            if until < self._rings_at:
                self._set_timer(until)
            self._due = until
            try:
                data = await content.readany()
            except Exception as error:  # of aiohttp's connections, parser, decoders: no family
                raise self._broken(error) from None
            self._due = math.inf
            self._ended = not data
            if events is None:
                self._whole += data
                if len(self._whole) > LONGEST_EVENT:
                    raise Cut("the answer is too long")
                if not data:
                    return [bytes(self._whole)]
            elif data:
                found = events.feed(data)
                self._ended = events.done
                if found:
                    return found
        return None

    def close(self) -> None:
        """End the reading. The connection of an unfinished answer is closed at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        response = self._response
        if response.connection is None:
            return  # read to its end: the connection is back in the pool
        if self._ended and not self._stalled:
            # Most servers end the response right behind the last event.
            rest = running_time.call_later(REST_S, response.close)
            response.content.on_eof(rest.cancel)
        else:
            response.close()

    def _broken(self, error: Exception) -> Stalled | Cut:
        # The response keeps the error. With its traceback both would be garbage for the collector.
        error.__traceback__ = None
        if self._stalled:
            return Stalled()
        return Cut(connection_errors.cut(error, str(self._response.url)))

    def _set_timer(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = until
        self._timer = running_time.call_later(until - running_time.now(), self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        if self._due == math.inf:
            return  # nobody waits; the next reader sets the timer again
        if self._due > running_time.now():
            self._set_timer(self._due)
            return
        self._stalled = True
        self._response.close()


class Events:
    """Takes the data of events out of a stream of bytes, which is cut anywhere.

    Comments, names, identifiers and events without data are left out. An event that is named
    `error` is an object with the field `error`, as OpenAI sends it. [HTML Standard, 9.2.6]

    done: `[DONE]` was read; what follows is left out.
    """

    __slots__ = ("_after_cr", "_begun", "_rest", "done")

    def __init__(self) -> None:
        self.done = False
        self._rest = bytearray()
        self._after_cr = False
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the data of the events that they complete.

        Raises Cut if an event is too long.
        """
        rest = self._rest
        if (
            data[:7] == b"data: {"
            and data.find(_LF) == len(data) - 2
            and data[-1] == _LF
            and _CR not in data
            and not rest
            and not self._after_cr
        ):
            self._begun = True
            return [data[6:-2]]  # nearly all reads are one event
        if not self._begun:
            data = bytes(self._rest) + data
            if _BOM.startswith(data) and data != _BOM:
                self._rest[:] = data
                return []
            self._begun = True
            self._rest.clear()
            data = data.removeprefix(_BOM)
        if _CR in data or self._after_cr:
            data = self._lines(data)
        if rest:
            rest += data
            if rest.find(b"\n\n", max(0, len(rest) - len(data) - 1)) < 0:
                if len(rest) > LONGEST_EVENT:
                    raise Cut("an event is too long")
                return []
            data = bytes(rest)
            rest.clear()
        *events, last = data.split(b"\n\n")
        if last:
            rest += last
            if len(last) > LONGEST_EVENT:
                raise Cut("an event is too long")
        found = []
        for event in events:
            if event[:7] == b"data: {" and _LF not in event:
                found.append(event[6:])  # nearly all events are one line
            elif payload := _data(event):
                if payload.startswith(b"[DONE]"):
                    self.done = True
                    break
                found.append(payload)
        return found

    def _lines(self, data: bytes) -> bytes:
        """Replace the line ends CR and CRLF by LF. JSON has no CR but at its line ends."""
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(event: bytes) -> bytes:
    """Return the data of one event; empty if the event has none."""
    lines = []
    name = b""
    for line in event.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.strip()
    data = b"\n".join(lines).strip()
    return _as_error(data) if name == b"error" and data else data


def _as_error(data: bytes) -> bytes:
    try:
        error = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        error = data.decode("utf-8", "replace")
    if isinstance(error, dict) and error.get("error"):
        return data
    return msgspec.json.encode({"error": error})
