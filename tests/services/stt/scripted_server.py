"""A vendor's server over a WebSocket, scripted; the vendors' messages are in subclasses."""

import asyncio
import json
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from aiohttp import WSMsgType, web
from tests.services.stt.vendors import Asked, Fault, Said, Vendor

NOTHING_YET = Asked("", "", "", 0, b"", open=True, said_goodbye=False)


@dataclass(frozen=True, slots=True)
class Step:
    """Messages that are sent once `at` seconds of audio have arrived."""

    at: float
    messages: tuple[dict[str, Any], ...]


@dataclass(slots=True)
class Session:
    """One connection at work.

    said: what this session hears.
    fault: what goes wrong in this session, or None.
    refused: whether the client has to ask again in another way; the next session gets the script.
    """

    request: web.Request
    socket: web.WebSocketResponse
    said: Sequence[Said]
    fault: Fault | None
    asked: Asked = NOTHING_YET
    audio: bytearray = field(default_factory=bytearray)
    steps: deque[Step] = field(default_factory=deque)
    refused: bool = False

    async def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.socket.send_json(message)

    async def hear(self, pcm: bytes) -> None:
        """Take audio and send what the script says about it."""
        self.audio += pcm
        heard = len(self.audio) / 2 / self.asked.rate
        while self.steps and self.steps[0].at <= heard:
            await self.send(*self.steps.popleft().messages)
        if self.fault == "garbage" and heard >= 0.1:
            self.fault = None
            await self.socket.send_str('{"type": "half, "message": ')
        if self.fault == "drop at 3.5 s" and heard >= 3.5:
            assert self.request.transport is not None
            self.request.transport.abort()

    async def read(self) -> str | bytes | None:
        """The client's next message; None when the client has gone."""
        message = await self.socket.receive()
        return message.data if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) else None


class ScriptedServer(Vendor):
    """Serves sessions at PATH."""

    path: ClassVar[str]

    def __init__(self) -> None:
        self.url = ""
        self.sessions: list[Session] = []
        self._scripts: deque[Sequence[Said]] = deque()
        self._faults: deque[Fault] = deque()
        self._sending: set[asyncio.Future[None]] = set()

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        server = cls()
        app = web.Application()
        app.router.add_get(cls.path, server._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
            yield server
        finally:
            await runner.cleanup()

    def script(self, *sessions: Sequence[Said]) -> None:
        self._scripts.extend(sessions)

    def fail(self, fault: Fault) -> None:
        self._faults.append(fault)

    def asked(self) -> list[Asked]:
        return [
            replace(session.asked, audio=bytes(session.audio))
            for session in self.sessions
            if session.asked.rate and not session.refused
        ]

    def say(self, text: str) -> None:
        task = asyncio.ensure_future(self.sessions[-1].socket.send_str(text))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.popleft() if self._faults else None
        if fault == "bad key":
            raise web.HTTPUnauthorized
        socket = web.WebSocketResponse(compress=False, timeout=0.5)
        await socket.prepare(request)
        plays = fault in (None, "garbage", "drop at 3.5 s")
        said = self._scripts.popleft() if plays and self._scripts else ()
        session = Session(request, socket, said, fault)
        self.sessions.append(session)
        try:
            if fault == "mute":
                while await session.read() is not None:
                    """Never answer."""
            else:
                await self.serve(session)
        finally:
            session.asked = replace(session.asked, open=False)
            if session.refused:
                self._scripts.appendleft(said)
                self._faults.extendleft((fault,) if fault else ())
        return socket

    @abstractmethod
    async def serve(self, session: Session) -> None:
        """Serve a session to its end."""


def key_of(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def decoded(message: str | bytes | None) -> dict[str, Any]:
    assert isinstance(message, str)
    found: dict[str, Any] = json.loads(message)
    return found
