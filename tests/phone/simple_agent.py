"""A scripted service that answers whenever the caller has spoken, over both connections."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
from aiohttp import web
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

RATE = 8000


def sound(milliseconds: int, level: int = 8000, hertz: float = 400) -> bytes:
    ramp = np.arange(RATE * milliseconds // 1000) / RATE
    return (level * np.sin(2 * np.pi * hertz * ramp)).astype("<i2").tobytes()


def silence(milliseconds: int) -> bytes:
    return bytes(2 * RATE * milliseconds // 1000)


QUESTION = silence(100) + sound(200) + silence(100)
ANSWER = sound(300, hertz=700)


@dataclass
class Agent:
    """What the scripted agent does, and what it saw.

    welcome: said at once. answers: one for each time the caller speaks and stops, sent after
    `llm` seconds; None is an agent that has no answer. After the last it says nothing.
    tells: a message sent before each.
    """

    welcome: bytes = b""
    answers: list[bytes | None] = field(default_factory=list)
    llm: float = 0.15
    tells: dict[str, object] = field(default_factory=dict)
    hangs_up_after_answer: bool = False
    barge_in: bool = False

    path: str = ""
    uuid: str = ""
    digits: str = ""
    audio: bytearray = field(default_factory=bytearray)
    loud: bool = False
    quiet_frames: int = 0

    def hears(self, pcm: bytes) -> bool:
        """Take the caller's audio; True when a stretch of speech has just ended."""
        self.audio += pcm
        if np.abs(np.frombuffer(pcm, dtype="<i2")).max(initial=0) > 1000:
            self.loud, self.quiet_frames = True, 0
            return False
        self.quiet_frames += 1
        ended = self.loud and self.quiet_frames == 2
        self.loud = self.loud and not ended
        return ended


class WebSocketAgent(WSListener):
    def __init__(self, agent: Agent, request: WSUpgradeRequest) -> None:
        self.agent = agent
        agent.path = request.path.decode()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        message = json.loads(frame.get_payload_as_bytes())
        match message["type"]:
            case "init":
                self.agent.uuid = message["uuid"]
                self.speak(self.agent.welcome)
            case "dtmf_digit":
                self.agent.digits += message["digit"]
                if message["digit"] == "#":
                    self.later()
            case "audio":
                if self.agent.hears(base64.b64decode(message["audio"])):
                    self.send(type="transcript", role="user", text="A question?")
                    self.later()

    def later(self) -> None:
        asyncio.get_running_loop().call_later(self.agent.llm, self.answer)

    def answer(self) -> None:
        answer = self.agent.answers.pop(0) if self.agent.answers else None
        if answer is None:
            self.send(type="error", message="no answer today")
            return
        if self.agent.tells:
            self.send(**self.agent.tells)
        self.send(type="transcript", role="agent", text="An answer.")
        self.speak(answer)
        if self.agent.barge_in:
            self.send(type="interruption")
        if self.agent.hangs_up_after_answer:
            self.transport.send_close(WSCloseCode.INTERNAL_ERROR, b"out of voices")
            self.transport.disconnect()

    def speak(self, pcm: bytes) -> None:
        # All at once: a service that does not pace must sound the same to a phone.
        for start in range(0, len(pcm), 320):
            self.send(type="audio", audio=base64.b64encode(pcm[start : start + 320]).decode())

    def send(self, **message: object) -> None:
        if not self.transport.is_disconnected:
            self.transport.send(WSMsgType.TEXT, json.dumps(message))


@contextlib.asynccontextmanager
async def answering(agent: Agent) -> AsyncIterator[str]:
    server = await ws_create_server(lambda request: WebSocketAgent(agent, request), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def answering_posts(agent: Agent, status: int = 200) -> AsyncIterator[str]:
    async def stream(request: web.Request) -> web.StreamResponse:
        agent.uuid, agent.path = request.headers["X-UUID"], str(request.rel_url)
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        if status != 200:
            return response
        async for chunk in request.content.iter_any():
            if agent.hears(chunk) and agent.answers:
                await asyncio.sleep(agent.llm)
                answer = agent.answers.pop(0) or b""
                # Cut in the middle of a sample, as HTTP may.
                await response.write(answer[:333])
                await asyncio.sleep(0.01)
                await response.write(answer[333:])
        return response

    app = web.Application()
    app.router.add_post("/speech-to-speech-stream", stream)
    # A refused caller is not listened to any longer.
    runner = web.AppRunner(app, lingering_time=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/speech-to-speech-stream"
    finally:
        await runner.cleanup()
