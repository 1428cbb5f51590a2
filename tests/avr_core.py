"""A stand-in for avr-core: the client's side of the AVR WebSocket, for tests.

Sends what it is told to, as fast as it is told to; keeps all that comes, with its time.
"""

import asyncio
import json
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

SILENCE = bytes(320)


@dataclass(slots=True)
class Heard:
    """What came back: messages with the time of each (monotonic s), and when the socket closed."""

    messages: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    close_code: int | None = None

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for _, message in self.messages if message["type"] == kind]

    @property
    def frames(self) -> list[bytes]:
        return [b64decode(message["audio"]) for message in self.of("audio")]

    def said(self, role: str) -> str:
        """All of one side's transcript in one piece."""
        return " ".join(text for who, text in self.transcript if who == role)

    @property
    def transcript(self) -> list[tuple[str, str]]:
        return [(message["role"], message["text"]) for message in self.of("transcript")]


class AvrCore:
    """One call."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._changed = asyncio.Event()
        self.heard = Heard()

    async def init(self, uuid: str = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2") -> None:
        await self.send({"type": "init", "uuid": uuid})

    async def send(self, message: dict[str, Any] | str | bytes) -> None:
        await self._socket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def send_text(self, text: bytes) -> None:
        """Send bytes as a text message, valid UTF-8 or not."""
        await self._socket.send(text, text=True)

    async def send_in_pieces(self, *pieces: str) -> None:
        """One message in several WebSocket frames."""
        await self._socket.send(list(pieces))

    async def speak(self, pcm: bytes) -> None:
        """Send audio in frames of 20 ms, without waiting in between."""
        for at in range(0, len(pcm), 320):
            frame = b64encode(pcm[at : at + 320]).decode()
            await self.send({"type": "audio", "audio": frame})

    async def stay(self, seconds: float) -> None:
        """Be on the line: a frame of silence every 20 ms."""
        for _ in range(round(seconds * 50)):
            await self.speak(SILENCE)
            await asyncio.sleep(0.02)

    async def until(self, holds: Callable[[Heard], bool], *, timeout: float = 10) -> Heard:
        """Wait until `holds` of what was heard; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not holds(self.heard):
                self._changed.clear()
                await self._changed.wait()
        return self.heard

    async def until_closed(self, *, timeout: float = 10) -> Heard:
        return await self.until(lambda heard: heard.close_code is not None, timeout=timeout)

    async def hang_up(self) -> None:
        await self._socket.close()

    def vanish(self) -> None:
        """Gone in the middle of whatever it was doing, without a word."""
        self._socket.transport.abort()

    async def receive(self) -> None:
        try:
            async for text in self._socket:
                self.heard.messages.append((time.monotonic(), json.loads(text)))
                self._changed.set()
        except websockets.ConnectionClosed:
            pass
        self.heard.close_code = self._socket.close_code
        self._changed.set()


async def refused_upgrade(url: str) -> tuple[int, dict[str, str], str]:
    """Ask for a WebSocket at `url` and be refused. Returns status, headers and body."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(url, compression=None):
            pass
    response = refused.value.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return response.status_code, headers, (response.body or b"").decode()


@asynccontextmanager
async def dial(url: str) -> AsyncIterator[AvrCore]:
    """A call to the service at `url` (ws://...); hung up when the context ends."""
    async with websockets.connect(url, compression=None) as socket:
        core = AvrCore(socket)
        receiving = asyncio.create_task(core.receive())
        try:
            yield core
        finally:
            await socket.close()
            await receiving
