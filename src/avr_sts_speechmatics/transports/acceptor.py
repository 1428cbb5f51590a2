"""The acceptor of a port: accepts connections, a few at a time, as long as there are descriptors.

The event loops accept everything that waits, without regard to what is left. asyncio then tries a
thousand times a second and logs each failure; uvloop closes the callers' connections without a
word; and either has taken the descriptors that running calls need to reconnect. Therefore the
acceptor accepts by itself:

    descriptors                        | the acceptor
    -----------------------------------+---------------------------------------------------------
    there are some besides the reserve | accepts up to BATCH connections, then the loop has a turn
    the reserve begins                 | uses a quarter of the reserve, for connections that are
                                       | answered and closed; pauses for PAUSE_S between them;
                                       | closes connections that have waited for IDLE_S
    the system has none                | pauses for AGAIN_S

Connections that are not accepted yet wait in the kernel's queue.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from avr_sts_speechmatics.admission.descriptors import SHORTAGES, Descriptors
from avr_sts_speechmatics.network.listening import BACKLOG, Address, listen_at, stop_listening
from avr_sts_speechmatics.transports.limited_log import NOBODY
from avr_sts_speechmatics.transports.reception import Reception

BATCH = 32
"""Most connections that are accepted in one go."""

PAUSE_S = 0.01
AGAIN_S = 0.1
"""Pause where descriptors are short, and where the system has none (s)."""

IDLE_S = 1.0
"""How long a connection may wait without a call where descriptors are short (s)."""


class Turn(Protocol):
    """Decides which of several processes accepts the next connection of a port they share."""

    def others_first_s(self) -> float:
        """Return how long the other processes may accept before this one does (s)."""


class Acceptor:
    """Accepts the connections of one port.

    sockets: the listening sockets; the acceptor closes them.
    protocol: makes the protocol of a connection.
    descriptors: the file descriptors of this process.
    reception: takes log lines, and has the connections without a call.
    turn: given if other processes accept from the same sockets; None if there are none.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        protocol: Callable[[], asyncio.BaseProtocol],
        descriptors: Descriptors,
        reception: Reception,
        turn: Turn | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._descriptors = descriptors
        self._reception = reception
        self.sockets = list(sockets)
        self.addresses: list[Address] = [(one.family, one.getsockname()) for one in sockets]
        """Where the acceptor listens, or listened before it was suspended."""
        self._turn = turn
        self._suspended = False
        self._pause: asyncio.TimerHandle | None = None
        self._accepting: set[asyncio.Task[object]] = set()
        self._read()

    @property
    def suspended(self) -> bool:
        """Whether the port is closed."""
        return self._suspended or not self.sockets

    def close(self) -> None:
        """Accept no more in this process. Accepted connections go on. May be repeated."""
        self._stop_reading()
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()

    def suspend(self) -> None:
        """Close the port, for all processes that share it, until `resume`."""
        if self._turn is None:
            self.close()
            return
        self._suspended = True
        self._stop_reading()
        stop_listening(self.sockets)

    def resume(self) -> None:
        """Open the port again. Raises OSError, for example because another program has it."""
        if not self.suspended:
            return
        if self._turn is None:
            self.sockets = listen_at(self.addresses)
        for sock in self.sockets:
            sock.listen(BACKLOG)
        self._suspended = False
        self._read()

    def _read(self) -> None:
        self._pause = None
        for sock in self.sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _stop_reading(self) -> None:
        for sock in self.sockets:
            self._loop.remove_reader(sock)
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _rest(self, pause_s: float) -> None:
        self._stop_reading()
        self._pause = self._loop.call_later(pause_s, self._read)

    def _accept(self, listening: socket.socket) -> None:
        if self._turn is not None and (others_first_s := self._turn.others_first_s()):
            self._rest(others_first_s)
            return
        room = self._descriptors.room()
        # One by one where others accept too, so that a crowd is spread over all processes.
        most = BATCH if self._turn is None else 1
        for _ in range(min(most, room + self._descriptors.reserve // 4)):
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                if error.errno == errno.EINVAL:
                    self._suspended = True  # another process has closed the port for all
                    self._stop_reading()
                    return
                if error.errno not in SHORTAGES:
                    raise
                self._say(f"no connection can be accepted ({error.strerror})")
                self._reception.waiting.close_older_than(IDLE_S)
                self._rest(AGAIN_S)
                return
            self._descriptors.opened()
            sock.setblocking(False)
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task: asyncio.Task[object] = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol, sock)
            )
            self._accepting.add(task)
            task.add_done_callback(partial(self._accepted, sock))
        if room <= 0:
            self._reception.waiting.close_older_than(IDLE_S)
            self._rest(PAUSE_S)

    def _accepted(self, sock: socket.socket, task: "asyncio.Task[object]") -> None:
        self._accepting.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            sock.close()
        # A client that is gone already is no fault of this service.
        if error is not None and not isinstance(error, OSError):
            self._loop.call_exception_handler(
                {"message": "a connection met a fault of this service", "exception": error}
            )

    def _say(self, what: str) -> None:
        self._reception.log.say("connections that were not accepted", NOBODY, what, lines=1)
