"""A small AVR speech-to-speech service that can break any one line of the protocol on request.

It speaks a welcome, hears the end of a caller's words by 100 ms of silence, and answers each
question with noise of its own. A caller who speaks over the agent interrupts.
"""

import asyncio
import base64
import contextlib
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from aiohttp import WSMsgType, web

FRAME = 320
FRAME_S = 0.02
WELCOME_FRAMES = 10
ANSWER_FRAMES = 70
END_FRAMES = 5
"""Silent frames after which the caller's turn is over."""


def noise(seed: int, frames: int) -> bytes:
    """Audio that no other seed makes (s16le)."""
    samples = np.random.default_rng(seed).integers(-3000, 3000, frames * FRAME // 2)
    return samples.astype("<i2").tobytes()


def speech(seconds: float, seed: int = 0) -> bytes:
    """A caller's words (s16le at 8 kHz)."""
    return noise(seed, round(seconds / FRAME_S))


@dataclass
class Service:
    """The state of the whole service.

    fault: name of the line that is broken; empty for none.
    """

    fault: str = ""
    sockets: dict[web.WebSocketResponse, "Conversation"] = field(default_factory=dict)
    uuids: set[str] = field(default_factory=set)
    shared: bytearray = field(default_factory=bytearray)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.fault == "connects" and request.path != "/":
            return web.Response(status=404)
        socket = web.WebSocketResponse(autoclose=self.fault != "close")
        await socket.prepare(request)
        call = self.sockets[socket] = Conversation(self, socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await call.take(message.data)
                elif message.type is WSMsgType.BINARY and self.fault == "malformed":
                    await socket.close(code=1003)
            if self.fault == "close":
                await asyncio.sleep(3)
        finally:
            del self.sockets[socket]
            if self.fault == "vanishing" and socket.close_code in (None, 1006):
                for other in self.sockets.values():
                    other.deaf = True
            self.uuids.discard(call.uuid)
            await call.end()
        return socket

    async def post(self, request: web.Request) -> web.StreamResponse:
        if self.fault == "http":
            return web.Response(status=404)
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(noise(1, len(chunk) // FRAME or 1))
        return response


class Conversation:
    """One call."""

    def __init__(self, service: Service, socket: web.WebSocketResponse) -> None:
        self.service = service
        self.socket = socket
        self.uuid = ""
        self.words = b""
        self.silent = 0
        self.deaf = False
        self.playing: asyncio.Task[None] | None = None

    @property
    def fault(self) -> str:
        return self.service.fault

    async def take(self, text: str) -> None:
        try:
            message = json.loads(text)
            kind = message["type"]
            audio = base64.b64decode(message["audio"], validate=True) if kind == "audio" else b""
        except (ValueError, TypeError, LookupError):
            if self.fault == "malformed":
                await self.socket.close(code=1007)
            return
        if kind == "init":
            await self.begin(message["uuid"])
        elif kind == "audio":
            if not self.uuid:
                if self.fault == "early-audio":
                    await self.socket.close(code=1008)
            elif len(audio) % 2 == 0:
                await self.hear(audio)
        elif kind == "dtmf_digit":
            if self.fault == "keys":
                await self.send({"type": "error", "message": "unknown type"})
        elif self.fault == "unknown-type":
            await self.send({"type": "error", "message": "unknown type"})

    async def begin(self, uuid: str) -> None:
        if self.fault == "init":
            await self.socket.close()
        if self.uuid and self.fault != "second-init":
            return
        if self.fault == "two-calls" and uuid in self.service.uuids:
            await self.socket.close(code=1008)
            return
        if self.fault == "concurrency" and len(self.service.sockets) > 2:
            await self.socket.close(code=1013)
            return
        self.uuid = uuid
        self.service.uuids.add(uuid)
        await self.play(noise(7, WELCOME_FRAMES))

    async def hear(self, audio: bytes) -> None:
        loud = bool(np.abs(np.frombuffer(audio, "<i2").astype(int)).max() > 1000)
        if loud:
            self.words += audio
            self.silent = 0
            if self.playing is not None and not self.playing.done() and len(self.words) > 3 * FRAME:
                if self.fault == "interruption":
                    await self.stop()
                elif self.fault != "old-audio":
                    await self.stop()
                    await self.send({"type": "interruption"})
                elif len(self.words) == 4 * FRAME:
                    await self.send({"type": "interruption"})
            return
        self.silent += 1
        if self.words and self.silent == END_FRAMES:
            heard, self.words = self.words, b""
            await self.answer(heard)

    async def answer(self, heard: bytes) -> None:
        if self.fault == "answer" or self.deaf:
            return
        number = zlib.crc32(heard)
        user = {"type": "transcript", "role": "user", "text": f"words {number}"}
        agent = {"type": "transcript", "role": "agent", "text": f"answer {number}"}
        both = [user, agent] if self.fault != "transcripts" else [agent, user]
        for message in both:
            await self.send(message)
        if self.fault == "messages":
            await self.socket.send_bytes(b"audio")
        await self.play(noise(number, ANSWER_FRAMES))

    async def play(self, audio: bytes) -> None:
        await self.stop()
        self.playing = asyncio.create_task(self.send_audio(audio))

    async def stop(self) -> None:
        if self.playing is not None:
            self.playing.cancel()
            await asyncio.wait((self.playing,))

    async def send_audio(self, audio: bytes) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        size = 2 * FRAME if self.fault == "frames" else FRAME
        queue = bytearray(audio)
        if self.fault == "mixed-calls":  # one buffer for all calls
            queue = self.service.shared
            queue += audio
        while queue:
            frame, queue[:size] = bytes(queue[:size]), b""
            if self.fault == "audio-format" and len(queue) < 5 * FRAME:
                frame = frame[:-1]
            await self.send({"type": "audio", "audio": base64.b64encode(frame).decode()})
            due += FRAME_S * size / FRAME
            if self.fault != "pacing":
                await asyncio.sleep(max(0.0, due - loop.time()))
        await asyncio.sleep(max(0.0, due - loop.time()))  # avr-core still plays

    async def send(self, message: dict[str, str]) -> None:
        with contextlib.suppress(ConnectionError):
            await self.socket.send_str(json.dumps(message))

    async def end(self) -> None:
        await self.stop()


@asynccontextmanager
async def running(fault: str = "") -> AsyncIterator[str]:
    """Run the service; yields its address without the scheme.

    fault: name of the line that is broken; empty for none.
    """
    service = Service(fault)
    app = web.Application()
    app.router.add_get("/{path:.*}", service.handle)
    app.router.add_post("/speech-to-speech-stream", service.post)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        for socket in list(service.sockets):
            await socket.close()
        await runner.cleanup()
