"""One HTTP connection: aiohttp's, with limits on what a client can make this service do.

aiohttp limits the size of a head and the number of waiting requests. This module adds the rest: a
time for the first head, a time between requests, a time after which a client that reads no response
is disconnected, and one limited log line for a malformed request in place of a traceback.
"""

import asyncio
from typing import cast

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from avr_sts_speechmatics.network import running_time
from avr_sts_speechmatics.transports.limited_log import NOBODY, address_of
from avr_sts_speechmatics.transports.reception import Reception

HEAD_S = 10.0
"""Longest wait for the head of the first request (s); then the connection is closed."""

KEEP_ALIVE_S = 15.0
"""Longest wait for the complete head of a further request (s); then the connection is closed."""

STALLED_S = 10.0
"""Longest time a client may read nothing of a response (s); then the connection is closed."""

_FAULTS_OF_CLIENTS = (
    HttpProcessingError,
    web.RequestPayloadError,
    asyncio.IncompleteReadError,
    ConnectionError,
)


class HttpConnection(RequestHandler):
    """The protocol of one accepted connection.

    server: server of the application that answers.
    reception: counts connections without a call and takes log lines.
    head_s: see HEAD_S (s).
    keep_alive_s: see KEEP_ALIVE_S (s).
    stalled_s: see STALLED_S (s).
    """

    def __init__(
        self,
        server: web.Server,
        reception: Reception,
        *,
        head_s: float = HEAD_S,
        keep_alive_s: float = KEEP_ALIVE_S,
        stalled_s: float = STALLED_S,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, keepalive_timeout=keep_alive_s)
        self.access_logger = None
        self._logging_enabled = False
        self._reception = reception
        self._head_s = head_s
        self._stalled_s = stalled_s
        self._socket: asyncio.Transport | None = None  # aiohttp forgets its own early
        self._address = NOBODY
        self._no_head = running_time.Alarm()
        self._stall = running_time.Alarm()

    @property
    def socket(self) -> asyncio.Transport | None:
        """The connection's transport, until the connection is closed."""
        return self._socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)
        self._address = address_of(transport)
        self._reception.waiting.add(self._socket)
        self._no_head.set(self._head_s, self._headless)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._request_count:
            self._no_head.stop()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._reception.waiting.remove(self._socket)
        self._socket = None
        self._no_head.stop()
        self._stall.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall.set(self._stalled_s, self._stalled)

    def resume_writing(self) -> None:
        self._stall.suspend()
        super().resume_writing()

    def _headless(self) -> None:
        what = f"no request within {self._head_s:.0f} s; it is closed"
        self._abort("connections without a call", what)

    def _stalled(self) -> None:
        what = f"it read nothing for {self._stalled_s:.0f} s and is given up"
        self._abort("peers that do not read", what)

    def _abort(self, kind: str, what: str) -> None:
        if self._socket is not None:
            self._reception.log.say(kind, self._address, f"HTTP, {self._address}: {what}")
            self._socket.abort()

    # --- errors --------------------------------------------------------------------------------

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that cannot be handled, and log it. The connection is closed."""
        self._report(exc, status)
        if request.writer.output_size > 0:
            raise ConnectionError("part of another response is sent already")
        text = message if status < 500 and message else f"{status}"
        response = web.Response(status=status, text=text)
        response.force_close()
        return response

    def log_exception(self, *args: object, **kw: object) -> None:
        error = kw.get("exc_info")
        self._report(error if isinstance(error, BaseException) else None, 500)

    def _report(self, error: BaseException | None, status: int) -> None:
        log, peer = self._reception.log, self._address
        if status < 500 or isinstance(error, _FAULTS_OF_CLIENTS):
            # aiohttp shows the place of an error in further lines.
            why = next(iter(str(error or status).splitlines()), "")
            log.say("malformed requests", peer, f"a malformed request from {peer}: {why}")
        else:
            what = f"a request from {peer} met a fault of this service; please report it"
            log.say("requests that met a fault", peer, what, exc_info=error or False)
