"""WebSockets by picows: accepting a socket that is already open, connecting, whole messages.

picows parses and writes frames in C, passes frames on without a copy, and writes to the socket in
the same call. picows leaves four tasks to its users, and this module does them: joining fragmented
messages (RFC 6455, 5.4), reading close codes that picows does not list (4000 to 4999 belong to
applications), cancelling a connect without leaving a socket open, and waiting for pongs in running
time.

What a client can make this service write is limited: pings are answered by the listener, which
knows what the client has not read yet, and nothing is read after a protocol error, which picows
would otherwise answer again and again.

Sockets are given to `picows.picows.WSProtocol` directly, because the service shares its port
between WebSocket and HTTP and can tell them apart only after the first bytes. The constructor of
WSProtocol is not public, and neither is picows' way through a proxy; therefore pyproject.toml pins
the minor version of picows.
"""

import asyncio
import logging
import ssl
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast
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
from picows.proxy import ConnectedTransport, connect_through_optional_proxy
from picows.url import parse_url
from python_socks import ProxyError

from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.proxies import Proxy, failure_of

MAX_MESSAGE_BYTES = 1 << 20
"""Longest message that is accepted (bytes). One second of a call takes 22 600 bytes."""

PING_IDLE_S = 20.0
"""Silence of a peer after which a ping is sent, and the longest wait for the pong (s)."""

UNREAD_MAX_BYTES = 256 * 1024
"""Most data that a peer may leave unread (bytes); then its connection is aborted."""

CLOSE_S = 1.0
"""Longest wait for unsent data after a protocol error (s); then the connection is aborted."""

NO_CODE = 1006
"""Close code of a connection that ended without a close code. [RFC 6455, 7.4.1]"""

_log = logging.getLogger("picows")


class Watch:
    """Reports about accepted connections, for the owner of a port."""

    def refused(self, transport: asyncio.Transport, why: str) -> None:
        """The handshake was refused."""

    def wrong(self, transport: asyncio.Transport, why: str) -> None:
        """The client broke the protocol; the connection is being closed."""

    def failed(self, transport: asyncio.Transport, error: BaseException) -> None:
        """The listener raised an exception, which is a fault of this service."""
        _log.error("a WebSocket's listener failed", exc_info=error)

    def lost(self, transport: asyncio.Transport) -> None:
        """The connection is closed."""


def accept(
    listener_factory: Callable[[WSUpgradeRequest], WSListener | WSUpgradeResponseWithListener],
    watch: Watch | None = None,
) -> asyncio.BufferedProtocol:
    """Make the protocol of one accepted connection.

    The caller gives the protocol its transport and the first bytes of the connection. The listener
    must answer pings itself.

    listener_factory: called with the upgrade request; returns the listener, together with a
        response if the handshake needs another response than the usual one.
    watch: receives the reports about the connection.
    """
    protocol: asyncio.BufferedProtocol = _Accepted(listener_factory, watch or Watch())
    return protocol


def unread_bytes(transport: WSTransport) -> int:
    """Return how much sent data the peer has not taken yet (bytes), without the kernel's share."""
    size: int = transport.underlying_transport.get_write_buffer_size()
    return size


async def connect(
    listener: WSListener,
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
    proxy: Proxy | None = None,
    timeout: float = 5.0,
) -> WSTransport:
    """Open a WebSocket. Returns after the handshake and `listener.on_ws_connected`.

    listener: receives the frames and the end of the connection.
    url: a ws:// or wss:// address.
    tls: TLS context for wss. Connections share one context, because making one takes 25 ms.
    headers: additional headers of the request.
    proxy: the HTTP proxy to connect through, or None.
    timeout: longest time for connecting and the handshake (s).

    Cancelling is safe: no socket is left open.
    Raises OSError (ProxyFailed if the proxy is to blame), TimeoutError, or picows' WSError (a
    WSHandshakeError has the response).
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    loop = asyncio.get_running_loop()
    context = tls if secure else None

    def protocol_of_connection() -> WSProtocol:
        return _protocol(
            parts.netloc, path, True, lambda: listener, handshake_s=None, headers=headers
        )

    async with running_time.timeout(timeout):
        if proxy is None:
            transport, protocol = await loop.create_connection(
                protocol_of_connection,
                parts.hostname or "",
                parts.port or (443 if secure else 80),
                ssl=context,
            )
        else:
            transport = await tunnel(proxy, url, tls=context)
            protocol = protocol_of_connection()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
        try:
            await protocol.wait_until_handshake_complete()
            if protocol.listener is None:
                raise ConnectionResetError("closed during the handshake")
        except BaseException:
            transport.abort()
            raise
    opened: WSTransport = protocol.transport
    return opened


async def tunnel(proxy: Proxy, url: str, *, tls: ssl.SSLContext | None = None) -> asyncio.Transport:
    """Connect to the server of an address through a proxy, with CONNECT.

    url: an address with scheme ws, wss, http or https.
    tls: TLS context for the connection inside the tunnel; None for none.

    Returns the transport, whose protocol the caller must replace. Raises OSError, also ProxyFailed.
    """
    loop = asyncio.get_running_loop()
    target, through = parse_url(url, False), parse_url(proxy.url.reveal(), False)
    try:
        connected = await connect_through_optional_proxy(
            loop, target, through, None, None, None, {}, loop.create_connection
        )
    except ProxyError as error:
        raise failure_of(error, proxy) or proxy.unreachable(str(error)) from error
    except OSError as error:
        raise proxy.unreachable(error.strerror or str(error)) from error
    assert isinstance(connected, ConnectedTransport)  # as for every HTTP proxy
    transport: asyncio.Transport | None = connected.transport
    if tls is not None:
        try:
            transport = await loop.start_tls(
                connected.transport,
                connected.transport.get_protocol(),
                tls,
                server_hostname=target.host,
            )
        except BaseException:
            connected.transport.abort()
            raise
    if transport is None:
        raise ConnectionResetError("closed while TLS was being started")
    return transport


def _protocol(
    host: str | None,
    path: str | None,
    client: bool,
    listener_factory: Callable[..., WSListener | WSUpgradeResponseWithListener],
    *,
    handshake_s: float | None,
    headers: Mapping[str, str] | None,
) -> WSProtocol:
    arguments = _arguments(host, path, client, listener_factory, _log, handshake_s, headers)
    return WSProtocol(*arguments)


def _arguments(
    host: str | None,
    path: str | None,
    client: bool,
    listener_factory: Callable[..., WSListener | WSUpgradeResponseWithListener],
    log: object,
    handshake_s: float | None,
    headers: Mapping[str, str] | None,
) -> tuple[object, ...]:
    """Return the arguments of WSProtocol's constructor, in order."""
    return (
        host,
        path,
        client,
        listener_factory,
        log,
        True,  # an exception in a listener closes only that listener's connection
        handshake_s,
        True,  # pings
        PING_IDLE_S,
        PING_IDLE_S,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        client,  # pongs; the listener of an accepted connection answers pings itself
        MAX_MESSAGE_BYTES,
        headers,
        4096,  # initial size of the read buffer (bytes): a few frames of audio; grows if needed
    )


