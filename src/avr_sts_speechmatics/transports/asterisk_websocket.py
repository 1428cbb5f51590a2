"""The chan_websocket door: Asterisk's own WebSocket channel, one socket a call.

    same => n,Dial(WebSocket/avr/c(slin)f(json)v(call=${UUID},from=${CALLERID(num)}))

Asterisk is the client. Its first message, MEDIA_START, says what the channel is; then binary
messages are samples, text messages are control (`asterisk_control`). What the dialplan wants us to
know of the call it puts into the address by `v()`, or into channel variables. Asterisk plays what
it is sent in its own time (`ahead`), so this line needs no frame of ours at any moment.

A channel that cannot be talked with (plain text, a codec that is not spoken here, passthrough) is
closed at once, which hangs it up, and one sentence in the log says what to configure.
[Asterisk media, 2 and 4]
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)

from avr_sts_speechmatics.audio.playout import Played
from avr_sts_speechmatics.dialogue.events import Role
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.transports import asterisk_control as control
from avr_sts_speechmatics.transports.asterisk_codec import ChannelCodec
from avr_sts_speechmatics.transports.asterisk_playout import AheadPlayout
from avr_sts_speechmatics.transports.avr_websocket import (
    FACT_NAME_MAX,
    FACT_VALUE_MAX,
    KEYS,
    STALLED_S,
    clean,
    facts_of,
)
from avr_sts_speechmatics.websocket import Messages

PATH = "/media"
SUBPROTOCOL = "media"

START_WAIT_S = 5.0
"""A connection without MEDIA_START for so long is no call (s)."""

HANG_UP_S = 2.0
"""Asterisk closes the socket when it was told to hang up; if it does not, we do after so long."""

MESSAGE_MAX_BYTES = 8192
"""Longest audio message sent: what an Asterisk built for little memory takes; others 65 535."""

_LINGER_S = 1.0
_CALL_NAMES = ("call", "uuid")

_log = logging.getLogger(__name__)


def accept_media(
    request: WSUpgradeRequest, open_call: Callable[[Caller, Line], CallerSide]
) -> WSUpgradeResponseWithListener:
    """Take a connection to PATH, and the subprotocol `media` where it is offered."""
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    answered = SUBPROTOCOL in (name.strip() for name in offered.split(","))
    return WSUpgradeResponseWithListener(
        WSUpgradeResponse.create_101_response(
            {"Sec-WebSocket-Protocol": SUBPROTOCOL} if answered else None
        ),
        AsteriskWebSocket(request.path.decode("latin-1"), open_call),
    )


class AsteriskWebSocket(WSListener):
    """One channel of Asterisk. Implements `line.Line`.

    path: of the request, with its query. open_call: makes the call; raises CallerError with the
    reason when none can be taken.
    """

    continuous = False
    can_hang_up = True
    rehearsed = False

    def __init__(self, path: str, open_call: Callable[[Caller, Line], CallerSide]) -> None:
        self._facts = facts_of(path)
        self._open_call = open_call
        self._transport: WSTransport | None = None
        self._messages = Messages()
        self._codec: ChannelCodec | None = None
        self._call: CallerSide | None = None
        self._playout: AheadPlayout | None = None
        self._hung_up = False
        self._bad = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    # --- the line, told by the call ------------------------------------------------------------

    def send_audio(self, frame: bytes) -> None:
        raise NotImplementedError("this line has a playout of its own")

    def send_interruption(self) -> None:
        """Nothing: the playout's flush has told Asterisk already."""

    def send_transcript(self, role: Role, text: str) -> None:
        """Nothing: Asterisk has no use for words."""

    def send_error(self, message: str) -> None:
        """Nothing: Asterisk has no ear for it; whoever ends a call has logged why."""

    def send_record(self, kind: str, fields: Mapping[str, object]) -> None:
        """Nobody watches."""

    def own_playout(self, finished: Callable[[Played], None]) -> AheadPlayout:
        assert self._codec is not None, "a call is opened when the channel is known"
        self._playout = AheadPlayout(self._codec, self._send_audio, self._send, finished)
        return self._playout

    def hang_up(self) -> None:
        """End the channel; what Asterisk does with the caller then is the dialplan's to say.

        A last word whose end was told is not cut: the mark comes after its last frame.
        """
        if self._transport is not None and not self._hung_up:
            self._hung_up = True
            self._send(control.HANG_UP)
            self._set_timer(HANG_UP_S, lambda: self._close(WSCloseCode.OK))

    def close(self, *, failed: bool) -> None:
        if not self._hung_up:
            self._hung_up = True
            self._send(control.HANG_UP)
        self._close(WSCloseCode.INTERNAL_ERROR if failed else WSCloseCode.OK)

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._set_timer(START_WAIT_S, self._not_started)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._transport is None:
            return  # closed by us: what still comes is not for anybody
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._close(WSCloseCode.OK)
            return
        if kind == WSMsgType.PONG:
            return
        try:
            message = self._messages.feed(frame)
        except ValueError as error:
            self._complain(str(error))
            self._close(WSCloseCode.MESSAGE_TOO_BIG)
            return
        if message is None:
            return
        kind, payload = message
        if kind == WSMsgType.BINARY:
            self._take_audio(bytes(payload))
        else:
            self._take_event(payload)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        if self._bad > 1:
            _log.warning("%d messages of this call could not be used", self._bad)
        if self._call is not None:
            self._call.leave()

    def pause_writing(self) -> None:
        self._stall = asyncio.get_running_loop().call_later(STALLED_S, self._stalled)

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()

    # --- messages ------------------------------------------------------------------------------

    def _take_audio(self, payload: bytes) -> None:
        if self._call is None or self._codec is None:
            self._complain("audio came before MEDIA_START")
            return
        rest = len(payload) % self._codec.sample_bytes
        if rest:
            # A message holds whole samples: keeping the odd byte would turn all that follows
            # into noise if it is the message that is wrong.
            self._complain("an audio message ends within a sample")
            payload = payload[:-rest]
        self._call.hear(self._codec.decode(payload))

    def _take_event(self, message: memoryview | bytes) -> None:
        try:
            event = control.read(message)
        except ValueError as error:
            if self._call is None and control.is_plain_text(message):
                self._refuse(
                    "Asterisk sends control messages as plain text: put f(json) among the options "
                    "of Dial(WebSocket/...), or control_message_format = json into "
                    "chan_websocket.conf"
                )
                return
            self._complain(str(error))
            return
        if isinstance(event, control.MediaStarted):
            self._take_start(event)
        elif isinstance(event, control.KeyReleased):
            self._take_key(event.digit.upper())
        elif isinstance(event, control.Complained):
            self._take_complaint(clean(event.error_text, FACT_VALUE_MAX))
        elif event is not None and self._playout is not None:
            self._tell_playout(self._playout, event)

    def _take_start(self, start: control.MediaStarted) -> None:
        if self._call is not None:
            self._complain("a second MEDIA_START was ignored")
            return
        if self._timer is not None:
            self._timer.cancel()
        facts = dict(self._facts)
        # What the dialplan itself says of the caller's channel counts more.
        facts.setdefault("channel", clean(start.channel, FACT_VALUE_MAX))
        facts.setdefault("channel_id", clean(start.channel_id, FACT_VALUE_MAX))
        name = named_call(facts, start.channel_variables) or str(uuid.uuid4())
        try:
            self._codec = ChannelCodec(clean(start.format, FACT_NAME_MAX))
            self._call = self._open_call(Caller(name, "asterisk-websocket", facts), self)
        except CallerError as error:
            self._refuse(str(error))

    def _take_key(self, digit: str) -> None:
        if digit not in KEYS:
            self._complain("a DTMF_END is none of 0-9 * # A-D")
        elif self._call is not None:
            self._call.press(digit)

    def _take_complaint(self, what: str) -> None:
        if "passthrough" in what:
            # Then nothing can be flushed, paused or marked: that is no conversation.
            self._refuse(
                "the channel is in passthrough mode: take p from the options of Dial(WebSocket/...)"
            )
        else:
            self._complain(f"Asterisk reports an error: {what}")

    def _tell_playout(self, playout: AheadPlayout, event: control.Event) -> None:
        if isinstance(event, control.MarkReached):
            number = event.correlation_id
            if number.isascii() and number.isdigit() and len(number) < FACT_NAME_MAX:
                playout.mark_reached(int(number))
            else:
                self._complain("a mark was processed that nobody set")
        elif isinstance(event, control.QueueFull):
            playout.queue_full()
        elif isinstance(event, control.QueueHasRoom):
            playout.queue_has_room()

    def _complain(self, what: str) -> None:
        self._bad += 1
        if self._bad == 1:
            _log.warning("%s; more of this call are counted, not reported", what)

    # --- the socket ----------------------------------------------------------------------------

    def _send(self, command: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, command)

    def _send_audio(self, frames: bytes) -> None:
        if self._transport is None or self._codec is None:
            return
        frame = self._codec.frame_bytes
        size = max(frame, MESSAGE_MAX_BYTES // frame * frame)
        for at in range(0, len(frames), size):
            self._transport.send(WSMsgType.BINARY, frames[at : at + size])

    def _refuse(self, why: str) -> None:
        _log.error("call refused: %s", why)
        self._close(WSCloseCode.POLICY_VIOLATION)

    def _close(self, code: WSCloseCode) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.send_close(code)
        transport.disconnect()
        # What is still to be sent is sent, but not waited for longer than this.
        self._set_timer(_LINGER_S, lambda: transport.disconnect(graceful=False))

    def _not_started(self) -> None:
        _log.warning("no MEDIA_START within %.0f s: this connection is no call", START_WAIT_S)
        self._close(WSCloseCode.POLICY_VIOLATION)

    def _stalled(self) -> None:
        _log.warning("Asterisk took no audio for %.0f s and is given up", STALLED_S)
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _set_timer(self, after: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(after, then)


def named_call(facts: Mapping[str, str], variables: Mapping[str, Any]) -> str:
    """The call's uuid as the dialplan gave it: in the address, in a channel variable, or not.

    Without either it is the channel's own id; "" without that too.
    """
    # A variable that a channel inherits may keep the underscores that made it so.
    inherited = {name.lstrip("_").lower(): str(value) for name, value in variables.items()}
    for given in (facts, inherited):
        for name in _CALL_NAMES:
            if found := clean(given.get(name, ""), FACT_NAME_MAX):
                return found
    return facts.get("channel_id", "")
