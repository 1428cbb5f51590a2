"""The STT server, `/v2/agent`: accepts or refuses Agent STT sessions.

This module handles the handshake, the API key and the limit of calls; `stt_session` serves the
session.
"""

import logging

from aiohttp import web

from avr_sts_speechmatics.sandbox import faults
from avr_sts_speechmatics.sandbox.engines import SttEngine
from avr_sts_speechmatics.sandbox.faults import Faults
from avr_sts_speechmatics.sandbox.misbehaviour import has_key, refuse
from avr_sts_speechmatics.sandbox.received import Received
from avr_sts_speechmatics.sandbox.stt_session import Session

log = logging.getLogger(__name__)

START_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
"""Time that a closed session waits for the close frame (s); the session still counts as a call."""
MAX_MESSAGE_BYTES = 1 << 20


class SttServer:
    """Serves Agent STT sessions.

    engine: recognises the speech of all sessions.
    faults: queue of faults.
    max_calls: number of simultaneous sessions; a further session gets quota_exceeded.
    received: record of the sessions; None for no record.
    start_timeout: time in which a connection must send StartRecognition, s.
    """

    def __init__(
        self,
        engine: SttEngine,
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
        self._sockets: set[web.WebSocketResponse] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.peek("stt")
        if isinstance(fault, faults.Status) or (
            isinstance(fault, faults.RefuseKey) and fault.at == "handshake"
        ):
            self._faults.take("stt")
            return refuse(fault)
        if not has_key(request) and not request.query.get("jwt"):
            return refuse(faults.RefuseKey(part="stt"))
        # Compression costs more than it saves between two processes on one machine.
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE_BYTES, compress=False, timeout=CLOSE_TIMEOUT_S
        )
        await socket.prepare(request)
        crowded = len(self._sockets) >= self._max_calls
        if crowded:
            log.warning("a call was turned away: this sandbox carries %d", self._max_calls)
        self._sockets.add(socket)
        try:
            session = Session(request, socket, self._engine, self._faults, self._received)
            await session.run(
                start_timeout=self._start_timeout, quota=self._max_calls if crowded else None
            )
        finally:
            self._sockets.discard(socket)
        return socket

    async def close(self) -> None:
        """Close all sessions with code 1001 (going away)."""
        for socket in tuple(self._sockets):
            await socket.close(code=1001, message=b"the sandbox is ending")
