"""The interfaces of the STT, TTS and LLM engines behind the sandbox's servers.

A server implements a wire protocol, an engine speech or language processing; any engine works with
its server. `local_engines` builds the real engines, `scripted_cloud` engines that follow a test's
script.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from avr_sts_speechmatics.sandbox.stt_messages import StartRecognition

ServerMessage = Mapping[str, Any] | str
"""A message for the client: an object, or text that is sent unchanged, even if it is not JSON."""

Send = Callable[[ServerMessage], None]
"""Queues a message for the client. Never blocks; keeps the order."""


class Listener(Protocol):
    """The recogniser of one session. The methods are called from the event loop, one at a time."""

    async def hear(self, pcm: bytes) -> None:
        """Process the audio of one AddAudio frame.

        pcm: whole samples in the session's format.

        May wait while the engine is behind: the cloud, too, reads slowly from a client that sends
        faster than real time.
        """

    async def force(self, timestamp: float) -> None:
        """End the turn (`external` mode).

        timestamp: seconds of session audio.
        """

    def show_partials(self, enabled: bool) -> None:
        """Start or stop to send AddPartialSegment."""

    async def finish(self) -> None:
        """Process the end of the audio. On return all pending messages are queued."""


class SttEngine(Protocol):
    """Recognises speech."""

    def listen(self, start: StartRecognition, send: Send) -> AbstractAsyncContextManager[Listener]:
        """Recognise one session until the context ends; messages still pending are dropped.

        start: the client's StartRecognition.
        send: queues a message for the client.
        """


class TtsEngine(Protocol):
    """Synthesises speech."""

    def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        """Yield the audio of the text: s16le mono at 16 kHz.

        A piece may have any number of bytes, also an odd number.

        text: not blank.
        voice: name of a voice that the server knows.
        """


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call of the model.

    name: of the tool.
    arguments: JSON text; a fault may send any text.
    """

    name: str
    arguments: str


class LlmEngine(Protocol):
    """Answers a conversation."""

    def think(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str]
    ) -> AsyncIterator[str | ToolCall]:
        """Yield the answer piece by piece: text as a model streams it, then any tool calls.

        messages: as in a Chat Completions request.
        tools: names of the offered tools.
        """


@runtime_checkable
class FormFiller(Protocol):
    """An LlmEngine that writes JSON objects too; any other answers in words."""

    def fill(
        self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]
    ) -> AsyncIterator[str]:
        """Yield a JSON object piece by piece.

        messages: as in a Chat Completions request.
        schema: JSON Schema of the object; empty for any object.
        """


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine for each service."""

    stt: SttEngine
    voice: TtsEngine
    llm: LlmEngine
