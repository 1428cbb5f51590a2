"""The AVR WebSocket door: avr-core's JSON, base64 of 8 kHz PCM inside, one socket a call.

avr-core sends `init`, then `audio` 50 times a second, and `dtmf_digit`; it takes `audio`,
`interruption`, `transcript` and `error`. What it may do is looser than that and this door takes
it: audio before `init` is kept (EARLY_S), `init` may come twice, JSON may be broken, types may be
unknown: none of that costs the caller the call. Everything is keyed by connection: two sockets
with the same uuid are two calls. [AVR protocol, 2; 2.5 "what a robust one does"]

There is no message for "ready", "hang up" or "played": the first is not needed, the second goes
through the exchange, the third is computed by the playout.
"""

import asyncio
import logging
import uuid
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from avr_sts_speechmatics.audio.pcm import BYTES_PER_SECOND
from avr_sts_speechmatics.audio.playout import Played
from avr_sts_speechmatics.dialogue.events import Role
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.websocket import Messages

EARLY_S = 5.0
"""Audio that may come before `init` and is kept (s)."""

EARLY_KEYS = 32
"""Keys that may be pressed before `init` and are kept."""

INIT_WAIT_S = 10.0
"""A connection without `init` for so long is no call (s)."""

STALLED_S = 10.0
"""The other end takes no data for so long: it is gone (s)."""

FACTS_MAX = 32
FACT_NAME_MAX = 64
FACT_VALUE_MAX = 256
"""Query parameters are untrusted text: so many, and so long (characters), are kept."""

KEYS = frozenset("0123456789*#ABCD")

WATCH = "watch"
"""With this query parameter set to 1 the records of the call are sent along: for people who try an
agent. It is no fact of the call."""

_LINGER_S = 1.0

_log = logging.getLogger(__name__)


class _Init(msgspec.Struct, tag_field="type", tag="init"):
    uuid: Any = None


class _Audio(msgspec.Struct, tag_field="type", tag="audio"):
    audio: bytes  # base64 is decoded in the same pass


class _Digit(msgspec.Struct, tag_field="type", tag="dtmf_digit"):
    digit: str | int


_decode = msgspec.json.Decoder(_Init | _Audio | _Digit).decode
_KNOWN = frozenset({"init", "audio", "dtmf_digit"})
_INTERRUPTION = b'{"type":"interruption"}'


