"""The AudioSocket transport: Asterisk's TCP stream, raw samples both ways, one connection a call.

Asterisk connects, sends the call's uuid and then the caller's audio; Asterisk takes the agent's
audio and one command, to hang up. Asterisk has no clock and no buffer for the agent's audio: a
frame goes to the telephone the moment it arrives. An unknown kind, a frame in two pieces, or two
seconds without any frame end the call. Hence the playout is continuous: it sends a frame
every 20 ms, speech or not. The end of the stream, or its reset, is the caller's hangup.
[Asterisk media, 1; measured]

    NAMELESS --uuid--> SETTLING --SETTLE_S after the first audio, or MUTE_S--> a call --> ENDING

The uuid may have been announced, which is asked while the connection settles. If the answer takes
longer than settling, the call is opened by the answer.

A call is not opened at its uuid: behind `Dial(AudioSocket/...)` the bridge to the caller may not
be up yet, and audio sent too early is lost (measured: a second of speech sent right after the uuid
was lost whole in 3 of 13 calls). The first audio from Asterisk arrives 0.1 to 22 ms after the
connection, possibly while the caller is not bridged but still dialling. The wait is far below the
two seconds, so no silence is needed until the playout sends it.

Asterisk has answered the phone by then, and AudioSocket has no message for "busy". So a caller who
cannot be taken gets a stand-in for a call, which says so (`Reception.busy`), or the hangup.

A phase of the connection has a deadline: the wait for the uuid, for the caller's audio, or for the
end. The stall timer, which is another one, bounds how long Asterisk may take no audio.

At the end we send a hangup and listen until Asterisk closes: closing first would answer a frame
under way with a reset, which Asterisk treats as a failure that ends the dialplan.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Literal, cast

from avr_sts_speechmatics.admission.refusal import CallRefused
from avr_sts_speechmatics.audio.g711 import UnlabelledStream
from avr_sts_speechmatics.audio.pacing import Pacing
from avr_sts_speechmatics.audio.pcm import RATE, SampleAligner
from avr_sts_speechmatics.audio.playout import AgentAudio, Played
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.line import Caller, CallerSide, Line
from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.transports.announced_calls import Enquiry, Facts, FactsFor, parted
from avr_sts_speechmatics.transports.audiosocket_wire import (
    AUDIO_8K,
    AUDIO_RATES,
    FRAME_HEAD,
    HANG_UP,
    HANGUP,
    KEY,
    UUID,
    Splitter,
    call_uuid,
)
from avr_sts_speechmatics.transports.dtmf import KEYS, KeyRate
from avr_sts_speechmatics.transports.early_media import EarlyMedia
from avr_sts_speechmatics.transports.limited_log import NOBODY, address_of
from avr_sts_speechmatics.transports.reception import Reception

UUID_WAIT_S = 5.0
"""Longest wait for the uuid (s); then the connection is closed."""

SETTLE_S = 0.15
"""Wait between the caller's first audio and the call (s): then the bridge is up."""

MUTE_S = 0.5
"""Longest wait for the caller's first audio (s): a muted telephone sends none."""

EARLY_S = 2.0
"""Longest audio kept before the call opens (s), its beginning: no telephone sends more by then."""

STALLED_S = 10.0
"""Longest time Asterisk may take no audio (s); then the connection is cut."""

# Agent audio that the kernel holds while the network stands still: about a second. The default is
# minutes: all of that audio would reach the caller at once, and a host that vanished would be
# noticed after a quarter of an hour.
_SEND_BUFFER_BYTES = 32 * 1024
_LINGER_S = 1.0


