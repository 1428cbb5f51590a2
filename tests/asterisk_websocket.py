"""A stand-in for Asterisk's chan_websocket, for tests: its queue, and its side of the socket.

Behaves as measured on Asterisk 22.10: one frame every 20 ms; what fills no frame is kept only
while buffering; XOFF at 900 frames, XON below 800, silence about what comes beyond 1000; a mark is
told at the tick after the last frame before it; a flush forgets the marks and ends buffering, but
keeps a pause; commands above 128 characters and unknown ones are ignored.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

XOFF, XON, FULL = 900, 800, 1000
FRAME_S = 0.02


class MediaQueue:
    """The channel's queue. tell: takes an event. frame_bytes: 20 ms of the channel's audio."""

    def __init__(self, tell: Callable[[dict[str, Any]], None], frame_bytes: int = 320) -> None:
        self._tell = tell
        self._frame_bytes = frame_bytes
        self._queue: deque[bytes | dict[str, Any]] = deque()
        self._rest = b""
        self._buffering = False
        self._full = False
        self.paused = False
        self.commands: list[str] = []
        self.unbuffered = 0  # messages that came while a rest of them would have been lost
        self.longest = 0
        self.marks_are_told = True

    @property
    def length(self) -> int:
        return sum(isinstance(item, bytes) for item in self._queue)

    def command(self, text: bytes | str) -> None:
        if len(text) > 128:
            return
        try:
            order = json.loads(text)
        except ValueError:
            self._tell({"event": "ERROR", "error_text": "Unable to parse JSON command"})
            return
        name = order.get("command")
        self.commands.append(name)
        match name:
            case "START_MEDIA_BUFFERING":
                self._buffering = True
            case "MARK_MEDIA" if self.marks_are_told:
                told = {"event": "MEDIA_MARK_PROCESSED", "channel_id": "1.1"}
                self._queue.append(told | {"correlation_id": order.get("correlation_id", "")})
            case "FLUSH_MEDIA":
                self._queue.clear()
                self._rest = b""
                self._buffering = False
            case "PAUSE_MEDIA":
                self.paused = True
            case "CONTINUE_MEDIA":
                self.paused = False

    def media(self, payload: bytes) -> None:
        if self.length >= FULL:
            return
        self.unbuffered += not self._buffering
        payload, self._rest = self._rest + payload, b""
        whole = len(payload) // self._frame_bytes * self._frame_bytes
        for at in range(0, whole, self._frame_bytes):
            self._queue.append(payload[at : at + self._frame_bytes])
        if self._buffering:
            self._rest = payload[whole:]
        self.longest = max(self.longest, self.length)
        if self.length >= XOFF and not self._full:
            self._full = True
            self._tell({"event": "MEDIA_XOFF", "channel_id": "1.1"})

    def tick(self) -> bytes | None:
        """What is played for the next 20 ms, None for nothing."""
        if self.paused:
            return None
        if self._full and self.length < XON:
            self._full = False
            self._tell({"event": "MEDIA_XON", "channel_id": "1.1"})
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, bytes):
                return item
            self._tell(item)
        rest, self._rest = self._rest, b""
        return rest or None


class Asterisk:
    """One channel: its end of the socket, and what its caller hears."""

    def __init__(self, socket: ClientConnection, frame_bytes: int) -> None:
        self._socket = socket
        self._changed = asyncio.Event()
        self._to_tell: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.queue = MediaQueue(self._to_tell.put_nowait, frame_bytes)
        self.heard: list[bytes | None] = []  # what was played at each tick
        self.close_code: int | None = None
        self.obedient = True  # hangs up when it is told to
        self.message_sizes: list[int] = []

    @property
    def voice(self) -> bytes:
        """All that was played, in one piece."""
        return b"".join(frame for frame in self.heard if frame)

    async def start(self, codec: str = "slin", **changes: Any) -> None:
        """Say what the channel is. changes: other values than an Asterisk would give."""
        size = {"ulaw": 160, "alaw": 160, "slin": 320, "slin16": 640}.get(codec, 0)
        event: Mapping[str, Any] = {
            "event": "MEDIA_START",
            "connection_id": "avr",
            "channel": "WebSocket/avr/0x7ff3",
            "channel_id": "1795405367.31",
            "format": codec,
            "optimal_frame_size": size,
            "ptime": 20,
            "channel_variables": {"DIALEDPEERNUMBER": f"avr/c({codec})"},
        }
        await self.send({**event, **changes})

    async def send(self, message: Mapping[str, Any] | str | bytes) -> None:
        await self._socket.send(json.dumps(message) if isinstance(message, Mapping) else message)

    async def send_text(self, text: bytes) -> None:
        """Send bytes as a text message, valid UTF-8 or not."""
        await self._socket.send(text, text=True)

    async def speak(self, pcm: bytes, size: int = 320) -> None:
        """Send audio in frames of 20 ms, without waiting in between."""
        for at in range(0, len(pcm), size):
            await self.send(pcm[at : at + size])

    async def press(self, digit: str) -> None:
        await self.send({"event": "DTMF_END", "channel_id": "1.1", "digit": digit})

    async def until(self, holds: Callable[[], bool], *, timeout: float = 10) -> None:
        """Wait until something holds of what came; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def until_closed(self, *, timeout: float = 10) -> int | None:
        await self.until(lambda: self.close_code is not None, timeout=timeout)
        return self.close_code

    async def hang_up(self) -> None:
        """The caller has hung up."""
        await self._socket.close()

    def vanish(self) -> None:
        self._socket.transport.abort()

    async def receive(self) -> None:
        try:
            async for message in self._socket:
                if isinstance(message, bytes):
                    self.message_sizes.append(len(message))
                    self.queue.media(message)
                else:
                    self.queue.command(message)
                    if self.obedient and self.queue.commands[-1:] == ["HANGUP"]:
                        await self._socket.close()
                self._changed.set()
        except websockets.ConnectionClosed:
            pass
        self.close_code = self._socket.close_code
        self._changed.set()

    async def play(self) -> None:
        """The channel's timer."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self.close_code is None:
            due += FRAME_S
            await asyncio.sleep(max(0, due - loop.time()))
            self.heard.append(self.queue.tick())
            try:
                while not self._to_tell.empty():
                    await self.send(self._to_tell.get_nowait())
            except websockets.ConnectionClosed:
                return
            self._changed.set()


@asynccontextmanager
async def dial(url: str, *, frame_bytes: int = 320, media: bool = True) -> AsyncIterator[Asterisk]:
    """A channel to `url` (ws://.../media?...); hung up when the context ends.

    media: whether the subprotocol is asked for.
    """
    protocols = [Subprotocol("media")] if media else None
    async with websockets.connect(
        url, compression=None, max_size=65535, subprotocols=protocols
    ) as socket:
        assert socket.subprotocol == ("media" if media else None)
        asterisk = Asterisk(socket, frame_bytes)
        receiving = asyncio.create_task(asterisk.receive())
        playing = asyncio.create_task(asterisk.play())
        try:
            yield asterisk
        finally:
            await socket.close()
            await receiving
            await playing
