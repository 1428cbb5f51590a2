"""Stops of the service's event loop, seen from outside.

A thread pings the service every few milliseconds and notes how late each answer is. While the loop
of the service stands still (a collection of garbage, a long computation), no ping is answered, and
no caller's audio moves. The pings are WebSocket pings on connections that are no calls: a request
for a page would cost the service ten times as much and change what is being measured.
"""

import base64
import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

EVERY_SECONDS = 0.005
_UPGRADE = (
    "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_READY = b"GET /ready HTTP/1.1\r\nHost: bench\r\n\r\n"
_PONG = 0xA
# A service that answers no ping within this time (s) is not measured.
_PATIENCE_SECONDS = 5.0
# A connection that is no call is ended by the service after 10 s, with a warning in its log.
_CONNECTION_SECONDS = 5.0
_CLOSE = bytes((0x88, 0x80, 0, 0, 0, 0))


@dataclass(slots=True)
class Stops:
    """Answer times of the pings, s. Waits of the pinging thread for its own core are left out."""

    answers: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float | None:
        """The longest stop: the longest answer time beyond the median (s). None: no answers."""
        if not self.answers:
            return None
        ordered = sorted(self.answers)
        return ordered[-1] - ordered[len(ordered) // 2]


class Prober:
    """Pings a service from `start` to `stop`, in a thread of its own.

    port: of the service on 127.0.0.1.
    connections: number of connections, pinged in turn. Each may reach another worker of a service.
    pages: ask for /ready on each connection instead, for a service that accepts no connection
        while it is full.
    """

    def __init__(self, port: int, connections: int = 1, *, pages: bool = False) -> None:
        self._port = port
        self._count = connections
        self._pages = pages
        self._stops = Stops()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Stops:
        """End the measurement; returns what was seen."""
        self._over.set()
        self._thread.join()
        return self._stops

    def _run(self) -> None:
        thread = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        connections: list[socket.socket | None] = [None] * self._count
        opened = [0.0] * self._count
        turn = 0
        try:
            while not self._over.wait(EVERY_SECONDS):
                turn = (turn + 1) % self._count
                try:
                    connection = connections[turn]
                    if connection and time.perf_counter() - opened[turn] > _CONNECTION_SECONDS:
                        self._leave(connection)
                        connection = connections[turn] = None
                    if connection is None:
                        connection = connections[turn] = self._connect()
                        opened[turn] = time.perf_counter()
                    waited, began = _waited(thread), time.perf_counter()
                    answered = self._ask(connection)
                    took = time.perf_counter() - began - (_waited(thread) - waited)
                except OSError:
                    if lost := connections[turn]:
                        lost.close()
                    connections[turn] = None
                    continue
                if not answered:
                    return
                self._stops.answers.append(took)
        finally:
            for connection in filter(None, connections):
                with contextlib.suppress(OSError):
                    self._leave(connection)

    def _leave(self, connection: socket.socket) -> None:
        with connection:
            if not self._pages:
                connection.sendall(_CLOSE)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), _PATIENCE_SECONDS)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._pages:
                key = base64.b64encode(os.urandom(16)).decode()
                connection.sendall(_UPGRADE.format(key=key).encode())
                if b" 101 " not in _head(connection):
                    raise ConnectionRefusedError("no WebSocket")
        except BaseException:
            connection.close()
            raise
        return connection

    def _ask(self, connection: socket.socket) -> bool:
        """Send one ping and wait for its answer. Raises OSError if the connection is lost."""
        if self._pages:
            connection.sendall(_READY)
            head = _head(connection)
            lengths = [line for line in head.lower().split(b"\r\n") if b"content-length:" in line]
            rest = int(lengths[0].split(b":")[1]) if lengths else 0
            while rest:
                piece = connection.recv(rest)
                if not piece:
                    raise ConnectionResetError
                rest -= len(piece)
            return True
        mask, payload = os.urandom(4), struct.pack(">d", time.perf_counter())
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        connection.sendall(bytes((0x89, 0x80 | len(payload))) + mask + masked)
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            until = time.perf_counter() + _PATIENCE_SECONDS
            buffer = b""
            while (left := until - time.perf_counter()) > 0:
                if not selector.select(left):
                    break
                piece = connection.recv(4096)
                if not piece:
                    raise ConnectionResetError
                buffer += piece
                if payload in buffer and buffer[0] & 0xF == _PONG:
                    return True
        return False


def _head(connection: socket.socket) -> bytes:
    """The head of an HTTP answer. Raises OSError if the connection is lost."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            raise ConnectionResetError
        head += piece
    return head


def _waited(schedstat: str) -> float:
    with contextlib.suppress(OSError):
        return int(Path(schedstat).read_text().split()[1]) / 1e9
    return 0.0
