"""One session with a recogniser over a WebSocket: connect, watch, end. Knows no vendor's messages.

A vendor's session derives from `WebSocketSession` and reads and writes the messages. Whether
another session follows is decided elsewhere (`reconnecting`), by the `retryable` of the error that
ends this one.
"""

import asyncio
import logging
import ssl
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from picows import WSCloseCode, WSError, WSFrame, WSHandshakeError, WSMsgType, WSTransport

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import FailureKind, ServiceError, kind_of_status
from avr_sts_speechmatics.network import connection_errors, running_time
from avr_sts_speechmatics.network.proxies import Proxy, ProxyFailed
from avr_sts_speechmatics.network.untrusted_json import ERRORS
from avr_sts_speechmatics.network.websocket import (
    NO_CODE,
    Listener,
    Messages,
    close_reason,
    connect,
)
from avr_sts_speechmatics.services.stt.protocol import SessionListener, TooManySessions
from avr_sts_speechmatics.values import Secret

CONNECT_S = 5.0
"""Longest wait for a connection, and again for the session to start (s). The service may need
longer to load additional words; the next try then finds them loaded."""

WATCH_S = 1.0
"""How often a session is checked (s)."""

QUOTA_WAIT_S = 5.0
"""Wait after "too many sessions" (s). [Agent STT reference, 7: at least 5]"""

_FAREWELL_S = 0.5

_TEXT = WSMsgType.TEXT