class AudioSocketConnection(asyncio.Protocol, Line):
    """One connection of Asterisk.

    reception: opens the call and takes log lines.
    law: the law of G.711, for an Asterisk that sends G.711; "auto" detects the law by the sound.
    facts_for: function that returns the facts with which `POST /call` announced a uuid, after a
        bounded time; None if the call must be rejected.
    """

    can_hang_up = True

    def __init__(
        self,
        reception: Reception,
        *,
        law: Literal["auto", "ulaw", "alaw"],
        facts_for: FactsFor,
    ) -> None:
        self._reception = reception
        self._facts_for = facts_for
        self._transport: asyncio.Transport | None = None
        self._splitter = Splitter()
        self._sound = _CallerSound(None if law == "auto" else law, self._say)
        self._uuid = ""
        self._enquiry: Enquiry | None = None
        self._facts: Facts | None = None  # None until the enquiry is answered
        self._settled = False
        self._call: CallerSide | None = None
        self._early = EarlyMedia(EARLY_S, "first")
        self._key_rate = KeyRate()
        self._heard_anything = False
        self._writable = False
        self._ending = False
        self._said: set[str] = set()
        self._address = NOBODY
        self._deadline = running_time.Alarm()
        self._stall = running_time.Alarm()

    # --- the line, called by the call ----------------------------------------------------------

    def open_playout(self, pacing: Pacing, finished: Callable[[Played], None]) -> AgentAudio:
        return pacing.playout(self._send_frame, finished, continuous=True)

    def _send_frame(self, frame: bytes) -> bool:
        # While Asterisk takes nothing, frames are dropped: later they would arrive in a burst.
        if not self._writable or self._transport is None:
            return False
        # One write: a payload 5 ms behind its head ends the call.
        self._transport.write(FRAME_HEAD + frame)
        return True

    def send_error(self, message: str) -> None:
        self._say(logging.WARNING, f"the caller's side cannot be sent this error: {message}")

    def hang_up(self) -> None:
        # The dialplan continues after `AudioSocket()`; audio sent before is still played.
        self._end()

    def close(self, *, failed: bool) -> None:
        self._end()

    # --- asyncio's callbacks -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave like asyncio.Transport without inheriting from it.
        self._transport = cast(asyncio.Transport, transport)
        self._address = address_of(transport)
        self._reception.waiting.add(self._transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._transport.set_write_buffer_limits(high=0)
        self._writable = True
        self._deadline.set(UUID_WAIT_S, self._no_uuid)

    def data_received(self, data: bytes) -> None:
        for kind, payload in self._splitter.feed(data):
            if self._ending:
                return
            if not self._uuid:
                self._take_uuid(kind, payload)
            elif kind in AUDIO_RATES:
                self._take_audio(kind, payload)
            elif kind == KEY:
                self._take_key(payload.decode("latin-1").upper())
            elif kind == HANGUP:  # not from Asterisk, which closes the connection instead
                self._leave()
            elif kind != UUID:
                self._say_once("kind", f"messages of unknown kinds (0x{kind:02x}) are ignored")

    def connection_lost(self, exc: Exception | None) -> None:
        self._reception.waiting.remove(self._transport)
        self._transport = None
        self._ending = True
        self._deadline.stop()
        self._stall.stop()
        if self._enquiry is not None:
            self._enquiry.cancel()
        # Reference cycles otherwise: the call has its line, and the sound logs through this line.
        del self._sound
        call, self._call = self._call, None
        if call is not None:
            call.leave()

    def pause_writing(self) -> None:
        self._writable = False
        self._stall.set(STALLED_S, self._stalled)

    def resume_writing(self) -> None:
        self._stall.suspend()
        self._writable = not self._ending

    # --- messages ------------------------------------------------------------------------------

    def _take_uuid(self, kind: int, payload: bytes) -> None:
        try:
            if kind != UUID:
                raise ValueError
            self._uuid = call_uuid(payload)
        except ValueError:
            self._say(logging.WARNING, "the first message is not a uuid; it is closed")
            self._end()
            return
        self._enquiry = Enquiry(self._facts_for, self._uuid, self._take_answer)
        self._deadline.set(MUTE_S, self._settle)

    def _take_answer(self, facts: Facts | None) -> None:
        self._enquiry = None
        if self._ending:
            return
        if facts is None:
            caller = Caller(self._uuid, "audiosocket")
            self._reception.refuse(caller, self._transport, "it was not announced (REQUIRE_CALL)")
            self._end()
            return
        self._facts = facts
        if self._settled:
            self._begin(facts)

    def _take_audio(self, kind: int, payload: bytes) -> None:
        pcm = self._sound.feed(kind, payload)
        if self._call is not None:
            if pcm:
                self._call.hear(pcm)
            return
        if not self._heard_anything and not self._settled:
            self._heard_anything = True
            self._deadline.set(SETTLE_S, self._settle)
        self._early.hear(pcm)

    def _take_key(self, key: str) -> None:
        if key not in KEYS:
            self._say_once("key", "a key is not one of 0-9 * # A-D")
        elif not self._key_rate.allows():
            self._say_once("keys", "keys come faster than a telephone sends them and are ignored")
        elif self._call is not None:
            self._call.press(key)
        else:
            self._early.press(key)

    def _settle(self) -> None:
        self._deadline.stop()
        self._settled = True
        if self._facts is not None:
            self._begin(self._facts)

    def _begin(self, facts: Facts) -> None:
        facts, trace = parted(facts)
        caller = Caller(self._uuid, "audiosocket", facts, trace=trace)
        try:
            self._call = self._reception.take(caller, self, self._transport)
        except CallRefused:
            self._reception.waiting.remove(self._transport)
            self._call = self._reception.busy(caller, self)
            if self._call is None:
                self._end()
        except CallerError:
            self._end()
        else:
            self._early.deliver(self._call)

    # --- the connection ------------------------------------------------------------------------

    def _end(self) -> None:
        """Send the hangup; Asterisk closes the connection, or we do after _LINGER_S."""
        transport = self._transport
        if self._ending or transport is None:
            return
        self._ending = True
        self._writable = False
        transport.write(HANG_UP)
        transport.write_eof()
        self._deadline.set(_LINGER_S, transport.abort)

    def _leave(self) -> None:
        self._ending = True
        if self._transport is not None:
            self._transport.close()
            self._deadline.set(_LINGER_S, self._transport.abort)

    def _no_uuid(self) -> None:
        self._say(logging.WARNING, f"no uuid within {UUID_WAIT_S:.0f} s; it is closed")
        self._end()

    def _stalled(self) -> None:
        self._say(logging.WARNING, f"took no audio for {STALLED_S:.0f} s and is given up")
        if self._transport is not None:
            self._transport.abort()

    # --- the log -------------------------------------------------------------------------------

    def _say(self, level: int, what: str) -> None:
        # Sockets and timers run outside of any call, so the record has to name the call.
        who = f"call {self._uuid}" if self._uuid else f"a connection from {self._address}"
        kind = "lines about AudioSocket" if self._uuid else "AudioSocket connections without a uuid"
        self._reception.log.say(kind, self._address, f"AudioSocket, {who}: {what}", level=level)

    def _say_once(self, about: str, what: str) -> None:
        if about not in self._said:
            self._said.add(about)
            self._say(logging.WARNING, what)


class _CallerSound:
    """Caller audio in every form that Asterisk sends, converted to s16le at 8 kHz.

    law: the law of G.711, or None to detect the law by the sound.
    say: called with a log level and a sentence for the log.
    """

    def __init__(
        self, law: Literal["ulaw", "alaw"] | None, say: Callable[[int, str], None]
    ) -> None:
        self._say = say
        # Kind 0x10 is labelled as linear samples but carries any codec of the channel. [measured]
        self._unlabelled = UnlabelledStream(law)
        self._kind = AUDIO_8K
        self._aligner = SampleAligner()
        self._resampler = Resampler(RATE, RATE)

    def feed(self, kind: int, payload: bytes) -> bytes:
        """Convert one payload of an audio kind. The result may be empty: the rest comes later."""
        if kind == AUDIO_8K:
            if self._unlabelled.coding is None:
                return self._feed_unknown(payload)
            return self._unlabelled.feed(payload)
        if kind != self._kind:
            self._kind = kind
            self._aligner = SampleAligner()
            self._resampler = Resampler(AUDIO_RATES[kind], RATE)
        return self._resampler.feed(self._aligner.feed(payload))

    def _feed_unknown(self, payload: bytes) -> bytes:
        pcm = self._unlabelled.feed(payload)
        if self._unlabelled.coding in ("ulaw", "alaw"):
            law = "mu-law" if self._unlabelled.coding == "ulaw" else "A-law"
            self._say(
                logging.INFO, f"it sends G.711 {law}; c(slin) in Dial() makes Asterisk decode it"
            )
        return pcm
