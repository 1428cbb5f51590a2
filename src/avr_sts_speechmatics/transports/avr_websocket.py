"""The AVR WebSocket transport: JSON with base64 of 8 kHz PCM, one socket for each call.

avr-core sends `init`, then `audio` 50 times a second, and `dtmf_digit`; avr-core takes `audio`,
`interruption`, `transcript` and `error`. The protocol allows more than avr-core does: audio before
`init` (kept, up to EARLY_S), a second `init`, broken JSON, unknown types. None of that ends
the call. Each connection is a call: two sockets with equal uuids are two calls.
[AVR protocol, 2; 2.5 "what a robust one does"]

The protocol has no message for "ready", "hang up" or "played". "Ready" is not needed, a hangup goes
through the PBX, and the playout computes what was played.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.dialogue.events import Role
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import TraceContext, in_query
from avr_sts_speechmatics.network.untrusted_json import ERRORS, BadJson, decode, reason
from avr_sts_speechmatics.transports.dtmf import KEYS, KeyRate
from avr_sts_speechmatics.transports.early_media import EarlyMedia
from avr_sts_speechmatics.transports.reception import Reception
from avr_sts_speechmatics.transports.untrusted_text import (
    FACT_NAME_MAX,
    FACTS_MAX,
    clean,
    facts_of,
    text_of,
)
from avr_sts_speechmatics.transports.websocket_connection import WebSocketConnection

EARLY_S = 5.0
"""Longest audio kept before `init` (s), its end."""

INIT_WAIT_S = 10.0
"""Longest wait for `init` (s); then the connection is closed."""

EXPLAINED_MAX = 100
"""Unusable messages of a connection that are examined; the rest are counted."""

WATCH = "watch"
"""If this query parameter is 1, an operator tries an agent: the records of the call are sent to the
client, and the client may write a turn (`text`) instead of saying it. The parameter is not one of
the facts of the call."""

TEXT_MAX = 2000
"""Longest written turn (characters); the rest is dropped."""


class _Init(msgspec.Struct, tag_field="type", tag="init"):
    uuid: Any = None


class _Audio(msgspec.Struct, tag_field="type", tag="audio"):
    audio: bytes  # msgspec reads and writes base64 in the same pass, faster than binascii


class _Digit(msgspec.Struct, tag_field="type", tag="dtmf_digit"):
    digit: str | int


class _Text(msgspec.Struct, tag_field="type", tag="text"):
    text: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Init | _Audio | _Digit | _Text).decode
_KNOWN = frozenset({"init", "audio", "dtmf_digit", "text"})
_TEXT = WSMsgType.TEXT
_INTERRUPTION = b'{"type":"interruption"}'


class AvrWebSocket(WebSocketConnection):
    """One connection of avr-core.

    path: path of the request, with its query.
    reception: opens the call and takes log lines.
    trace: the trace context in the headers of the request, if any; the one in the query overrides.
    """

    def __init__(self, path: str, reception: Reception, trace: TraceContext | None = None) -> None:
        super().__init__("the other end", reception)
        facts = dict(facts_of(path, self._complaints.append))
        self.rehearsed = facts.pop(WATCH, "") == "1"
        self._facts = facts
        self._trace = in_query(path) or trace
        self._uuid = ""
        self._early = EarlyMedia(EARLY_S, "last")
        self._key_rate = KeyRate()
        self._explained = 0
        self._unknown: set[str] = set()

    # --- the line, called by the call ----------------------------------------------------------

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AgentAudio:
        return pacing.playout(self._send_frame, finished)

    def _send_frame(self, frame: bytes) -> None:
        self._send(_TEXT, _encode(_Audio(frame)))

    def send_interruption(self) -> None:
        self._send(_TEXT, _INTERRUPTION)

    def send_transcript(self, role: Role, text: str) -> None:
        self._send_json({"type": "transcript", "role": role, "text": text})

    def send_error(self, message: str) -> None:
        self._send_json({"type": "error", "message": message})

    def send_record(self, kind: str, fields: Mapping[str, object]) -> None:
        # Only on request: how avr-core handles an unknown type is not documented.
        if self.rehearsed:
            self._send_json({"type": kind, **fields})

    def _send_json(self, message: Mapping[str, object]) -> None:
        self._send(_TEXT, _encode(message))

    def hang_up(self) -> None:
        # Only in a test call: the effect of a closed socket on a phone call is not documented.
        if self.rehearsed:
            # Deferred, because the record of the tool that hung up is sent afterwards.
            asyncio.get_running_loop().call_soon(lambda: self.close(failed=False))

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self._deadline.set(INIT_WAIT_S, self._no_init)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload: memoryview | bytes
        if frame.msg_type is _TEXT and frame.fin:
            # The path of audio, 50 times a second.
            payload = frame.get_payload_as_memoryview()
        elif (whole := self._whole_message(frame)) is None:
            return
        else:
            payload = whole[1]
        try:
            message = _decode(payload)
        except ERRORS as error:
            self._explain(bytes(payload), error)
            return
        if type(message) is _Audio:
            pcm, call = message.audio, self._call
            if call is not None and not len(pcm) & 1:
                call.hear(pcm)
            else:
                self._take_unusual_audio(pcm)
        elif type(message) is _Init:
            self._take_init(message.uuid)
        elif type(message) is _Digit:
            self._take_digit(str(message.digit).upper())
        elif type(message) is _Text:
            self._take_text(message.text)

    # --- messages ------------------------------------------------------------------------------

    def _take_unusual_audio(self, pcm: bytes) -> None:
        """Take audio that is not whole samples, or that came before the call."""
        if len(pcm) & 1:
            # A frame holds whole samples: if a wrong frame has an odd byte, keeping the byte would
            # turn all later audio into noise.
            self._complain("an audio frame has an odd number of bytes")
            pcm = pcm[:-1]
        if self._call is not None:
            self._call.hear(pcm)
        else:
            self._early.hear(pcm)

    def _take_init(self, given: Any) -> None:
        name = clean(text_of(given), FACT_NAME_MAX) if given else ""
        if self._call is not None:
            if name != self._uuid:
                self._complain("a second init with another uuid was ignored")
            return
        if self._transport is None:
            return  # closed, because there was no init in time or the call was refused
        self._uuid = name
        self._deadline.stop()
        caller = Caller(name or str(uuid.uuid4()), "avr-websocket", self._facts, trace=self._trace)
        if self._take_call(caller) and self._call is not None:
            self._early.deliver(self._call)

    def _refused(self, why: str, code: WSCloseCode) -> None:
        self.send_error(why)
        super()._refused(why, code)

    def _take_digit(self, digit: str) -> None:
        if digit not in KEYS:
            self._complain("a dtmf_digit is not one of 0-9 * # A-D")
        elif not self._key_rate.allows():
            self._complain("keys come faster than a telephone sends them and are ignored")
        elif self._call is not None:
            self._call.press(digit)
        else:
            self._early.press(digit)

    def _take_text(self, text: str) -> None:
        written = clean(text, TEXT_MAX)
        if not self.rehearsed:
            self._complain("text is taken from a test call only (?watch=1)")
        elif not written or not self._key_rate.allows():
            self._complain("a text is empty, or texts come faster than a person writes")
        elif self._call is not None:
            self._call.write(written)

    def _explain(self, message: bytes, error: Exception) -> None:
        """Log why a message could not be used, with bounds on the number of log lines."""
        self._explained += 1
        if self._explained > EXPLAINED_MAX:
            self._bad += 1  # counting costs a flood of messages nothing
            return
        try:
            kind = decode(message, dict[str, Any]).get("type")
        except BadJson as why:
            self._complain(f"a message is not a JSON object ({why})")
            return
        if isinstance(kind, str) and kind in _KNOWN:
            self._complain(f"a message of type {kind} is malformed ({reason(error)})")
        elif len(self._unknown) < FACTS_MAX and (name := clean(text_of(kind), FACT_NAME_MAX)):
            if name in self._unknown:
                return
            self._unknown.add(name)
            self._say(
                "messages of unknown types", f"messages of the unknown type {name!r} are ignored"
            )

    def _no_init(self) -> None:
        what = f"no init within {INIT_WAIT_S:.0f} s: this connection is no call"
        self._say("connections without a call", what)
        self.send_error(f"no init within {INIT_WAIT_S:.0f} s")
        self._close(WSCloseCode.POLICY_VIOLATION)
