"""The chan_websocket transport: Asterisk's own WebSocket channel, one socket a call.

    same => n,Dial(WebSocket/avr/c(slin)f(json)v(call=${UUID},from=${CALLERID(num)}))

Asterisk is the client. The first message, MEDIA_START, describes the channel; afterwards binary
messages are samples and text messages are control (`asterisk_control`). The dialplan puts the facts
of the call into the address by `v()`, or into channel variables. Asterisk paces the audio
(`asterisk_playout`), so this transport sends no frame at any particular moment.

Asterisk may send audio before MEDIA_START. That audio is kept as it came, up to EARLY_MAX_BYTES,
and decoded when MEDIA_START names the codec. The call may have been announced by `POST /call`,
which is asked then; the audio that arrives before the answer is kept in the same way.

A channel that cannot carry a conversation (plain text control, an unknown codec, passthrough) is
closed at once, which hangs the channel up, and the log says in one sentence what to configure.
[Asterisk media, 2 and 4]
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from picows import (
    WSCloseCode,
    WSFrame,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND
from avr_sts_speechmatics.audio.playout import Played
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import (
    TRACEPARENT,
    TRACESTATE,
    TraceContext,
    in_headers,
    in_mapping,
    in_query,
)
from avr_sts_speechmatics.transports import asterisk_control as control
from avr_sts_speechmatics.transports.announced_calls import Enquiry, Facts, FactsFor, parted
from avr_sts_speechmatics.transports.asterisk_codec import ChannelCodec
from avr_sts_speechmatics.transports.asterisk_playout import AHEAD_S, AsteriskPlayout
from avr_sts_speechmatics.transports.dtmf import KEYS, KeyRate
from avr_sts_speechmatics.transports.early_media import EarlyMedia
from avr_sts_speechmatics.transports.reception import Reception
from avr_sts_speechmatics.transports.untrusted_text import (
    FACT_NAME_MAX,
    FACT_VALUE_MAX,
    clean,
    facts_of,
    text_of,
)
from avr_sts_speechmatics.transports.websocket_connection import WebSocketConnection

PATH = "/media"
SUBPROTOCOL = "media"

START_WAIT_S = 5.0
"""Longest wait for MEDIA_START (s); then the connection is closed."""

OPEN_WAIT_S = 5.0
"""Longest time from MEDIA_START to the call (s); then the connection is closed. Only a fault of
this service takes that long."""

EARLY_MAX_BYTES = 384_000
"""Longest audio kept before the call is open (bytes), its beginning: a second at the highest rate,
24 s of signed linear at 8 kHz."""

HANG_UP_S = 2.0
"""Wait for Asterisk to close the socket after a hangup command (s); then we close the socket."""

MESSAGE_MAX_BYTES = 8192
"""Longest audio message sent (bytes): an Asterisk built for little memory takes no more; other
Asterisks take 65 535."""

_CALL_NAMES = ("call", "uuid")


def accept_media(
    request: WSUpgradeRequest, reception: Reception, facts_for: FactsFor
) -> WSUpgradeResponseWithListener:
    """Accept a connection to PATH, with the subprotocol `media` if the client offers it."""
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    answered = SUBPROTOCOL in (name.strip() for name in offered.split(","))
    return WSUpgradeResponseWithListener(
        WSUpgradeResponse.create_101_response(
            {"Sec-WebSocket-Protocol": SUBPROTOCOL} if answered else None
        ),
        AsteriskWebSocket(
            request.path.decode("latin-1"),
            reception,
            facts_for,
            in_headers(
                request.headers.getall(TRACEPARENT, ()), request.headers.getall(TRACESTATE, ())
            ),
        ),
    )


class AsteriskWebSocket(WebSocketConnection):
    """One channel of Asterisk.

    path: path of the request, with its query.
    reception: opens the call and takes log lines.
    facts_for: function that returns the facts with which `POST /call` announced a call, after a
        bounded time; None if the call must be rejected.
    trace: the trace context in the headers of the request, if any; the one in the query overrides.
    """

    can_hang_up = True

    def __init__(
        self,
        path: str,
        reception: Reception,
        facts_for: FactsFor,
        trace: TraceContext | None = None,
    ) -> None:
        super().__init__("Asterisk", reception)
        self._facts_for = facts_for
        self._enquiry: Enquiry | None = None
        self._facts = facts_of(path, self._complaints.append)
        self._trace = in_query(path) or trace
        self._caller = Caller(self._facts.get("call", "") or "-", "asterisk-websocket", self._facts)
        self._early = EarlyMedia(EARLY_MAX_BYTES / BYTES_PER_SECOND, "first")
        self._codec: ChannelCodec | None = None
        self._playout: AsteriskPlayout | None = None
        self._key_rate = KeyRate()
        self._hung_up = False

    # --- the line, called by the call ----------------------------------------------------------

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AsteriskPlayout:
        assert self._codec is not None, "a call is opened when the channel is known"
        self._playout = AsteriskPlayout(
            self._codec, self._send_audio, self._send_command, finished, pacing.tap
        )
        # Audio is sent ahead in one burst, which a slow network may not have taken yet.
        self._unread_max += round(AHEAD_S * 50) * self._codec.frame_bytes
        return self._playout

    def _send_command(self, command: bytes) -> None:
        self._send(WSMsgType.TEXT, command)

    def hang_up(self) -> None:
        # Asterisk ends the channel; the dialplan decides what happens to the caller then. Speech
        # whose end was reported is not cut: its mark comes after its last frame.
        if self._transport is not None and not self._hung_up:
            self._hung_up = True
            self._send_command(control.HANG_UP)
            self._deadline.set(HANG_UP_S, lambda: self._close(WSCloseCode.OK))

    def close(self, *, failed: bool) -> None:
        if not self._hung_up:
            self._hung_up = True
            self._send_command(control.HANG_UP)
        super().close(failed=failed)

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self._deadline.set(START_WAIT_S, self._not_started)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._enquiry is not None:
            self._enquiry.cancel()
        super().on_ws_disconnected(transport)
        self._playout = None  # a reference cycle otherwise: the playout sends through this line

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        message = self._whole_message(frame)
        if message is None:
            return
        kind, payload = message
        if kind == WSMsgType.BINARY:
            self._take_audio(bytes(payload))
        else:
            self._take_event(payload)

    # --- messages ------------------------------------------------------------------------------

    def _take_audio(self, payload: bytes) -> None:
        if self._call is None or self._codec is None:
            self._early.hear(payload)
            return
        rest = len(payload) % self._codec.sample_bytes
        if rest:
            # A message holds whole samples: if a wrong message has an odd byte, keeping the byte
            # would turn all later audio into noise.
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
            self._report_to_playout(self._playout, event)

    def _take_start(self, start: control.MediaStarted) -> None:
        if self._codec is not None:
            self._complain("a second MEDIA_START was ignored")
            return
        facts = dict(self._facts)
        # The dialplan may name the caller's channel, which overrides the channel of this socket.
        facts.setdefault("channel", clean(start.channel, FACT_VALUE_MAX))
        facts.setdefault("channel_id", clean(start.channel_id, FACT_VALUE_MAX))
        name = named_call(facts, start.channel_variables) or str(uuid.uuid4())
        trace = self._trace or in_variables(start.channel_variables)
        self._caller = Caller(name, "asterisk-websocket", facts, trace=trace)
        self._name = name
        try:
            self._codec = ChannelCodec(clean(start.format, FACT_NAME_MAX))
        except CallerError as error:
            self._refuse(str(error))
            return
        self._deadline.set(OPEN_WAIT_S, self._not_opened)
        self._enquiry = Enquiry(self._facts_for, name, self._take_answer)

    def _take_answer(self, announced: Facts | None) -> None:
        self._enquiry = None
        if self._transport is None:
            return  # the caller has left, or the channel was refused
        if announced is None:
            self._refuse("the call was not announced by POST /call (REQUIRE_CALL)")
            return
        announced, trace = parted(announced)
        facts = {**announced, **self._caller.facts}
        self._caller = replace(self._caller, facts=facts, trace=self._caller.trace or trace)
        if self._take_call(self._caller):
            self._deadline.stop()
            self._early.deliver(_Decoding(self._take_audio, self._take_key))

    def _take_key(self, digit: str) -> None:
        if digit not in KEYS:
            self._complain("the digit of a DTMF_END is not one of 0-9 * # A-D")
        elif not self._key_rate.allows():
            self._complain("keys come faster than a telephone sends them and are ignored")
        elif self._call is not None:
            self._call.press(digit)
        else:
            self._early.press(digit)

    def _take_complaint(self, what: str) -> None:
        if "passthrough" in what:
            # In passthrough mode Asterisk cannot flush, pause or mark: no barge-in is possible.
            self._refuse(
                "the channel is in passthrough mode: remove p from the options of "
                "Dial(WebSocket/...)"
            )
        else:
            self._complain(f"Asterisk reports an error: {what}")

    def _report_to_playout(self, playout: AsteriskPlayout, event: control.Event) -> None:
        if isinstance(event, control.MarkReached):
            number = event.correlation_id
            if number.isascii() and number.isdigit() and len(number) < FACT_NAME_MAX:
                playout.mark_reached(int(number))
            else:
                self._complain("Asterisk reports a mark that this service did not set")
        elif isinstance(event, control.QueueFull):
            playout.queue_full()
        elif isinstance(event, control.QueueHasRoom):
            playout.queue_has_room()

    # --- the socket ----------------------------------------------------------------------------

    def _send_audio(self, frames: bytes) -> None:
        if self._transport is None or self._codec is None:
            return
        frame = self._codec.frame_bytes
        size = max(frame, MESSAGE_MAX_BYTES // frame * frame)
        for at in range(0, len(frames), size):
            self._send(WSMsgType.BINARY, frames[at : at + size])

    def _refuse(self, why: str) -> None:
        """Refuse a channel that cannot carry a conversation."""
        if self._transport is not None:
            self._reception.refuse(self._caller, self._transport.underlying_transport, why)
        self._refused(why, WSCloseCode.POLICY_VIOLATION)

    def _not_opened(self) -> None:
        self._refuse(f"it could not be opened within {OPEN_WAIT_S:.0f} s")

    def _not_started(self) -> None:
        what = f"no MEDIA_START within {START_WAIT_S:.0f} s: this connection is no call"
        self._say("connections without a call", what)
        self._close(WSCloseCode.POLICY_VIOLATION)


@dataclass(frozen=True, slots=True)
class _Decoding:
    """Takes early media as the channel sent it: audio in the channel's codec, and keys."""

    hear: Callable[[bytes], None]
    press: Callable[[str], None]


def named_call(facts: Mapping[str, str], variables: Mapping[str, Any]) -> str:
    """Return the uuid that the dialplan set for the call, in the address or in a channel variable.

    If the dialplan set none, return the channel's id, or "" if the channel has no id.
    """
    for given in (facts, _inherited(variables)):
        for name in _CALL_NAMES:
            if found := clean(given.get(name, ""), FACT_NAME_MAX):
                return found
    return facts.get("channel_id", "")


def in_variables(variables: Mapping[str, Any]) -> TraceContext | None:
    """Return the trace context that the dialplan set in channel variables, if any."""
    return in_mapping(_inherited(variables))


def _inherited(variables: Mapping[str, Any]) -> dict[str, str]:
    # An inherited variable may still have the underscores that make a channel inherit it.
    return {name.lstrip("_").lower(): text_of(value) for name, value in variables.items()}
