"""A minimal client of Agent STT, which sends and returns raw messages."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from avr_sts_speechmatics.sandbox.scripted_cloud import RunningSandbox

FRAME = bytes(320)
KEY = {"Authorization": "Bearer a-key"}

START: dict[str, Any] = {
    "message": "StartRecognition",
    "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
    "transcription_config": {"language": "en", "model": "linden-1", "enable_partials": True},
}


@dataclass(frozen=True)
class Clip:
    """A telephone recording.

    file: name of the file.
    text: the spoken words.
    pcm: s16le at 8 kHz.
    """

    file: str
    text: str
    pcm: bytes


class AgentClient:
    """One connection to /v2/agent."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, message: dict[str, Any] | str) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def audio(self, pcm: bytes, *, frame: int = 320) -> int:
        """Send audio in frames of `frame` bytes. Returns the number of frames."""
        pieces = [pcm[start : start + frame] for start in range(0, len(pcm), frame)]
        for piece in pieces:
            await self.socket.send_bytes(piece)
        return len(pieces)

    async def next(self) -> dict[str, Any]:
        """The next message that is not AudioAdded."""
        while True:
            message = await self.socket.receive_json(timeout=5)
            if message["message"] != "AudioAdded":
                return dict(message)

    async def until(self, name: str) -> list[dict[str, Any]]:
        """All messages up to the first of that name, without AudioAdded."""
        messages = [await self.next()]
        while messages[-1]["message"] != name:
            messages.append(await self.next())
        return messages

    async def started(self, **changes: Any) -> dict[str, Any]:
        """Start a session. Returns the server's answer."""
        await self.send(START | changes)
        return await self.next()

    async def finish(self, frames: int) -> list[dict[str, Any]]:
        """End the stream. Returns all remaining messages, EndOfTranscript included."""
        await self.send({"message": "EndOfStream", "last_seq_no": frames})
        return await self.until("EndOfTranscript")

    async def close_code(self) -> int | None:
        """Read to the end. Returns the close code; None if the connection broke."""
        async for _ in self.socket:
            pass
        return self.socket.close_code


Connect = Callable[[RunningSandbox], Awaitable[AgentClient]]
"""Opens a connection to /v2/agent, with a key."""
