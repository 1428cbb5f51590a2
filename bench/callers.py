"""The synthetic callers: each speaks, listens to the answer, pauses and speaks again.

The callers use avr-core's WebSocket messages. One metronome drives all of them against absolute
deadlines; their frames are spread over the 20 ms, so that the load is even. During the run a caller
only records the messages that arrive; `figures` decodes them afterwards.
"""

import asyncio
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.codewords import LIMIT, Turn, answer
from bench.frames import FRAME_SECONDS, SPEECH_FRAMES, Signer
from bench.ledger import Call
from bench.voiceprint import length

_TEXT = WSMsgType.TEXT
_TICK_SECONDS = 0.001
_SLOTS = round(FRAME_SECONDS / _TICK_SECONDS)

_PAUSE_FRAMES = 25
# After this much silence (s) a complete answer is over. For the rest of an incomplete answer the
# caller waits longer: speaking into the pauses of a slow service would hide that it is slow.
_ANSWER_OVER_SECONDS = 0.4
_ANSWER_LOST_SECONDS = 3.0
_BARGE_IN_AFTER_SECONDS = 0.8
# Audio at 16000 bytes/s in base64; the JSON around the audio is not counted.
_MESSAGE_BYTES_PER_SECOND = 16000 * 4 / 3
# Within this time (s) the last frame reaches the recogniser. A service that fills a silent line
# with frames of its own starts to do so later.
_LAST_FRAME_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Manners:
    """The behaviour of all callers.

    barge_in: part of the answers that callers interrupt, 0 to 1.
    patience: how long callers wait for an answer before they ask the next question, s.
    goes_on: part of the questions in which callers pause and then go on, 0 to 1.
    pause: length of that pause, s.
    first_words: length of the first sentence of each answer, see `Delays`.
    """

    barge_in: float
    patience: float
    goes_on: float
    pause: float
    first_words: int = 0


class _Phase(Enum):
    QUIET = auto()
    SPEAKING = auto()
    LISTENING = auto()


