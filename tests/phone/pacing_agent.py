"""A scripted agent that paces its speech, stops when it is spoken to, and tells its tools."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
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


def sound(milliseconds: int, hertz: float = 400) -> bytes:
    ramp = np.arange(RATE * milliseconds // 1000) / RATE
    return (8000 * np.sin(2 * np.pi * hertz * ramp)).astype("<i2").tobytes()


QUESTION = sound(200) + bytes(2 * RATE // 10)


@dataclass
class Agent:
    """A scripted agent that paces its speech and stops when it is spoken to.

    answers: for each turn what it says, clause by clause; None does not answer. A clause sounds
    for 400 ms, and its transcript comes when it has been heard.
    polite: stops at the caller's sound, and says so. ends_after: the answer (0 is the first) after
    which it hangs up, with `code`. tools: run at the end of an answer, a word apart, by its number.
    tells: that, and when an answer has ended.
    """

    welcome: tuple[str, ...] = ()
    answers: list[tuple[str, ...] | None] = field(default_factory=list)
    polite: bool = True
    ends_after: int | None = None
    code: WSCloseCode = WSCloseCode.OK
    tools: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    tells: bool = True
    digits: str = ""


class Listening(WSListener):
    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.speech: asyncio.Task[None] | None = None
        self.answered = 0
        self.loud = False
        self.quiet_frames = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.speech:
            self.speech.cancel()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        message = json.loads(frame.get_payload_as_bytes())
        match message["type"]:
            case "init":
                self.speech = asyncio.create_task(self.speak(self.agent.welcome))
            case "dtmf_digit":
                self.agent.digits += message["digit"]
                self.caller_speaks()
                if message["digit"] == "#":
                    self.answer()
            case "audio":
                self.hear(base64.b64decode(message["audio"]))

    def hear(self, pcm: bytes) -> None:
        if np.abs(np.frombuffer(pcm, dtype="<i2")).max(initial=0) > 1000:
            self.loud, self.quiet_frames = True, 0
            self.caller_speaks()
            return
        self.quiet_frames += 1
        if self.loud and self.quiet_frames == 2:
            self.loud = False
            self.answer()

    def caller_speaks(self) -> None:
        if self.agent.polite and self.speech and not self.speech.done():
            self.speech.cancel()
            self.tell(type="turn", frame_ms=20, interrupted=True)
            self.send(type="interruption")
            self.send(type="transcript", role="agent", text="The rest of the old.")

    def answer(self) -> None:
        if self.speech and not self.speech.done():
            return
        said = self.agent.answers.pop(0) if self.agent.answers else None
        if said is not None:
            self.speech = asyncio.create_task(self.speak(said))

    async def speak(self, clauses: tuple[str, ...]) -> None:
        await asyncio.sleep(0.25 if clauses else 0)
        for clause in clauses:
            for start in range(0, 6400, 320):
                frame = sound(400, 700)[start : start + 320]
                self.send(type="audio", audio=base64.b64encode(frame).decode())
                await asyncio.sleep(0.02)
            self.send(type="transcript", role="agent", text=clause)
        if clauses != self.agent.welcome:
            for name in self.agent.tools.get(self.answered, ()):
                await asyncio.sleep(0.4)
                self.tell(type="tool", name=name, took_ms=400)
            self.tell(type="turn", frame_ms=20)
            if self.answered == self.agent.ends_after:
                self.transport.send_close(self.agent.code, b"")
                self.transport.disconnect()
            self.answered += 1

    def tell(self, **message: object) -> None:
        if self.agent.tells:
            self.send(**message)

    def send(self, **message: object) -> None:
        if not self.transport.is_disconnected:
            self.transport.send(WSMsgType.TEXT, json.dumps(message))


@asynccontextmanager
async def answering(agent: Agent) -> AsyncIterator[str]:
    def take(_: WSUpgradeRequest) -> Listening:
        return Listening(agent)

    server = await ws_create_server(take, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
