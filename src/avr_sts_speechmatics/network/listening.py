"""Listening sockets: how a port is opened, and what an operator is told if it cannot be opened."""

import asyncio
import errno
import http.client
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.values import counted

BACKLOG = 1024
"""Connections that wait in the kernel's queue."""

RECEIVE_BUFFER_BYTES = 32 * 1024
"""Data of a connection that the kernel holds until this process reads it (bytes): over a second
of a call. The default, megabytes, would let one client that sends as fast as it can occupy the
process for seconds, because a connection's data is handled in one go."""

ASK_S = 1.0
"""Longest wait for whoever has a port already (s)."""

Address = tuple[socket.AddressFamily, Any]
"""A family, and an address of that family as `bind` takes it."""


async def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Open a port at every address of a host. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    addresses: list[Address] = [(family, address) for family, _, _, _, address in found]
    return listen_at(list(dict.fromkeys(addresses)))


def listen_at(addresses: Sequence[Address]) -> list[socket.socket]:
    """Open a port at each of the addresses. Raises OSError; no port is open then."""
    opened: list[socket.socket] = []
    try:
        for family, address in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            opened.append(sock)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.bind(address)
            sock.listen(BACKLOG)
    except OSError:
        for sock in opened:
            sock.close()
        raise
    return opened


def stop_listening(sockets: Sequence[socket.socket]) -> None:
    """Refuse further connections, in every process that has these sockets.

    The port stays this service's: `listen` opens it again.
    """
    for sock in sockets:
        # Linux only: elsewhere a listening socket is refused this, and the last close ends it.
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """A sentence that says why a port cannot be opened."""
    # The text of asyncio repeats the address. A host that does not resolve has a negative errno.
    why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
    return f"Cannot listen on {host}:{port} ({why})"


async def holder(host: str, port: int, error: OSError) -> str:
    """The rest of a sentence: whether this service has a port already; empty if it has not."""
    if error.errno != errno.EADDRINUSE:
        return ""
    at = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound
    try:
        health = await asyncio.to_thread(_health, at, port)
        uptime = float(health["uptime_s"])
        calls = counted(int(health["calls"]), "call")
        version = health["version"]
    except (OSError, http.client.HTTPException, BadJson, ValueError, LookupError, TypeError):
        return ""  # another program
    return (
        f": this service (version {version}) runs there already, since {uptime:.0f} s, with {calls}"
    )


def _health(host: str, port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection(host, port, timeout=ASK_S)
    try:
        connection.request("GET", "/health")
        found: dict[str, Any] = decode(connection.getresponse().read(), dict[str, Any])
        return found
    finally:
        connection.close()
