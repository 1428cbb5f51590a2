"""WebSockets by picows: accepting a socket that is already open, connecting, whole messages.

picows parses and writes frames in C, hands them out without a copy, and writes to the socket in
the same call. What it leaves to its users is done here once: putting fragmented messages together
(RFC 6455, 5.4), reading close codes that are not in its list (4000 to 4999 are an application's
own), and a connect that leaves nothing behind when it is cancelled.

Sockets are handed to `picows.picows.WSProtocol` directly: the service shares its port between
WebSockets and HTTP, and knows which it is only after the first bytes. Its constructor is not
public, which is why pyproject.toml pins the minor version.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from picows import (
    WSAutoPingStrategy,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]

MAX_MESSAGE_BYTES = 1 << 20
"""Longest message taken from anybody (bytes); one second of a call is 22 600."""

PING_IDLE_S = 20.0
"""A peer that is silent this long is asked whether it is there, and given as long to answer (s)."""

NO_CODE = 1006
"""Close code for a connection that ended without one. [RFC 6455, 7.4.1]"""

_log = logging.getLogger("picows")


def accept(
    listener_factory: Callable[[WSUpgradeRequest], WSListener | WSUpgradeResponseWithListener],
) -> asyncio.BufferedProtocol:
    """A protocol for one accepted connection, to be given its transport and its first bytes.

    listener_factory: with a response of its own where the handshake needs more than usual.
    """
    protocol: asyncio.BufferedProtocol = _protocol(
        None, None, False, listener_factory, handshake_s=5.0, headers=None
    )
    return protocol


async def connect(
    listener: WSListener,
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5.0,
) -> WSTransport:
    """Open a WebSocket; returns after the handshake, when `listener` has been told.

    tls: for wss; shared between connections, because making one costs 25 ms.
    Cancelling is safe: no socket is left behind.
    Raises OSError, TimeoutError, or picows' WSError (a WSHandshakeError has the response).
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        transport, protocol = await loop.create_connection(
            lambda: _protocol(
                parts.netloc, path, True, lambda: listener, handshake_s=timeout, headers=headers
            ),
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            ssl=tls if secure else None,
        )
        try:
            await protocol.wait_until_handshake_complete()
            if protocol.listener is None:
                raise ConnectionResetError("closed during the handshake")
        except BaseException:
            transport.abort()
            raise
    opened: WSTransport = protocol.transport
    return opened


def _protocol(
    host: str | None,
    path: str | None,
    client: bool,
    listener_factory: Callable[..., WSListener | WSUpgradeResponseWithListener],
    *,
    handshake_s: float,
    headers: Mapping[str, str] | None,
) -> WSProtocol:
    return WSProtocol(
        host,
        path,
        client,
        listener_factory,
        _log,
        True,  # an exception in a listener closes that connection, and only that
        handshake_s,
        True,  # pings
        PING_IDLE_S,
        PING_IDLE_S,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        True,  # pongs
        MAX_MESSAGE_BYTES,
        headers,
        4096,  # first size of the read buffer (bytes): a few frames of audio; it grows at need
    )


class Messages:
    """Whole messages out of frames, for one direction of one connection."""

    __slots__ = ("_parts", "_size", "_type")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._type: WSMsgType | None = None
        self._size = 0

    def feed(self, frame: WSFrame) -> tuple[WSMsgType, memoryview | bytes] | None:
        """Take a TEXT, BINARY or CONTINUATION frame; return the message it completes, if it does.

        A message in one frame, the usual case, is a view that is valid only during the callback.
        Raises ValueError when the fragments are longer than MAX_MESSAGE_BYTES or out of order.
        """
        kind = frame.msg_type
        if kind != WSMsgType.CONTINUATION:
            if self._type is not None:
                raise ValueError("a message that begins within another")
            if frame.fin:
                # picows answers 1009 to a frame that is too long, and hands it out all the same.
                if frame.payload_size > MAX_MESSAGE_BYTES:
                    raise ValueError(f"a message of more than {MAX_MESSAGE_BYTES} bytes")
                return kind, frame.get_payload_as_memoryview()
            self._type, self._parts, self._size = kind, [], 0
        elif self._type is None:
            raise ValueError("a continuation frame without a beginning")
        self._size += frame.payload_size
        if self._size > MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of more than {MAX_MESSAGE_BYTES} bytes")
        self._parts.append(frame.get_payload_as_bytes())
        if not frame.fin or self._type is None:
            return None
        whole, kind, self._parts, self._type = b"".join(self._parts), self._type, [], None
        return kind, whole


def close_reason(frame: WSFrame) -> tuple[int, str]:
    """Code and reason of a CLOSE frame; NO_CODE where it has none. [RFC 6455, 5.5.1]"""
    payload = frame.get_payload_as_bytes()
    if len(payload) < 2:
        return NO_CODE, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")
