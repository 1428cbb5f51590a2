"""The AVR WebSocket transport: avr-core's JSON, base64 of 8 kHz PCM inside, one socket a call.

avr-core sends `init`, then `audio` 50 times a second, and `dtmf_digit`; avr-core takes `audio`,
`interruption`, `transcript` and `error`. The protocol allows more than avr-core does: audio before
`init` (kept, up to EARLY_S), a second `init`, broken JSON, unknown types. None of that costs the
caller the call. A call is its connection: two sockets with the same uuid are two calls.
[AVR protocol, 2; 2.5 "what a robust one does"]

The protocol has no message for "ready", "hang up" or "played": the first is not needed, the second
goes through the PBX, the third is computed by the playout.
"""

import asyncio
import logging
import uuid
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport

from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.dialogue.events import Role
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.transports.dtmf import KEYS
from avr_sts_speechmatics.transports.early_media import EarlyMedia
from avr_sts_speechmatics.transports.untrusted_text import (
    FACT_NAME_MAX,
    FACTS_MAX,
    clean,
    facts_of,
)
from avr_sts_speechmatics.transports.websocket_connection import WebSocketConnection

EARLY_S = 5.0
"""Audio before `init` that is kept, the latest of it (s)."""

INIT_WAIT_S = 10.0
"""A connection without `init` for so long is no call (s)."""

WATCH = "watch"
"""With this query parameter set to 1, the records of the call are sent to the caller: for people
who try an agent. The parameter is not among the facts of the call."""

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


class AvrWebSocket(WebSocketConnection):
    """One connection of avr-core.

    path: path of the request, with its query.
    open_call: opens the call; raises CallerError with the reason when no call can be taken.
    """

    def __init__(self, path: str, open_call: Callable[[Caller, Line], CallerSide]) -> None:
        super().__init__("the other end")
        facts = dict(facts_of(path))
        self.rehearsed = facts.pop(WATCH, "") == "1"
        self._facts = facts
        self._open_call = open_call
        self._uuid = ""
        self._early = EarlyMedia(EARLY_S, "last")
        self._unknown: set[str] = set()

    # --- the line, told by the call ------------------------------------------------------------

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AgentAudio:
        return pacing.playout(self._send_frame, finished)

    def _send_frame(self, frame: bytes) -> None:
        self._send_text(b'{"type":"audio","audio":"' + b2a_base64(frame, newline=False) + b'"}')

    def send_interruption(self) -> None:
        self._send_text(_INTERRUPTION)

    def send_transcript(self, role: Role, text: str) -> None:
        self._send_text(msgspec.json.encode({"type": "transcript", "role": role, "text": text}))

    def send_error(self, message: str) -> None:
        self._send_text(msgspec.json.encode({"type": "error", "message": message}))

    def send_record(self, kind: str, fields: Mapping[str, object]) -> None:
        # avr-core did not ask for it, and what it does with an unknown type is not documented.
        if self.rehearsed:
            self._send_text(msgspec.json.encode({"type": kind, **fields}))

    def hang_up(self) -> None:
        # Only in a rehearsal: what a closed socket does to a phone call is not documented.
        if self.rehearsed:
            # The record of the tool that hung up is still to be sent.
            asyncio.get_running_loop().call_soon(lambda: self.close(failed=False))

    # --- picows' callbacks ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self._set_deadline(INIT_WAIT_S, self._no_init)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload: memoryview | bytes
        if frame.msg_type == WSMsgType.TEXT and frame.fin:
            # Audio comes like this, 50 times a second.
            payload = frame.get_payload_as_memoryview()
        elif (whole := self._whole_message(frame)) is None:
            return
        else:
            payload = whole[1]
        try:
            message = _decode(payload)
        except msgspec.MsgspecError as error:
            self._explain(bytes(payload), error)
            return
        if type(message) is _Audio:
            self._take_audio(message.audio)
        elif type(message) is _Init:
            self._take_init(message.uuid)
        elif type(message) is _Digit:
            self._take_digit(str(message.digit).upper())

    # --- messages ------------------------------------------------------------------------------

    def _take_audio(self, pcm: bytes) -> None:
        if len(pcm) & 1:
            # A frame holds whole samples: keeping the odd byte would turn all that follows into
            # noise if it is the frame that is wrong.
            self._complain("an audio frame has an odd number of bytes")
            pcm = pcm[:-1]
        if self._call is not None:
            self._call.hear(pcm)
        else:
            self._early.hear(pcm)

    def _take_init(self, given: Any) -> None:
        name = clean(str(given), FACT_NAME_MAX) if given else ""
        if self._call is not None:
            if name != self._uuid:
                self._complain("a second init with another uuid was ignored")
            return
        if self._transport is None:
            return  # closed, because there was no init in time or the call was refused
        self._uuid = name
        self._stop_deadline()
        caller = Caller(name or str(uuid.uuid4()), "avr-websocket", self._facts)
        try:
            self._call = self._open_call(caller, self)
        except CallerError as error:
            self.send_error(str(error))
            self._close(WSCloseCode.TRY_AGAIN_LATER)
            return
        self._early.deliver(self._call)

    def _take_digit(self, digit: str) -> None:
        if digit not in KEYS:
            self._complain("a dtmf_digit is none of 0-9 * # A-D")
        elif self._call is not None:
            self._call.press(digit)
        else:
            self._early.press(digit)

    def _explain(self, message: bytes, error: msgspec.MsgspecError) -> None:
        """Log, not too often, why a message could not be used."""
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

    def _no_init(self) -> None:
        _log.warning("no init within %.0f s: this connection is no call", INIT_WAIT_S)
        self.send_error(f"no init within {INIT_WAIT_S:.0f} s")
        self._close(WSCloseCode.POLICY_VIOLATION)
