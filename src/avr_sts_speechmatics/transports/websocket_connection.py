"""One accepted WebSocket that carries one call, without the messages of any protocol.

Each WebSocket transport is a subclass that adds its messages. This class assembles whole messages,
counts bad input instead of logging each message, and handles every end of a connection: closed by
the peer, closed by us with a bound on the wait, or stalled.

A connection has two timers. The deadline bounds the current phase: the wait for the first message,
for the peer's hangup, or for the end of a close. The stall timer bounds, in every phase, how long
the peer may take no data.
"""

import logging
from collections.abc import Callable

from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport

from avr_sts_speechmatics import running_time
from avr_sts_speechmatics.line import CallerSide, Line
from avr_sts_speechmatics.websocket import Listener, Messages

STALLED_S = 10.0
"""Longest time a peer may take no data (s); then the connection is cut."""

LINGER_S = 1.0
"""Longest wait after a close for unsent data (s); then the connection is cut."""

_log = logging.getLogger(__name__)


class WebSocketConnection(Listener, Line):
    """A WebSocket and its call. A subclass implements `on_ws_frame` and the rest of `Line`.

    peer: name of the other end in the log.
    stalled_s: see STALLED_S.
    linger_s: see LINGER_S.
    """

    def __init__(
        self, peer: str, *, stalled_s: float = STALLED_S, linger_s: float = LINGER_S
    ) -> None:
        self._peer = peer
        self._stalled_s = stalled_s
        self._linger_s = linger_s
        self._transport: WSTransport | None = None  # None as soon as the connection is closed
        self._call: CallerSide | None = None  # None until the transport opens the call
        self._messages = Messages()
        self._bad = 0
        self._deadline: running_time.Timer | None = None
        self._stall: running_time.Timer | None = None

    def close(self, *, failed: bool) -> None:
        self._close(WSCloseCode.INTERNAL_ERROR if failed else WSCloseCode.OK)

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self._stop_deadline()
        self.resume_writing()
        if self._bad > 1:
            _log.warning("%d messages of this call could not be used", self._bad)
        if self._call is not None:
            self._call.leave()

    def pause_writing(self) -> None:
        self._stall = running_time.call_later(self._stalled_s, self._stalled)

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # --- for subclasses ------------------------------------------------------------------------

    def _whole_message(self, frame: WSFrame) -> tuple[WSMsgType, memoryview | bytes] | None:
        """Take a frame of any kind; return the message that the frame completes, if any.

        The payload may be a view that is valid only during the callback. A close frame and
        oversized messages end the connection here. After a close the result is always None.
        """
        if self._transport is None or frame.msg_type == WSMsgType.PONG:
            return None
        if frame.msg_type == WSMsgType.CLOSE:
            self._close(WSCloseCode.OK)
            return None
        try:
            return self._messages.feed(frame)
        except ValueError as error:
            self._complain(str(error))
            self._close(WSCloseCode.MESSAGE_TOO_BIG)
            return None

    def _send_text(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    def _complain(self, what: str) -> None:
        """Count a message that could not be used, and log the first one."""
        self._bad += 1
        if self._bad == 1:
            _log.warning("%s; more of this call are counted, not reported", what)

    def _close(self, code: WSCloseCode) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.send_close(code)
        transport.disconnect()
        self._set_deadline(self._linger_s, lambda: transport.disconnect(graceful=False))

    def _set_deadline(self, after: float, then: Callable[[], None]) -> None:
        """Replace the deadline.

        after: seconds from now.
        then: called at the deadline.
        """
        self._stop_deadline()
        self._deadline = running_time.call_later(after, then)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stalled(self) -> None:
        if self._transport is not None:
            _log.warning("%s took no audio for %.0f s and is given up", self._peer, self._stalled_s)
            self._transport.disconnect(graceful=False)
