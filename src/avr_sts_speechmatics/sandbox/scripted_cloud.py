"""A sandbox whose every word is decided beforehand: for tests of the product.

    caller = turn("What are your opening hours?", start=0.2, end=1.6)
    async with running_sandbox(scripted(caller, answers=["We open at nine."])) as cloud:
        …                                   # point the service at cloud.rt_url and so on
        await cloud.received.until(lambda: len(cloud.received.speech) == 1)

The wire, the order of the protocol, keys, quotas and faults are the real sandbox's; only
what is heard, said and thought is made up. Time is audio: a step of a script happens when
that much audio has come, so a test may send as fast as it likes.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.app import create_app
from avr_sts_speechmatics.sandbox.engines import Engines, Send, ServerMessage, ToolCall
from avr_sts_speechmatics.sandbox.faults import Faults
from avr_sts_speechmatics.sandbox.received import Received
from avr_sts_speechmatics.sandbox.stt_messages import StartRecognition
from avr_sts_speechmatics.sandbox.stt_server import START_TIMEOUT_S

RATE = 16_000


@dataclass(frozen=True, slots=True)
class At:
    """A message goes out once `seconds` of audio have come. A string goes out as it is."""

    seconds: float
    message: ServerMessage


Script = Sequence[At]


def turn(
    text: str, *, start: float, end: float, partials: Iterable[str] = (), silence: float = 0.65
) -> list[At]:
    """A caller's whole turn, as the cloud would report it.

    start, end: of the speech, in seconds of audio. partials: spread evenly over the speech.
    silence: what it takes after the speech until the turn is over.
    """
    said = list(partials)
    steps = [
        At(start + 0.1, stt_messages.speech_started(start)),
        At(start + 0.3, stt_messages.start_of_turn(start)),
    ]
    for number, partial in enumerate(said, start=1):
        at = start + (end - start) * number / len(said)
        steps.append(At(at, stt_messages.partial_segment(partial, start, at)))
    return [
        *sorted(steps, key=lambda step: step.seconds),
        At(end + silence, stt_messages.segment(text, start, end)),
        At(end + silence, stt_messages.speech_ended(end)),
        At(end + silence, stt_messages.end_of_turn(end + silence)),
    ]


def cough(*, start: float, end: float, silence: float = 0.5) -> list[At]:
    """A sound without words: speech starts and ends, and no turn comes of it."""
    return [
        At(start + 0.1, stt_messages.speech_started(start)),
        At(end + silence, stt_messages.speech_ended(end)),
    ]


class ScriptedStt:
    """The first session follows the first script, and so on; sessions beyond hear nothing.

    A test that wants to speak at a moment of its own uses `received.sessions[n].say(...)`.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)

    @asynccontextmanager
    async def listen(self, start: StartRecognition, send: Send) -> AsyncIterator["Reader"]:
        script = self._scripts.pop(0) if self._scripts else ()
        yield Reader(script, start, send)


class Reader:
    """Reads one script aloud."""

    def __init__(self, script: Script, start: StartRecognition, send: Send) -> None:
        self._steps = list(script)
        self._bytes_per_second = start.audio_format.bytes_per_second
        self._send = send
        self._bytes = 0

    async def hear(self, pcm: bytes) -> None:
        self._bytes += len(pcm)
        while self._steps and self._steps[0].seconds * self._bytes_per_second <= self._bytes:
            self._send(self._steps.pop(0).message)

    async def force(self, timestamp: float) -> None:
        self._send(stt_messages.end_of_turn(timestamp))

    def show_partials(self, enabled: bool) -> None:
        """A script says what it says."""

    async def finish(self) -> None:
        """What the script holds for later will never be heard."""


Pieces = Iterable[bytes | float | asyncio.Event]


def tone(text: str, *, seconds_per_character: float = 0.05, hertz: float = 440) -> bytes:
    """What ToneVoice says: a tone as long as the text, s16le at 16 kHz."""
    samples = round(len(text) * seconds_per_character * RATE)
    step = 2 * math.pi * hertz / RATE
    wave = np.rint(8000 * np.sin(step * np.arange(samples)))
    return bytes(wave.astype("<i2").tobytes())


class ToneTts:
    """Speaks every text as a tone whose length depends on it, and on nothing else.

    first_byte_after: seconds until the first audio, as a synthesiser needs.
    """

    def __init__(self, *, seconds_per_character: float = 0.05, first_byte_after: float = 0) -> None:
        self._seconds_per_character = seconds_per_character
        self._first_byte_after = first_byte_after

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        await asyncio.sleep(self._first_byte_after)
        yield tone(text, seconds_per_character=self._seconds_per_character)


class ScriptedTts:
    """Speaks given audio for given texts, and tones for the rest.

    sounds: for a text, its audio in pieces: bytes are sent, a number is a wait in seconds,
    an event is waited for.
    """

    def __init__(self, sounds: Mapping[str, Pieces]) -> None:
        self._sounds = sounds

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        for piece in self._sounds.get(text, (tone(text),)):
            if isinstance(piece, bytes):
                yield piece
            else:
                await _wait(piece)


Thought = str | Sequence[str | ToolCall | float | asyncio.Event]
"""One answer. A string is streamed word by word; in a sequence strings and tool calls are sent
as they are, a number is a wait in seconds, an event is waited for."""


class ScriptedLlm:
    """Gives its answers one after the other, whatever it is asked; then the last one for ever."""

    def __init__(self, *answers: Thought) -> None:
        if not answers:
            raise ValueError("ScriptedThinking needs at least one answer")
        self._answers = list(answers)

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        for piece in _words(answer) if isinstance(answer, str) else answer:
            if isinstance(piece, str | ToolCall):
                yield piece
            else:
                await _wait(piece)


def scripted(
    *scripts: Script,
    answers: Sequence[Thought] = ("I see.",),
    voice: ToneTts | ScriptedTts | None = None,
) -> Engines:
    """Engines of one conversation. scripts: what each session hears, in the order they open."""
    return Engines(ScriptedStt(*scripts), voice or ToneTts(), ScriptedLlm(*answers))


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers now.

    faults: add misbehaviour here, without HTTP. received: what came, see `received`.
    """

    port: int
    faults: Faults = field(default_factory=Faults)
    received: Received = field(default_factory=Received)

    @property
    def rt_url(self) -> str:
        """For SPEECHMATICS_RT_URL; the client appends /agent."""
        return f"ws://127.0.0.1:{self.port}/v2"

    @property
    def tts_url(self) -> str:
        """For SPEECHMATICS_TTS_URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """For OPENAI_BASE_URL and OPENAI_TTS_URL."""
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def running_sandbox(
    engines: Engines | None = None,
    *,
    max_calls: int = 2,
    start_timeout: float = START_TIMEOUT_S,
    port: int = 0,
) -> AsyncIterator[RunningSandbox]:
    """A sandbox on a port of its own, in this event loop, until the context ends.

    engines: without them it hears nothing and answers "I see.". port: 0 takes a free one.
    """
    faults, received = Faults(), Received()
    app = create_app(
        engines or scripted(),
        max_calls=max_calls,
        faults=faults,
        received=received,
        start_timeout=start_timeout,
    )
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield RunningSandbox(runner.addresses[0][1], faults, received)
    finally:
        await runner.cleanup()


async def _wait(pause: float | asyncio.Event) -> None:
    if isinstance(pause, asyncio.Event):
        await pause.wait()
    else:
        await asyncio.sleep(pause)


def _words(text: str) -> list[str]:
    """The text in pieces of a word each, as a model would stream it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]
