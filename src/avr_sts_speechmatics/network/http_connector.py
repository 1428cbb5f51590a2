"""Connections of HTTP clients that are freed at once, also when an answer is cut.

A caller interrupts, and the request for the rest of the speech is cancelled: its connection is
closed in the middle of an answer. aiohttp's protocol of that connection then keeps the error of the
lost connection, with the head of the answer, or keeps the answer that nobody took, and both refer
to the protocol: a reference cycle of 19 objects.
"""

import asyncio
from functools import partial
from ssl import SSLContext
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class Connector(aiohttp.TCPConnector):
    """Like `aiohttp.TCPConnector`, without reference cycles. For clients whose answers are cut."""

    def __init__(self, *, keepalive_s: float, ssl: SSLContext | bool = True) -> None:
        """Make a connector for any number of connections.

        keepalive_s: how long an idle connection is kept for the next request (s).
        ssl: the certificates that are trusted; True for those of this machine.
        """
        super().__init__(limit=0, keepalive_timeout=keepalive_s, ssl=ssl)
        self._watched = WeakSet[ResponseHandler]()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if protocol is not None and protocol not in self._watched:
            self._watched.add(protocol)
            if (lost := protocol.closed) is not None:
                lost.add_done_callback(partial(_forget, protocol))
        return connection


def _forget(protocol: ResponseHandler, lost: asyncio.Future[None]) -> None:
    """Drop what the protocol of a lost connection keeps."""
    if not lost.cancelled():
        lost.exception()  # retrieved, so that asyncio does not log it
    protocol.close()  # drops the error of the lost connection
    protocol._buffer.clear()  # an answer that arrived and was not taken
