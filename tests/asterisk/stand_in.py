"""Somebody who takes the calls of the example dialplan in the service's place, and notes them.

It says one given sound to each caller, 20 ms at a time, and keeps what Asterisk said and sent:
that is how the examples themselves are tested, without the service behind them.
"""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import websockets
from aiohttp import web
from tests.asterisk.etc import Ports
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

FRAME_BYTES = 320
FRAME_S = 0.02
# Asterisk closes the socket on a message of 64 KiB.
PIECE_BYTES = 32_000

UUID, SLIN = 0x01, 0x10


@dataclass(slots=True)
class Taken:
    """A call that came.

    call: its id, as the door told it. kinds: AudioSocket's kind and length, or for WebSocket the
    length alone, with how often they came. facts: of the query. started: MEDIA_START.
    """

    call: str = ""
    kinds: Counter[tuple[int, ...]] = field(default_factory=Counter)
    facts: dict[str, str] = field(default_factory=dict)
    started: dict[str, Any] = field(default_factory=dict)


class StandIn:
    """What was taken, and announced. Made by `stand_in`."""

    def __init__(self, sound: bytes) -> None:
        self.taken: list[Taken] = []
        self.announced: list[tuple[str, dict[str, Any]]] = []
        """Content type and body of each POST /call."""
        self._sound = sound

    async def take_audiosocket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        taken = Taken()
        self.taken.append(taken)
        speaking: asyncio.Task[None] | None = None
        try:
            while True:
                kind, *size = await reader.readexactly(3)
                payload = await reader.readexactly(int.from_bytes(bytes(size)))
                if kind == UUID:
                    taken.call = str(uuid.UUID(bytes=payload))
                    continue
                taken.kinds[kind, len(payload)] += 1
                # The bridge of Dial() stands from the first frame on, not before.
                speaking = speaking or asyncio.create_task(self._speak(writer))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            if speaking is not None:
                speaking.cancel()
            writer.close()

    async def take_websocket(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        taken = Taken(facts=dict(parse_qsl(urlsplit(socket.request.path).query)))
        taken.call = taken.facts.get("call", "")
        self.taken.append(taken)
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    taken.kinds[(len(message),)] += 1
                elif not taken.started:
                    taken.started = json.loads(message)
                    await socket.send(json.dumps({"command": "START_MEDIA_BUFFERING"}))
                    for at in range(0, len(self._sound), PIECE_BYTES):
                        await socket.send(self._sound[at : at + PIECE_BYTES])
        except websockets.ConnectionClosed:
            return

    async def take_announcement(self, request: web.Request) -> web.Response:
        self.announced.append((request.content_type, await request.json()))
        return web.json_response({"sts_url": "", "override": False})

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for at in range(0, len(self._sound), FRAME_BYTES):
            frame = self._sound[at : at + FRAME_BYTES]
            writer.write(bytes([SLIN]) + len(frame).to_bytes(2) + frame)
            due += FRAME_S
            await asyncio.sleep(due - loop.time())


@asynccontextmanager
async def stand_in(ports: Ports, sound: bytes) -> AsyncIterator[StandIn]:
    """Take calls at the service's ports until the block ends. sound: s16le at 8 kHz."""
    person = StandIn(sound)
    app = web.Application()
    app.router.add_post("/call", person.take_announcement)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", ports.http).start()
    try:
        async with (
            await asyncio.start_server(person.take_audiosocket, "127.0.0.1", ports.audiosocket),
            serve(
                person.take_websocket,
                "127.0.0.1",
                ports.service,
                subprotocols=[Subprotocol("media")],
                compression=None,
            ),
        ):
            yield person
    finally:
        await runner.cleanup()
