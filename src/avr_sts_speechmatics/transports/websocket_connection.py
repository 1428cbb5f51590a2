"""One accepted WebSocket that carries one call, without the messages of any protocol.

Each WebSocket transport is a subclass that adds its messages. This class assembles whole messages,
counts bad input instead of logging each message, and handles every end of a connection: closed by
the peer, closed by us with a bound on the wait, or stalled.

Whatever is sent, pongs included, is limited: a peer that leaves more than UNREAD_MAX_BYTES unread
is given up. A peer that sends pings and never reads would otherwise use up the memory.

A connection has two timers. The deadline bounds the current phase: the wait for the first message,
for the peer's hangup, or for the end of a close. The stall timer bounds, in every phase, how long
the peer may take no data.
"""

from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport

from avr_sts_speechmatics.admission.refusal import CallRefused
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.network.websocket import (
    UNREAD_MAX_BYTES,
    Listener,
    Messages,
    unread_bytes,
)
from avr_sts_speechmatics.transports.limited_log import NOBODY, address_of
from avr_sts_speechmatics.transports.reception import Reception

STALLED_S = 10.0
"""Longest time a peer may take no data (s); then the connection is cut."""

LINGER_S = 1.0
"""Longest wait after a close for unsent data (s); then the connection is cut."""


class WebSocketConnection(Listener, Line):
    """A WebSocket and its call. A subclass implements `on_ws_frame` and the rest of `Line`.

    peer: name of the other end in the log.
    reception: opens the call and takes log lines.
    stalled_s: see STALLED_S.
    linger_s: see LINGER_S.
    """

    def __init__(
        self,
        peer: str,
        reception: Reception,
        *,
        stalled_s: float = STALLED_S,
        linger_s: float = LINGER_S,
    ) -> None:
        self._peer = peer
        self._reception = reception
        self._stalled_s = stalled_s
        self._linger_s = linger_s
        self._address = NOBODY
        self._name = ""  # name of the call, once it is known
        self._unread_max = UNREAD_MAX_BYTES
        self._transport: WSTransport | None = None  # None as soon as the connection is closed
        self._call: CallerSide | None = None  # None until the transport opens the call
        self._messages = Messages()
        self._bad = 0
        self._complaints: list[str] = []  # about the request, before there is an address to name
        self._deadline = running_time.Alarm()  # of the present phase, set by subclasses too
        self._stall = running_time.Alarm()
        self._behind = False  # the peer has not taken all that was sent

    def close(self, *, failed: bool) -> None:
        self._close(WSCloseCode.INTERNAL_ERROR if failed else WSCloseCode.OK)

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._address = address_of(transport.underlying_transport)
        for what in self._complaints:
            self._complain(what)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        self._deadline.stop()
        self._stall.stop()
        if self._bad > 1:
            self._say("unusable messages", f"{self._bad} messages of this call could not be used")
        call, self._call = self._call, None  # a reference cycle otherwise: the call has its line
        if call is not None:
            call.leave()

    def pause_writing(self) -> None:
        self._behind = True
        self._stall.set(self._stalled_s, self._stalled)

    def resume_writing(self) -> None:
        self._behind = False
        self._stall.suspend()

    # --- for subclasses ------------------------------------------------------------------------

    def _whole_message(self, frame: WSFrame) -> tuple[WSMsgType, memoryview | bytes] | None:
        """Take a frame of any kind; return the message that the frame completes, if any.

        The payload may be a view that is valid only during the callback. Pings are answered here; a
        close frame and oversized messages end the connection. After a close the result is always
        None.
        """
        if self._transport is None or frame.msg_type == WSMsgType.PONG:
            return None
        if frame.msg_type == WSMsgType.PING:
            self._send(WSMsgType.PONG, frame.get_payload_as_bytes())
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

    def _send(self, kind: WSMsgType, message: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        # Only a peer that is behind can be behind too far.
        if self._behind and unread_bytes(transport) > self._unread_max:
            self._give_up(f"left {self._unread_max >> 10} kB unread")
            return
        transport.send(kind, message)

    def _take_call(self, caller: Caller) -> bool:
        """Open the call. Returns False if no call can be taken; `_refused` is called then."""
        transport = self._transport
        assert transport is not None
        self._name = caller.uuid
        try:
            self._call = self._reception.take(caller, self, transport.underlying_transport)
        except CallerError as error:
            busy = isinstance(error, CallRefused)
            code = WSCloseCode.TRY_AGAIN_LATER if busy else WSCloseCode.POLICY_VIOLATION
            self._refused(str(error), code)
            return False
        return True

    def _refused(self, why: str, code: WSCloseCode) -> None:
        """Tell the peer why there is no call, and close. A subclass adds the message."""
        self._close(code)

    def _complain(self, what: str) -> None:
        """Count a message that could not be used, and log the first one."""
        self._bad += 1
        if self._bad == 1:
            more = "more of this call are counted, not reported"
            self._say("unusable messages", f"{what}; {more}")

    def _say(self, kind: str, what: str) -> None:
        """Log a line that names the call, or the address of a connection without a call."""
        # picows' callbacks and timers run outside of any call, so the line has to name the call.
        who = f"call {self._name}" if self._name else f"a connection from {self._address}"
        self._reception.log.say(kind, self._address, f"{who}: {what}")

    def _close(self, code: WSCloseCode) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.send_close(code)
        transport.disconnect()
        self._deadline.set(self._linger_s, lambda: transport.disconnect(graceful=False))

    def _stalled(self) -> None:
        self._give_up(f"took no audio for {self._stalled_s:.0f} s")

    def _give_up(self, why: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            self._say("peers that do not read", f"{self._peer} {why} and is given up")
            transport.disconnect(graceful=False)
