"""Answers of HTTP servers whose rest is not wanted, such as speech that a caller interrupts.

aiohttp's protocol keeps the error of a lost connection, and the error keeps the head of the answer,
which refers to the protocol: a reference cycle of 19 objects for each answer that is cut. A second
`close` of the protocol drops the error, but only after the connection is lost.
"""

import asyncio

import aiohttp


def abandon(response: aiohttp.ClientResponse) -> None:
    """Close a response. If part of the body is unread, its connection is closed too.

    A connection whose response was read to the end is in the pool already and is not closed.
    """
    connection = response.connection
    protocol = None if connection is None else connection.protocol
    lost = None if protocol is None else protocol.closed
    response.close()
    if protocol is None or lost is None:
        return

    def forget(lost: asyncio.Future[None]) -> None:
        if not lost.cancelled():
            lost.exception()  # retrieved, so that asyncio does not log it
        protocol.close()

    lost.add_done_callback(forget)
