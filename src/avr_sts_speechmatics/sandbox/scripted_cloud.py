"""A sandbox with scripted engines, for tests of the product.

    caller = turn("What are your opening hours?", start=0.2, end=1.6)
    async with running_sandbox(scripted(caller, answers=["We open at nine."])) as cloud:
        …                                   # point the service at cloud.rt_url and so on
        await cloud.received.until(lambda: len(cloud.received.speech) == 1)

Protocols, API keys, quotas and faults are those of the real sandbox; only the output of STT, TTS
and LLM is scripted. Scripts count time in audio: a step happens when that much audio has arrived,
so a test may send audio faster than real time.
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
    """A message that is sent once `seconds` of audio have arrived.

    message: an object, or text that is sent unchanged.
    """

    seconds: float
    message: ServerMessage


Script = Sequence[At]


def turn(
    text: str, *, start: float, end: float, partials: Iterable[str] = (), silence: float = 0.65
) -> list[At]:
    """Return a script of a caller's whole turn, with the messages that Speechmatics would send.

    text: the final text.
    start: start of the speech, seconds of audio.
    end: end of the speech, seconds of audio.
    partials: partial texts, spread evenly over the speech.
    silence: time from the end of the speech to the end of the turn, s.
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
    """Return a script of a sound without words: speech starts and ends without a turn.

    start: start of the sound, seconds of audio.
    end: end of the sound, seconds of audio.
    silence: time from the end of the sound to SpeechEnded, s.
    """
    return [
        At(start + 0.1, stt_messages.speech_started(start)),
        At(end + silence, stt_messages.speech_ended(end)),
    ]


class ScriptedStt:
    """Plays one script in each STT session: the first session plays the first script, and so on.

    Sessions after the last script send no results. A test that must send a message at a certain
    moment uses `received.sessions[n].say(...)`.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)

    def add(self, script: Script) -> None:
        """Add the script of a further session."""
        self._scripts.append(script)

    @asynccontextmanager
    async def listen(self, start: StartRecognition, send: Send) -> AsyncIterator["Reader"]:
        script = self._scripts.pop(0) if self._scripts else ()
        yield Reader(script, start, send)


class Reader:
    """Sends the messages of one script."""

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
        """No effect: a script contains its partials."""

    async def finish(self) -> None:
        """No effect: steps after the end of the audio are not sent."""


Pieces = Iterable[bytes | float | asyncio.Event]


def tone(text: str, *, seconds_per_character: float = 0.05, hertz: float = 440) -> bytes:
    """The audio of ToneTts for a text: a tone of `len(text) * seconds_per_character` seconds.

    hertz: frequency of the tone.

    Returns s16le mono at 16 kHz.
    """
    samples = round(len(text) * seconds_per_character * RATE)
    step = 2 * math.pi * hertz / RATE
    wave = np.rint(8000 * np.sin(step * np.arange(samples)))
    return bytes(wave.astype("<i2").tobytes())


class ToneTts:
    """Speaks every text as a tone whose length depends only on the length of the text.

    seconds_per_character: length of the tone.
    first_byte_after: time to first byte, s.
    """

    def __init__(self, *, seconds_per_character: float = 0.05, first_byte_after: float = 0) -> None:
        self._seconds_per_character = seconds_per_character
        self._first_byte_after = first_byte_after

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        await asyncio.sleep(self._first_byte_after)
        yield tone(text, seconds_per_character=self._seconds_per_character)


class ScriptedTts:
    """Speaks given audio for given texts, and tones for all others.

    sounds: for each text, its pieces: bytes are sent, a number is a wait in seconds, an event is
        waited for.
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
"""One answer. A string is streamed word by word. In a sequence, strings and tool calls are sent
unchanged, a number is a wait in seconds, an event is waited for."""


class ScriptedLlm:
    """Gives its answers in order, whatever the request, and then repeats the last answer.

    outcomes: answers to requests for a JSON object, in order; the last one is repeated.
    """

    def __init__(self, *answers: Thought, outcomes: Sequence[Thought] = ("{}",)) -> None:
        if not answers or not outcomes:
            raise ValueError("ScriptedLlm needs at least one answer")
        self._answers = list(answers)
        self._outcomes = list(outcomes)

    async def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        async for piece in _said(self._answers):
            yield piece

    async def fill(
        self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]
    ) -> AsyncIterator[str]:
        async for piece in _said(self._outcomes):
            yield str(piece)


async def _said(answers: list[Thought]) -> AsyncIterator[str | ToolCall]:
    """Yield the next of some answers."""
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    for piece in _words(answer) if isinstance(answer, str) else answer:
        if isinstance(piece, str | ToolCall):
            yield piece
        else:
            await _wait(piece)


def scripted(
    *scripts: Script,
    answers: Sequence[Thought] = ("I see.",),
    outcomes: Sequence[Thought] = ("{}",),
    voice: ToneTts | ScriptedTts | None = None,
) -> Engines:
    """Make the engines of one conversation.

    scripts: one script for each STT session, in the order in which the sessions open.
    answers: answers of the LLM, in order; the last answer is repeated.
    outcomes: the same, to requests for a JSON object.
    voice: the TTS engine; None for tones.
    """
    return Engines(
        ScriptedStt(*scripts), voice or ToneTts(), ScriptedLlm(*answers, outcomes=outcomes)
    )


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that is ready.

    port: on 127.0.0.1.
    faults: queue to which faults can be added without HTTP.
    received: record of the requests, see `received`.
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
    """Run a sandbox on its own port, in this event loop, until the context ends.

    engines: None for an STT without results, tones, and the answer "I see.".
    max_calls: number of simultaneous STT sessions.
    start_timeout: time in which a connection must send StartRecognition, s.
    port: on 127.0.0.1; 0 for any free port.
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
    """The text in pieces of one word each, as a model streams them."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])]
