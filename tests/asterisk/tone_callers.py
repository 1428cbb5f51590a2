"""A language of tones: what callers say in the tests, and a recogniser that cannot mishear it.

An utterance is two tones: the lower one says who speaks, the higher one what they say. Both pass
G.711, resampling and packets unharmed, so that a test with many calls at once knows from the text
alone whose voice was heard, and a voice in the wrong call would be noticed.

`ToneEars` is the recogniser for it, behind the sandbox's wire. It keeps the times of what it said,
which is what barge-in is measured from.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.engines import Send
from avr_sts_speechmatics.sandbox.stt_messages import StartRecognition

# fmt: off
NAMES = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet",
    "kilo", "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango",
)
# fmt: on
"""What callers are called, from number 0 on."""

LINE_RATE = 8000

_WHO_HERTZ, _WHO_STEP = 500, 50
_WHAT_HERTZ, _WHAT_STEP = 1800, 150
_AMPLITUDE = 5000
_LOUD = 1000

# As a recogniser behaves: speech is noticed soon, understood later, and over after a pause.
_NOTICED_S, _UNDERSTOOD_S, _OVER_S = 0.1, 0.3, 0.5


class Saying(Enum):
    """What a caller may say. The value is the text that is recognised."""

    QUESTION = "has a question"
    STOP = "wants to say something else"
    GOODBYE = "wants to hang up"
    TRANSFER = "wants to talk to a person"


_SAYINGS = tuple(Saying)


def utterance(caller: int, saying: Saying, seconds: float = 0.7) -> bytes:
    """What it sounds like: s16le at 8 kHz."""
    at = np.arange(round(seconds * LINE_RATE)) / LINE_RATE
    who = np.sin(2 * np.pi * (_WHO_HERTZ + _WHO_STEP * caller) * at)
    what = np.sin(2 * np.pi * (_WHAT_HERTZ + _WHAT_STEP * _SAYINGS.index(saying)) * at)
    spoken: NDArray[np.int16] = np.rint(_AMPLITUDE * (who + what)).astype("<i2")
    return spoken.tobytes()


def text_of(caller: int, saying: Saying) -> str:
    """What is recognised of it."""
    return f"Caller {NAMES[caller]} {saying.value}."


def understood(pcm: bytes, rate: int) -> str:
    """The text of an utterance (s16le), or "" where it is none."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    hertz: NDArray[np.float64] = np.fft.rfftfreq(samples.size, 1 / rate).astype(np.float64)
    middle = (_WHO_HERTZ + _WHO_STEP * len(NAMES) + _WHAT_HERTZ) / 2
    caller = round((_peak(spectrum, hertz, 0, middle) - _WHO_HERTZ) / _WHO_STEP)
    saying = round((_peak(spectrum, hertz, middle, 4000) - _WHAT_HERTZ) / _WHAT_STEP)
    if not (0 <= caller < len(NAMES) and 0 <= saying < len(_SAYINGS)):
        return ""
    return text_of(caller, _SAYINGS[saying])


@dataclass(frozen=True, slots=True)
class Turn:
    """An utterance as it was reported. noticed_at, over_at: when that was sent (monotonic s)."""

    text: str
    noticed_at: float
    over_at: float


class ToneStt:
    """Hears any number of calls; implements `engines.HearingEngine`."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def listen(self, start: StartRecognition, send: Send) -> AsyncIterator["ToneEar"]:
        yield ToneEar(start.audio_format.sample_rate, send, self._over)

    async def turn(self, text: str, *, timeout: float = 10) -> Turn:
        """The last turn with this text, once it is over; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while True:
                for turn in reversed(self.turns):
                    if turn.text == text:
                        return turn
                await self._changed.wait()

    def _over(self, turn: Turn) -> None:
        self.turns.append(turn)
        self._changed.set()
        self._changed = asyncio.Event()


def _peak(
    spectrum: NDArray[np.float64], hertz: NDArray[np.float64], low: float, high: float
) -> float:
    """The strongest frequency between two (Hz)."""
    inside = (hertz >= low) & (hertz < high)
    return float(hertz[inside][int(np.argmax(spectrum[inside]))])


class ToneEar:
    """Hears one call; implements `engines.Listener`."""

    def __init__(self, rate: int, send: Send, over: Callable[[Turn], None]) -> None:
        self._rate = rate
        self._send = send
        self._over = over
        self._heard_bytes = 0
        self._speech = bytearray()
        self._quiet_bytes = 0
        self._noticed_at = 0.0
        self._understood = ""

    async def hear(self, pcm: bytes) -> None:
        self._heard_bytes += len(pcm)
        samples: NDArray[np.int16] = np.frombuffer(pcm, "<i2")
        loud = bool(np.abs(samples.astype(np.int32)).max(initial=0) > _LOUD)
        if not loud and not self._speech:
            return
        self._speech += pcm
        self._quiet_bytes = 0 if loud else self._quiet_bytes + len(pcm)
        begin = self._now - self._seconds(len(self._speech))
        if not self._noticed_at and self._seconds(len(self._speech)) >= _NOTICED_S:
            self._send(stt_messages.speech_started(begin))
            self._send(stt_messages.start_of_turn(begin))
            self._noticed_at = time.monotonic()
        if not self._understood and self._seconds(len(self._speech)) >= _UNDERSTOOD_S:
            self._understood = understood(bytes(self._speech), self._rate)
            if self._understood:
                self._send(stt_messages.partial_segment(self._understood, begin, self._now))
        if self._seconds(self._quiet_bytes) >= _OVER_S:
            self._end(begin)

    async def force(self, timestamp: float) -> None:
        self._send(stt_messages.end_of_turn(timestamp))

    def show_partials(self, enabled: bool) -> None:
        """They are always shown."""

    async def finish(self) -> None:
        """What was not over is not heard."""

    @property
    def _now(self) -> float:
        return self._seconds(self._heard_bytes)

    def _seconds(self, size: int) -> float:
        return size / (2 * self._rate)

    def _end(self, begin: float) -> None:
        end = self._now - self._seconds(self._quiet_bytes)
        if self._understood:
            self._send(stt_messages.segment(self._understood, begin, end))
        if self._noticed_at:
            self._send(stt_messages.speech_ended(end))
        if self._understood:
            self._send(stt_messages.end_of_turn(self._now))
            self._over(Turn(self._understood, self._noticed_at, time.monotonic()))
        self._speech.clear()
        self._quiet_bytes = 0
        self._noticed_at = 0.0
        self._understood = ""
