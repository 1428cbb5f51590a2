"""`/v2/agent`: Agent STT on the wire, whoever does the hearing.

A session is one WebSocket. This file keeps the protocol's order (StartRecognition first and
once, acknowledged audio, EndOfStream answered by EndOfTranscript), its errors and close
codes, and the number of calls; what is heard comes from the engine.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from avr_sts_speechmatics.sandbox import agent_stt, faults
from avr_sts_speechmatics.sandbox.agent_stt import Refused, StartRecognition
from avr_sts_speechmatics.sandbox.engines import HearingEngine, Listener, ServerMessage
from avr_sts_speechmatics.sandbox.faults import Faults
from avr_sts_speechmatics.sandbox.misbehaviour import refuse, stall
from avr_sts_speechmatics.sandbox.received import HearingSession, Received

log = logging.getLogger(__name__)

START_TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 1 << 20
BROKEN = 1006
"""What both sides see of a connection that ended without a close frame [RFC 6455, 7.4.1]."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ends. close: None breaks the connection instead of closing it."""

    close: int | None
    error: Mapping[str, Any] | None = None


class HearingServer:
    """Speaks Agent STT to at most `max_calls` sessions at a time."""

    def __init__(
        self,
        engine: HearingEngine,
        *,
        faults: Faults,
        max_calls: int,
        received: Received | None,
        start_timeout: float = START_TIMEOUT_S,
    ) -> None:
        self._engine = engine
        self._faults = faults
        self._max_calls = max_calls
        self._received = received
        self._start_timeout = start_timeout
        self._calls = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        refusal = await self._refusal(request)
        if refusal is not None:
            return refusal
        # Compression costs more than it saves between two processes of one machine.
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE_BYTES, compress=False, decode_text=True
        )
        await socket.prepare(request)
        self._calls += 1
        session = Session(request, socket, self._engine, self._faults, self._received)
        try:
            await session.run(
                start_timeout=self._start_timeout,
                quota=None if self._calls <= self._max_calls else self._max_calls,
            )
        finally:
            self._calls -= 1
        return socket

    async def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        fault = self._faults.peek("hearing")
        at_handshake = isinstance(fault, faults.Status) or (
            isinstance(fault, faults.RefuseKey) and fault.at == "handshake"
        )
        if at_handshake:
            return refuse(self._faults.take("hearing"))
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if request.query.get("jwt") or (scheme.lower() == "bearer" and key.strip()):
            return None
        return web.json_response({"code": 401, "error": "no API key"}, status=401)


class Session:
    """One connection, from the handshake to its close."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        engine: HearingEngine,
        faults: Faults,
        received: Received | None,
    ) -> None:
        self._request = request
        self._socket = socket
        self._engine = engine
        self._faults = faults
        self._received = received
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._record = HearingSession(
            request.path, dict(request.query), dict(request.headers), self._send
        )
        if received is not None:
            received.sessions.append(self._record)
            received.notify()

    async def run(self, *, start_timeout: float, quota: int | None) -> None:
        """Serve the session to its end. quota: the limit, if this session is beyond it."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            ending = Ending(BROKEN)
            try:
                ending = await self._converse(start_timeout, quota)
                await self._end(ending)
            finally:
                writer.cancel()
                # Only one side closes; where the client did, its code is the one that counts.
                self._record.close_code = self._socket.close_code or ending.close or BROKEN
                self._notify()

    async def _write(self) -> None:
        while True:
            text = await self._outbox.get()
            try:
                await self._socket.send_str(text)
            except ConnectionError:
                pass  # The client is gone; the reading side sees that too, and ends the session.
            finally:
                self._outbox.task_done()

    def _send(self, message: ServerMessage) -> None:
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        self._outbox.put_nowait(text)

    async def _end(self, ending: Ending) -> None:
        if ending.error is not None:
            self._send(ending.error)
        await self._outbox.join()
        if ending.close is not None:
            await self._socket.close(code=ending.close)
        elif self._request.transport is not None:
            self._request.transport.close()

    def _notify(self) -> None:
        if self._received is not None:
            self._received.notify()

    async def _converse(self, start_timeout: float, quota: int | None) -> Ending:
        try:
            start = await self._start(start_timeout)
            if quota is not None:
                log.warning("a call was turned away: this sandbox carries %d", quota)
                raise Refused("quota_exceeded", f"this sandbox carries {quota} calls at a time")
            fault = self._take_fault(start)
            if isinstance(fault, faults.RefuseKey):
                raise Refused("not_authorised", "the key was refused")
            if isinstance(fault, faults.RefuseRate):
                raise Refused("invalid_audio_type", f"sample_rate {fault.rate} is not supported")
            if isinstance(fault, faults.Stall) and fault.after is None:
                await stall(fault)
            return await self._listen(start, fault)
        except Refused as refused:
            error = agent_stt.error(refused.type, refused.reason)
            return Ending(refused.close_code, error)
        except ClientLeft:
            return Ending(WSCloseCode.OK)
        except* Exception:
            log.exception("the hearing engine failed")
            return Ending(
                agent_stt.CLOSE_CODES["job_error"],
                agent_stt.error("job_error", "the sandbox failed; its log says why"),
            )