_FATAL_STATUS = frozenset({400, 401, 403, 404, 405})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vendor's recogniser is, and how it is reached.

    url: WebSocket address.
    headers: of the opening request, with the key.
    tls: None for a `ws:` address.
    proxy: the HTTP proxy to connect through, or None.
    key_setting: name of the setting that holds the key, for errors.
    """

    url: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    proxy: Proxy | None
    key_setting: str


def place(url: str, key: Secret | None, proxy: Proxy | None, *, key_setting: str) -> Place:
    """Return the Place of an address; `key` is None for a server without keys."""
    headers = {} if key is None else {"Authorization": f"Bearer {key.reveal()}"}
    tls = ssl.create_default_context() if url.startswith("wss:") else None
    return Place(url, headers, tls, proxy, key_setting)


class WebSocketSession(Listener):
    """Implements `protocol.SttSession`, except `send`.

    place: where the recogniser is.
    rate: sample rate that is sent (Hz).
    listener: takes the reports.
    """

    fatal_codes: ClassVar[frozenset[int]] = frozenset({1003})
    """Close codes after which no further session is tried."""

    busy_codes: ClassVar[frozenset[int]] = frozenset()
    """Close codes for too many sessions."""

    def __init__(self, place: Place, rate: int, listener: SessionListener) -> None:
        self._place = place
        self._rate = rate
        self._listener = listener
        self._messages = Messages()
        self._transport: WSTransport | None = None
        self._resampler = Resampler(RATE, rate) if rate != RATE else None
        self._messages_came = False
        self._watching = running_time.Alarm()
        self._opened_at = self._quiet_since = 0.0
        # Over: no more messages are expected. Gone: the socket is closed as well.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._error: ServiceError | None = None
        self._close_code = NO_CODE
        self.started_at: float | None = None
        self.writable = True

    # --- what a vendor's session does ----------------------------------------------------------

    @abstractmethod
    def _opened(self, transport: WSTransport) -> None:
        """Send the messages that ask for a session."""

    decode: Callable[[memoryview | bytes], Any]
    """Decoder of a whole message. Raises one of `untrusted_json.ERRORS` if it cannot be read."""

    @abstractmethod
    def _take(self, message: Any) -> None:
        """Take a message, as `decode` returned it."""

    @abstractmethod
    def _say_goodbye(self, transport: WSTransport) -> bool:
        """Tell the recogniser that no audio will follow. Returns whether an answer is expected."""

    def _check(self, now: float) -> None:
        """Fail if a session that has started is dead. Called each WATCH_S."""

    # -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open the session and stay until it ends. Always raises ServiceError."""
        place = self._place
        try:
            self._transport = await connect(
                self,
                place.url,
                tls=place.tls,
                headers=place.headers,
                proxy=place.proxy,
                timeout=CONNECT_S,
            )
        except (OSError, TimeoutError, WSError) as error:
            raise _refused(error, place) from error
        try:
            self._opened(self._transport)
            await self._watch()
        finally:
            await self._close()
        raise self._error or self._dropped()

    async def _watch(self) -> None:
        """Return when the session is over. A session that gets no message for too long fails."""
        self._opened_at = self._quiet_since = running_time.now()
        # A callback: a task that wakes up each second in each call costs five times as much.
        self._watching.set(WATCH_S, self._look)
        try:
            await asyncio.wait((self._over,))  # to await the future itself would cancel it
        finally:
            self._watching.stop()

    def _look(self) -> None:
        now = running_time.now()
        if self._messages_came:
            self._messages_came = False
            self._quiet_since = now
        if self.started_at is not None:
            self._check(now)
        elif now - self._opened_at > CONNECT_S:
            self._fail("the session did not start in time", retryable=True, kind="timeout")
        self._watching.set(WATCH_S, self._look)

    async def _close(self) -> None:
        """Say goodbye if the service still reads, and leave no socket behind."""
        transport = self._transport
        assert transport is not None
        try:
            if self.started_at is not None and self.writable and not self._over.done():
                self._listener.closing()
                self.writable = False
                if self._say_goodbye(transport):
                    await running_time.wait((self._over,), timeout=_FAREWELL_S)
        finally:
            transport.send_close(WSCloseCode.OK)
            # Data that a stalled service does not take is not waited for.
            unsent = transport.underlying_transport.get_write_buffer_size()
            transport.disconnect(graceful=not unsent)
            await asyncio.wait((self._gone,), timeout=_FAREWELL_S)

    def _fail(
        self, what: str, *, retryable: bool, busy: bool = False, kind: FailureKind | None = None
    ) -> None:
        """End the session.

        what: text of the error, for the operator.
        retryable: whether the next try may succeed; without meaning where `busy`.
        busy: there are too many sessions.
        kind: see `ServiceError`.
        """
        if self._error is None:
            if busy:
                self._error = TooManySessions(f"too many sessions: {what}", QUOTA_WAIT_S)
            else:
                self._error = ServiceError("stt", what, retryable=retryable, kind=kind)
        self._end()

    def _end(self) -> None:
        self.writable = False
        if not self._over.done():
            self._over.set_result(None)

    def _dropped(self) -> ServiceError:
        code = self._close_code
        if code in self.busy_codes:
            what = f"the connection was closed ({code}, too many sessions)"
            return TooManySessions(what, QUOTA_WAIT_S)
        # Policy (1008) after a session has run is idleness or its length: a new one may be had.
        fatal = code in self.fatal_codes or (code == 1008 and self.started_at is None)
        what = f"the connection was closed ({code})"
        return ServiceError(
            "stt", what, retryable=not fatal, kind="rejected" if fatal else "connection"
        )

    def _begin(self, name: str | None) -> None:
        """The service takes audio from now on; `name` is its name for the session."""
        if self.started_at is None:
            self.started_at = running_time.now()
            _log.info("stt: session %s started at %d Hz", name, self._rate)
            self._listener.started()

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        try:
            if kind is _TEXT and frame.fin:
                message = self.decode(frame.get_payload_as_memoryview())
            elif kind == WSMsgType.CLOSE:
                self._close_code, _ = close_reason(frame)
                self._end()
                return
            elif kind == WSMsgType.PONG or (whole := self._messages.feed(frame)) is None:
                return
            else:
                message = self.decode(whole[1])
        except ERRORS:
            # A message that cannot be read is not worth a caller's turn.
            _log.warning("stt: a message of the service could not be read and was skipped")
            return
        self._messages_came = True
        self._take(message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end()
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        if not self._over.done():
            self.writable = True
            self._listener.resume_sending()


def _refused(error: Exception, place: Place) -> ServiceError:
    """The error for a connection that failed, with whether the next try may succeed."""
    if isinstance(error, WSHandshakeError) and error.response is not None:
        status = int(error.response.status)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return TooManySessions(f"too many sessions ({status})", QUOTA_WAIT_S)
        what = "the connection is refused"
        if status in (401, 403):
            what = f"the key is not accepted; check {place.key_setting}"
        return ServiceError(
            "stt",
            f"{what} ({status})",
            retryable=status not in _FATAL_STATUS,
            kind=kind_of_status(status),
        )
    if isinstance(error, ProxyFailed):
        return ServiceError(
            "stt", f"cannot connect: {error}", retryable=error.retryable, kind="connection"
        )
    why = connection_errors.why(error, place.url, within=CONNECT_S)
    return ServiceError("stt", why, retryable=True, kind="connection")