class Caller(WSListener):
    """One caller on one AVR WebSocket. `tick` must be called every 20 ms."""

    def __init__(self, call: Call, manners: Manners) -> None:
        self._call = call
        self._manners = manners
        self._turn = -1
        self._phase = _Phase.QUIET
        # Callers start at different times, or all calls would stay in step.
        self._frames_left = _PAUSE_FRAMES + call.number * 7 % 50
        self._breath_frames = 0
        self._asked_at = 0.0
        self._answer_began = 0.0
        self._answer_last = 0.0
        self._answer_left = 0.0
        self._leaving = False
        self._silent = False
        self._signer = Signer(call.number)
        self._arrived = call.arrived.append
        self._transport: WSTransport | None = None
        self.done = asyncio.Event()
        """Set when the caller has asked its last question, or the connection has ended."""

    async def dial(self, url: str) -> None:
        """Connect and send the `init` message. Raises OSError or WSError if that fails."""
        transport, _ = await ws_connect(lambda: self, url)
        self._call.init_at = time.perf_counter()
        transport.send(WSMsgType.TEXT, b'{"type":"init","uuid":"bench-%d"}' % self._call.number)
        self._transport = transport

    def leave(self) -> None:
        """Make the current turn the caller's last, or the first turn if none has begun."""
        self._leaving = True

    async def hang_up(self) -> None:
        """End the call, after a pause in which the last frames arrive."""
        self._silent = True
        await asyncio.sleep(_LAST_FRAME_SECONDS)
        if self._transport and not self._transport.is_disconnected:
            self._transport.send_close()
            self._transport.disconnect()

    def tick(self) -> None:
        if self._transport is None or self._silent:
            return
        # A line carries frames until it is hung up, even after the last question.
        speaking = not self.done.is_set() and self._decide(time.perf_counter())
        frame = self._signer.frame(max(0, self._turn), speaking)
        audio = binascii.b2a_base64(frame, newline=False)
        self._transport.send(_TEXT, b'{"type":"audio","audio":"' + audio + b'"}')
        self._call.sent += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        message = frame.get_payload_as_bytes()
        if message[:1] != b"{":
            if frame.msg_type is WSMsgType.CLOSE:
                transport.disconnect()
            return
        self.take(message)

    def take(self, message: bytes) -> None:
        """Record a message of the service."""
        now = time.perf_counter()
        self._arrived((now, message))
        # Enough to know that the agent speaks: the messages are decoded after the run.
        if message.find(b'audio"', 0, 32) > 0:
            self._answer_last = now
            self._answer_left -= len(message) / _MESSAGE_BYTES_PER_SECOND
            self._answer_began = self._answer_began or now

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self._silent:
            self._silent = True
            self._call.complaint = "the service ended the call"
            self.done.set()

    def _decide(self, now: float) -> bool:
        """Go on to the next phase if it is due. Returns True if the next frame is speech."""
        self._frames_left -= 1
        if self._phase is _Phase.QUIET:
            if self._leaving and self._turn >= 0:
                self.done.set()
            elif self._frames_left < 0:
                self._speak()
        elif self._phase is _Phase.SPEAKING:
            if self._frames_left < 0:
                self._phase = _Phase.LISTENING
                self._asked_at = now
                self._answer_began = 0.0
                asked = Turn(self._call.number, self._turn)
                self._answer_left = length(answer(asked, self._manners.first_words))
            elif self._breath_frames and self._frames_left < SPEECH_FRAMES // 2:
                self._breath_frames -= 1
                self._frames_left += 1
                return False
            else:
                self._call.speech_ended[self._turn] = now
        elif self._phase is _Phase.LISTENING:
            self._listen(now)
        return self._phase is _Phase.SPEAKING

    def _speak(self) -> None:
        if self._turn + 1 >= LIMIT:
            self.done.set()
            return
        self._turn += 1
        self._phase = _Phase.SPEAKING
        self._frames_left = SPEECH_FRAMES - 1
        self._breath_frames = round(self._manners.pause / FRAME_SECONDS) if self._goes_on() else 0

    def _listen(self, now: float) -> None:
        if not self._answer_began:
            if now - self._asked_at > self._manners.patience:
                self._call.unanswered += 1
                self._rest()
        elif now - self._answer_last > (
            _ANSWER_LOST_SECONDS if self._answer_left > 0 else _ANSWER_OVER_SECONDS
        ):
            self._rest()
        elif now - self._answer_began > _BARGE_IN_AFTER_SECONDS and self._barges_in():
            self._call.barged.add(self._turn + 1)
            self._speak()

    def _rest(self) -> None:
        self._phase = _Phase.QUIET
        self._frames_left = _PAUSE_FRAMES + self._call.number * 7 % 20

    def _barges_in(self) -> bool:
        # Spread over calls and turns, and equal in every run.
        dice = (self._call.number * 31 + self._turn * 17) % 100
        return not self._leaving and dice < 100 * self._manners.barge_in

    def _goes_on(self) -> bool:
        dice = (self._call.number * 13 + self._turn * 29) % 100
        return dice < 100 * self._manners.goes_on


class Metronome:
    """The clock of all callers.

    lags: list to which the lateness of each tick is appended, s.
    """

    def __init__(self, lags: list[float]) -> None:
        self._lags = lags
        self._slots: list[list[Callable[[], None]]] = [[] for _ in range(_SLOTS)]

    def add(self, tick: Callable[[], None]) -> None:
        """Call `tick` every 20 ms from now on, in the slot with the fewest callers."""
        min(self._slots, key=len).append(tick)

    def remove(self, tick: Callable[[], None]) -> None:
        """Call `tick` no more."""
        for slot in self._slots:
            if tick in slot:
                slot.remove(tick)

    async def run(self) -> None:
        """Tick until cancelled. Late ticks are made up for: a phone line skips no frame."""
        began = time.perf_counter()
        count = 0
        while True:
            count += 1
            due = began + count * _TICK_SECONDS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            slot = self._slots[count % _SLOTS]
            if slot:
                self._lags.append(time.perf_counter() - due)
            for tick in slot:
                tick()
