"""avr-core's side of one call, message by message, without any politeness of a real avr-core.

A task sends one frame every 20 ms against absolute deadlines: speech that was queued, otherwise
silence. Every message that arrives is kept with its time. avr-core plays audio in the order of its
arrival, so `plays_until` models how long the audio that has arrived will be heard.
"""

import asyncio
import base64
import binascii
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp
import numpy as np

RATE = 8000
FRAME_BYTES = 320
FRAME_S = 0.02
SILENCE = bytes(FRAME_BYTES)

LOUD = 200
"""Least peak of audible audio (s16 sample value, about -44 dBFS)."""

CONNECT_S = 5.0
CLOSE_S = 2.0
"""Longest wait for the other side of the closing handshake (s)."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of the service.

    at: time of arrival (s, of the event loop's clock).
    type: the message's type; empty if it has none.
    fields: the whole message; empty if it is no JSON object.
    pcm: audio of a message of the type `audio` (s16le).
    fault: what is wrong with the form of the message; empty for none.
    audible: whether the message has audio that can be heard.
    """

    at: float
    type: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    pcm: bytes = b""
    fault: str = ""
    audible: bool = False


class Core:
    """One call. Use `opened`.

    received: every message so far.
    closed_by_service: how the service ended the connection; None while it is open.
    """

    def __init__(
        self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, uuid: str
    ) -> None:
        self.uuid = uuid
        self.received: list[Received] = []
        self.closed_by_service: str | None = None
        self.plays_until = 0.0
        self.most_ahead = 0.0
        """Most audio that waited at avr-core (s)."""
        self._session = session
        self._socket = socket
        self._to_say: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ending = False
        self._reading = asyncio.create_task(self._read())
        self._sending: asyncio.Task[None] | None = None

    # --- sending -------------------------------------------------------------------------------

    async def init(self, uuid: str | None = None) -> None:
        """Send `init`, with the call's uuid unless another one is given; then frames."""
        await self.send({"type": "init", "uuid": uuid or self.uuid})
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_frames())

    async def send(self, message: Mapping[str, object] | str | bytes) -> None:
        """Send a message: an object as JSON, text as it is, bytes as a binary frame."""
        with contextlib.suppress(ConnectionError, aiohttp.ClientError, RuntimeError):
            if isinstance(message, bytes):
                await self._socket.send_bytes(message)
            else:
                text = message if isinstance(message, str) else json.dumps(message)
                await self._socket.send_str(text)

    def say(self, pcm: bytes) -> None:
        """Queue speech (s16le at 8 kHz) behind what is queued already."""
        padded = pcm + bytes(-len(pcm) % FRAME_BYTES)
        self._to_say += (padded[at : at + FRAME_BYTES] for at in range(0, len(padded), FRAME_BYTES))
        self._news.set()

    @property
    def has_begun(self) -> bool:
        """Whether `init` was sent."""
        return self._sending is not None

    @property
    def speaks(self) -> bool:
        """Whether queued speech is still being sent."""
        return bool(self._to_say)

    # --- waiting -------------------------------------------------------------------------------

    async def until(self, holds: Callable[[], bool], timeout: float) -> bool:
        """Wait for something that messages bring about; returns whether it came to pass."""
        end = _now() + timeout
        while not holds():
            left = end - _now()
            if left <= 0 or self.closed_by_service is not None:
                return holds()
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.1)):
                    await self._news.wait()
        return True

    async def for_a_while(self, seconds: float) -> bool:
        """Let time pass; returns whether the connection is still open."""
        return not await self.until(lambda: self.closed_by_service is not None, seconds)

    @property
    def quiet(self) -> bool:
        """Whether all audible audio that has arrived has been played."""
        return _now() >= self.plays_until

    def since(self, at: float) -> list[Received]:
        """Messages that arrived after a time."""
        return [one for one in self.received if one.at > at]

    # --- the end -------------------------------------------------------------------------------

    async def close(self) -> bool:
        """Close the connection; returns whether the service answered the closing handshake."""
        if self._ending:
            return True
        self._ending = True
        await self._stop_sending()
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self._socket.close()
        await self._end()
        return self._socket.close_code not in (None, 1006)

    async def vanish(self) -> None:
        """End the connection without a closing handshake, as when a network fails."""
        self._ending = True
        await self._stop_sending()
        connector = self._session.connector
        assert connector is not None
        await connector.close()
        await self._end()

    async def _stop_sending(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait((self._sending,))

    async def _end(self) -> None:
        self._reading.cancel()
        await asyncio.wait((self._reading,))

    # --- tasks ---------------------------------------------------------------------------------

    async def _send_frames(self) -> None:
        due = _now()
        while not self._socket.closed:
            pcm = self._to_say.popleft() if self._to_say else SILENCE
            audio = base64.b64encode(pcm).decode()
            await self.send(f'{{"type":"audio","audio":"{audio}"}}')
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - _now()))

    async def _read(self) -> None:
        async for message in self._socket:
            received = read(message, _now())
            self.received.append(received)
            if received.type == "interruption":
                self.plays_until = received.at
            if received.audible:
                begins = max(self.plays_until, received.at)
                self.plays_until = begins + len(received.pcm) / 2 / RATE
                self.most_ahead = max(self.most_ahead, self.plays_until - received.at)
            self._news.set()
        if not self._ending:
            code = self._socket.close_code
            lost = code in (None, 1006)
            self.closed_by_service = "the connection was lost" if lost else f"code {code}"
        self._news.set()


@contextlib.asynccontextmanager
async def opened(url: str, uuid: str) -> AsyncIterator[Core]:
    """Open a call without its `init`; closes the call at the end.

    Raises aiohttp.ClientError, OSError or TimeoutError if there is no WebSocket.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async with asyncio.timeout(CONNECT_S):
            socket = await session.ws_connect(
                url, max_msg_size=0, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S)
            )
        core = Core(session, socket, uuid)
        try:
            yield core
        finally:
            await core.close()


def read(message: aiohttp.WSMessage, at: float) -> Received:
    """Read one frame of the service."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return Received(at, fault="a binary frame")
    try:
        fields = json.loads(message.data)
    except ValueError:
        return Received(at, fault=f"no JSON: {message.data[:40]!r}")
    kind = fields.get("type") if isinstance(fields, dict) else None
    if not isinstance(kind, str):
        return Received(at, fault=f"no object with a text `type`: {message.data[:40]!r}")
    if kind != "audio":
        return Received(at, kind, fields)
    try:
        pcm = base64.b64decode(str(fields.get("audio", "")), validate=True)
    except binascii.Error:
        return Received(at, kind, fields, fault="audio that is no base64")
    if len(pcm) % 2 or not pcm:
        fault = f"{len(pcm)} bytes of audio"
        return Received(at, kind, fields, pcm, fault, audible=is_loud(pcm))
    return Received(at, kind, fields, pcm, audible=is_loud(pcm))


def is_loud(pcm: bytes) -> bool:
    """Whether audio (s16le) can be heard."""
    if len(pcm) < 2:
        return False
    samples = np.frombuffer(pcm[: len(pcm) & ~1], dtype="<i2").astype(np.int32)
    return bool(np.abs(samples).max() >= LOUD)


def _now() -> float:
    return asyncio.get_running_loop().time()