class AvrWebSocket(WSListener):
    """One connection of avr-core. Implements `line.Line`.

    path: of the request, with its query. open_call: makes the call; raises CallerError with the
    reason when none can be taken.
    """

    continuous = False
    can_hang_up = False

    def __init__(self, path: str, open_call: Callable[[Caller, Line], CallerSide]) -> None:
        facts = dict(facts_of(path))
        self.rehearsed = facts.pop(WATCH, "") == "1"
        self._facts = facts
        self._open_call = open_call
        self._transport: WSTransport | None = None
        self._messages = Messages()
        self._call: CallerSide | None = None
        self._uuid = ""
        self._early = bytearray()
        self._early_keys = ""
        self._bad = 0
        self._unknown: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    # --- the line, told by the call ------------------------------------------------------------

    def send_audio(self, frame: bytes) -> None:
        self._send(b'{"type":"audio","audio":"' + b2a_base64(frame, newline=False) + b'"}')

    def send_interruption(self) -> None:
        self._send(_INTERRUPTION)

    def send_transcript(self, role: Role, text: str) -> None:
        self._send(msgspec.json.encode({"type": "transcript", "role": role, "text": text}))

    def send_error(self, message: str) -> None:
        self._send(msgspec.json.encode({"type": "error", "message": message}))

    def send_record(self, kind: str, fields: Mapping[str, object]) -> None:
        # avr-core did not ask for it, and what it does with an unknown type is not documented.
        if self.rehearsed:
            self._send(msgspec.json.encode({"type": kind, **fields}))

    def own_playout(self, finished: Callable[[Played], None]) -> None:
        return None

    def hang_up(self) -> None:
        """Only in a rehearsal: what a closed socket does to a phone call is not documented."""
        if self.rehearsed:
            # Whoever watches is still to be told of the tool that asked for it.
            asyncio.get_running_loop().call_soon(lambda: self.close(failed=False))

    def close(self, *, failed: bool) -> None:
        self._close(WSCloseCode.INTERNAL_ERROR if failed else WSCloseCode.OK)

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._set_timer(INIT_WAIT_S, self._no_init)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        payload: memoryview | bytes = b""
        try:
            if kind == WSMsgType.TEXT and frame.fin:
                payload = frame.get_payload_as_memoryview()
            elif kind == WSMsgType.CLOSE:
                self._close(WSCloseCode.OK)
                return
            elif kind == WSMsgType.PONG or (whole := self._messages.feed(frame)) is None:
                return
            else:
                payload = whole[1]
            message = _decode(payload)
        except msgspec.MsgspecError as error:
            self._explain(bytes(payload), error)
            return
        except ValueError as error:
            self._complain(str(error))
            self._close(WSCloseCode.MESSAGE_TOO_BIG)
            return
        if type(message) is _Audio:
            self._take_audio(message.audio)
        elif type(message) is _Init:
            self._take_init(message.uuid)
        elif type(message) is _Digit:
            self._take_digit(str(message.digit).upper())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._bad > 1:
            _log.warning("%d messages of this call could not be used", self._bad)
        if self._call is not None:
            self._call.leave()

    def pause_writing(self) -> None:
        self._set_timer(STALLED_S, self._stalled)

    def resume_writing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # --- messages ------------------------------------------------------------------------------

    def _take_audio(self, pcm: bytes) -> None:
        if len(pcm) & 1:
            # A frame holds whole samples: keeping the odd byte would turn all that follows into
            # noise if it is the frame that is wrong.
            self._complain("an audio frame has an odd number of bytes")
            pcm = pcm[:-1]
        if self._call is not None:
            self._call.hear(pcm)
            return
        self._early += pcm
        too_much = len(self._early) - int(EARLY_S * BYTES_PER_SECOND)
        if too_much > 0:
            del self._early[:too_much]

    def _take_init(self, given: Any) -> None:
        name = clean(str(given), FACT_NAME_MAX) if given else ""
        if self._call is not None:
            if name != self._uuid:
                self._complain("a second init with another uuid was ignored")
            return
        self._uuid = name
        if self._timer is not None:
            self._timer.cancel()
        caller = Caller(name or str(uuid.uuid4()), "avr-websocket", self._facts)
        try:
            self._call = self._open_call(caller, self)
        except CallerError as error:
            self.send_error(str(error))
            self._close(WSCloseCode.TRY_AGAIN_LATER)
            return
        if self._early:
            self._call.hear(bytes(self._early))
            self._early = bytearray()
        for digit in self._early_keys:
            self._call.press(digit)

    def _take_digit(self, digit: str) -> None:
        if digit not in KEYS:
            self._complain("a dtmf_digit is none of 0-9 * # A-D")
        elif self._call is not None:
            self._call.press(digit)
        elif len(self._early_keys) < EARLY_KEYS:
            self._early_keys += digit

    def _explain(self, message: bytes, error: msgspec.MsgspecError) -> None:
        """Say, not too often, why a message could not be used."""
        try:
            kind = msgspec.json.decode(message, type=dict[str, Any]).get("type")
        except msgspec.MsgspecError:
            self._complain(f"a message is not a JSON object ({error})")
            return
        if isinstance(kind, str) and kind in _KNOWN:
            self._complain(f"a message of type {kind} is not as it should be ({error})")
        elif len(self._unknown) < FACTS_MAX and (name := clean(str(kind), FACT_NAME_MAX)):
            if name in self._unknown:
                return
            self._unknown.add(name)
            _log.warning("messages of the unknown type %r are ignored", name)

    def _complain(self, what: str) -> None:
        self._bad += 1
        if self._bad == 1:
            _log.warning("%s; more of this call are counted, not reported", what)

    # --- the socket ----------------------------------------------------------------------------

    def _send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    def _close(self, code: WSCloseCode) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.send_close(code)
        transport.disconnect()
        # What is still to be sent is sent, but not waited for longer than this.
        self._set_timer(_LINGER_S, lambda: transport.disconnect(graceful=False))

    def _no_init(self) -> None:
        _log.warning("no init within %.0f s: this connection is no call", INIT_WAIT_S)
        self.send_error(f"no init within {INIT_WAIT_S:.0f} s")
        self._close(WSCloseCode.POLICY_VIOLATION)

    def _stalled(self) -> None:
        _log.warning("the other end took no audio for %.0f s and is given up", STALLED_S)
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _set_timer(self, after: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(after, then)


def facts_of(path: str) -> Mapping[str, str]:
    """The query parameters of a request, bounded and without control characters.

    A name that comes twice counts once, as first given.
    """
    try:
        pairs = parse_qsl(urlsplit(path).query, keep_blank_values=True, max_num_fields=FACTS_MAX)
    except ValueError:
        _log.warning("more than %d query parameters: none is used", FACTS_MAX)
        return {}
    facts: dict[str, str] = {}
    for name, value in pairs:
        facts.setdefault(clean(name, FACT_NAME_MAX), clean(value, FACT_VALUE_MAX))
    return facts


def clean(text: str, longest: int) -> str:
    """Printable, and no longer than `longest` characters."""
    return "".join(c for c in text[:longest] if c.isprintable())
