"""What the three servers need behind them: something that hears, speaks and thinks.

The servers know the wire, an engine knows speech or language; neither knows which of the
other it has. `local` builds the real ones, `scripted` those whose every word a test decides.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from avr_sts_speechmatics.sandbox.stt_messages import StartRecognition

ServerMessage = Mapping[str, Any] | str
"""A message for the client: an object, or text that goes out as it is (even if it is not JSON)."""

Send = Callable[[ServerMessage], None]
"""Queues a message for the client. Never blocks; keeps the order."""


class Listener(Protocol):
    """Ears for one session. Each method is called from the event loop, one at a time."""

    async def hear(self, pcm: bytes) -> None:
        """Take the audio of one AddAudio frame, in the session's format, whole samples.

        May wait when the engine is behind: a server that reads slower is how the cloud
        answers a client that sends faster than real time.
        """

    async def force(self, timestamp: float) -> None:
        """End the turn here (`external` mode). timestamp: seconds of session audio."""

    def show_partials(self, enabled: bool) -> None:
        """Send AddPartialSegment from now on, or stop doing so."""

    async def finish(self) -> None:
        """No more audio: send what is still pending. On return everything is queued."""


class SttEngine(Protocol):
    """Opens ears."""

    def listen(self, start: StartRecognition, send: Send) -> AbstractAsyncContextManager[Listener]:
        """Listen to a session until the context ends, whatever is pending then is dropped."""


class TtsEngine(Protocol):
    """Says text."""

    def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        """Audio of the text: s16le, mono, 16 kHz, in pieces of any length, even odd ones.

        text: not blank. voice: one the server knows.
        """


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The thinker wants a tool run. arguments: JSON text, unless it means to misbehave."""

    name: str
    arguments: str


class LlmEngine(Protocol):
    """Answers a conversation."""

    def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        """The answer, piece by piece: text as it would be streamed, then any tool calls.

        messages: as in a Chat Completions request. tools: the names of those offered.
        """


@dataclass(frozen=True, slots=True)
class Engines:
    """All three."""

    stt: SttEngine
    voice: TtsEngine
    llm: LlmEngine
