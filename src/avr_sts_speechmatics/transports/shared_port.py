"""One port for WebSockets and HTTP: the head of the first request decides between them.

A request that asks for an upgrade to `websocket` goes to picows, which carries calls at low cost;
every other request goes to aiohttp, which implements all of HTTP. The socket itself is handed over,
so nothing is proxied afterwards.

While no call can be taken, a WebSocket is refused here with status 503, before the handshake: a
load balancer then tries another machine, and avr-core or Asterisk learns at once that there is no
call. Nothing of the request but its head is looked at.
"""

import asyncio
import json
from collections.abc import Callable
from typing import cast

from avr_sts_speechmatics.admission.refusal import Refusal
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.transports.limited_log import NOBODY, address_of
from avr_sts_speechmatics.transports.reception import Reception
from avr_sts_speechmatics.transports.untrusted_text import facts_of

HEAD_MAX_BYTES = 16 * 1024
HEAD_S = 10.0
"""Longest wait for the head of a request (s); then the connection is closed."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"


class SharedPort(asyncio.Protocol):
    """Waits for the head of one connection's first request.

    websocket: makes the protocol that takes over a WebSocket connection.
    http: makes the protocol that takes over any other connection.
    reception: counts connections without a call and takes log lines.

    The protocol that takes over a WebSocket connection takes the connection out of
    `reception.waiting` when the connection is closed.
    """

    def __init__(
        self,
        websocket: Callable[[], asyncio.BufferedProtocol],
        http: Callable[[], asyncio.Protocol],
        reception: Reception,
    ) -> None:
        self._reception = reception
        self._address = NOBODY
        self._websocket = websocket
        self._http = http
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None
        self._deadline = running_time.Alarm()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave like asyncio.Transport without inheriting from it.
        self._transport = cast(asyncio.Transport, transport)
        self._address = address_of(transport)
        self._reception.waiting.add(self._transport)
        self._deadline.set(HEAD_S, self._headless)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        self._head += data
        # Empty lines before a request must be ignored. [RFC 9112, 2.2]
        while self._head.startswith(b"\r\n"):
            del self._head[:2]
        end = self._head.find(b"\r\n\r\n")
        if (len(self._head) if end < 0 else end) > HEAD_MAX_BYTES:
            self._say("malformed requests", "the head of a request is too large")
            transport.write(_TOO_LARGE)
            transport.close()
            return
        if end < 0:
            return
        self._deadline.stop()
        head, self._head = bytes(self._head), bytearray()
        if asks_for_websocket(head[:end]):
            if (refusal := self._reception.why_not()) is not None:
                self._refuse(head[:end], refusal)
                return
            hand_over(transport, self._websocket(), head)
        else:
            protocol = self._http()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            protocol.data_received(head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reception.waiting.remove(self._transport)
        self._deadline.stop()

    def _refuse(self, head: bytes, refusal: Refusal) -> None:
        """Answer 503 to a request for a WebSocket, because no call can be taken."""
        transport = self._transport
        assert transport is not None
        path = head.split(b" ", 2)[1].decode("latin-1") if head.count(b" ") > 1 else "/"
        facts = facts_of(path, lambda what: None)
        kind = "asterisk-websocket" if path.startswith("/media") else "avr-websocket"
        name = facts.get("uuid") or facts.get("call") or "-"
        caller = Caller(name, kind, facts)
        self._reception.refuse(caller, transport, refusal.reason, refusal.kind)
        transport.write(unavailable(refusal))
        transport.close()

    def _headless(self) -> None:
        assert self._transport is not None
        self._say("connections without a call", f"no request within {HEAD_S:.0f} s; it is closed")
        self._transport.abort()

    def _say(self, kind: str, what: str) -> None:
        self._reception.log.say(kind, self._address, f"a connection from {self._address}: {what}")


def unavailable(refusal: Refusal) -> bytes:
    """Return a whole HTTP response that says why there is no call, and when to try again."""
    body = json.dumps({"error": refusal.reason}).encode()
    headers = {
        **refusal.headers,
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 503 Service Unavailable\r\n{lines}\r\n".encode() + body


def asks_for_websocket(head: bytes) -> bool:
    """Return True if the head of a request asks for a WebSocket. [RFC 6455, 4.2.1]"""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"upgrade":
            return b"websocket" in value.lower()
    return False


def hand_over(
    transport: asyncio.Transport, protocol: asyncio.BufferedProtocol, data: bytes
) -> None:
    """Make a buffered protocol the receiver of a connection that is already open.

    transport: the open connection.
    protocol: receives all further data.
    data: bytes received so far; the protocol receives these bytes first.
    """
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    while data and not transport.is_closing():
        buffer = memoryview(protocol.get_buffer(len(data))).cast("B")
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