class _Accepted(WSProtocol):  # type: ignore[misc]
    """The protocol of one accepted connection."""

    def __init__(
        self,
        listener_factory: Callable[[WSUpgradeRequest], WSListener | WSUpgradeResponseWithListener],
        watch: Watch,
    ) -> None:
        log = _ConnectionLog(watch)
        super().__init__(*_arguments(None, None, False, listener_factory, log, 5.0, None))
        self._connection_log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection_log.transport = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        log, response = self._connection_log, self.transport.response
        log.stop()
        assert log.transport is not None
        if response is not None and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            why = (response.body or b"").decode("utf-8", "replace")
            log.watch.refused(log.transport, f"{int(response.status)} {why}")
        log.watch.lost(log.transport)


class _ConnectionLog:
    """The logger of one connection's protocol. picows reports errors only by log lines."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.transport: asyncio.Transport | None = None
        self._abort: asyncio.TimerHandle | None = None

    def isEnabledFor(self, level: int) -> bool:
        return False

    def log(self, *args: object) -> None:
        """Do nothing: `Watch` reports handshakes and connections that open or close."""

    debug = info = warning = log

    def error(self, text: str, *args: object) -> None:
        if self._end_soon():
            # A parser error's arguments are its close code and its text.
            what = args[0] if args else text
            why = str(what[-1]) if isinstance(what, tuple) and what else str(what)
            self.watch.wrong(cast(asyncio.Transport, self.transport), why)

    def exception(self, text: str, *args: object) -> None:
        error = sys.exception()
        if self._end_soon() and error is not None:
            self.watch.failed(cast(asyncio.Transport, self.transport), error)

    def _end_soon(self) -> bool:
        """Read no more, and bound the wait for unsent data. Returns False for a repeated call."""
        if self.transport is None or self._abort is not None:
            return False
        if not self.transport.is_closing():
            self.transport.pause_reading()
        self._abort = asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)
        return True

    def stop(self) -> None:
        if self._abort is not None:
            self._abort.cancel()


class Listener(WSListener):
    """A listener whose peer is not given up for a standstill of this process.

    picows counts the wait for a pong in real time, and looks at its clock before it reads sockets.
    """

    def send_user_specific_ping(self, transport: WSTransport) -> None:
        transport.send_ping()
        loop = asyncio.get_running_loop()
        # Just before picows judges; a pong that waits in the socket is read afterwards.
        wait = PING_IDLE_S - min(PING_IDLE_S / 4, running_time.GRACE_S)
        loop.call_later(wait, _forgive, transport, running_time.now() + wait)


def _forgive(transport: WSTransport, due: float) -> None:
    """Count a pong as received if this process stood still meanwhile; the next ping decides.

    due: running time of this call if the process did not stand still (s).
    """
    if running_time.now() < due - running_time.LAG_S:
        transport.notify_user_specific_pong_received()


class Messages:
    """Joins frames into whole messages, for one direction of one connection."""

    __slots__ = ("_parts", "_size", "_type")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._type: WSMsgType | None = None
        self._size = 0

    def feed(self, frame: WSFrame) -> tuple[WSMsgType, memoryview | bytes] | None:
        """Add a TEXT, BINARY or CONTINUATION frame.

        Returns the type and the payload of the message that the frame completes, or None. A
        message of one frame, the usual case, is a view that is valid only during the callback.
        Raises ValueError if the message is longer than MAX_MESSAGE_BYTES or its fragments are out
        of order.
        """
        kind = frame.msg_type
        if kind != WSMsgType.CONTINUATION:
            if self._type is not None:
                raise ValueError("a message that begins within another")
            if frame.fin:
                # picows answers a too long frame with 1009, and still passes the frame on.
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
    """Return code and reason of a CLOSE frame; NO_CODE for a frame without. [RFC 6455, 5.5.1]"""
    payload = frame.get_payload_as_bytes()
    if len(payload) < 2:
        return NO_CODE, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")
