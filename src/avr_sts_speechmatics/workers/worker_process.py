"""One worker as the supervisor sees it: a child process, its channel, and what it has reported."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from avr_sts_speechmatics.telemetry.metrics_memory import SeriesReader, new_file
from avr_sts_speechmatics.workers.board import Board
from avr_sts_speechmatics.workers.channel import Channel, ChannelClosed, Message
from avr_sts_speechmatics.workers.ports import Ports

READY_S = 120.0
"""Longest start of a worker (s). The sandbox may have to load its models first."""

_log = logging.getLogger(__name__)


class NotStarted(Exception):
    """A worker cannot start. The message is one sentence for the operator.

    status: exit status of the worker, 2 for a mistake in the settings.
    """

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's place in the service.

    number: of the worker, from 1.
    of: number of workers.
    ports: the open ports.
    waits: whether the worker must not accept before it is ready, because others do.
    """

    number: int
    of: int
    ports: Ports
    waits: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker's report when it is ready.

    warnings: sentences for the operator.
    hints: sentences for an operator who tries the service without keys.
    """

    warnings: Sequence[str] = field(default_factory=list)
    hints: Sequence[str] = field(default_factory=list)


class WorkerProcess:
    """A worker. Made by `start`."""

    def __init__(
        self, place: Place, process: asyncio.subprocess.Process, row: int, metrics: SeriesReader
    ) -> None:
        self.place = place
        self.row = row
        self.metrics = metrics
        """What the worker has counted, also after its end."""
        self.retired = False
        """Whether the worker was told to end."""
        self.begun = time.monotonic()
        self._process = process
        self._report: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        # Nobody may be waiting when a worker fails.
        self._report.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._admitted = False
        self._why = ""
        self._leaving: Callable[[], None] = lambda: None
        self.heard: Callable[[Message], None] = lambda message: None
        """Called with messages about live calls, and with the one that the worker is ready."""
        self._channel: Channel | None = None
        self.ended: asyncio.Task[int] | None = None
        """Ends with the exit status, when nothing of the worker is left."""

    @classmethod
    async def start(
        cls,
        place: Place,
        board: Board,
        asked: Callable[["WorkerProcess", Message], Awaitable[Message]],
        leaving: Callable[["WorkerProcess"], None],
    ) -> "WorkerProcess":
        """Start a worker with the code and the settings that are there now.

        board: where the worker has its row.
        asked: answers the worker's questions.
        leaving: called when the worker was told by a signal to end, and takes no more calls.
        """
        ours, theirs = socket.socketpair()
        series = new_file()
        descriptors = [sock.fileno() for port in place.ports.opened for sock in port.sockets]
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "avr_sts_speechmatics", "serve", "--worker", str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), board.descriptor, series, *descriptors),
                # A session of its own: Ctrl-C and a terminal that closes reach the supervisor only.
                start_new_session=True,
            )
            metrics = SeriesReader(series)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(series)
        worker = cls(place, process, board.claim(process.pid), metrics)
        worker._leaving = lambda: leaving(worker)
        worker._channel = Channel(worker._told, lambda message: asked(worker, message))
        await worker._channel.start(ours)
        worker._channel.send(
            {
                "tell": "hello",
                "number": place.number,
                "of": place.of,
                "row": worker.row,
                "board": board.descriptor,
                "metrics": series,
                "waits": place.waits,
                "tries": place.number == 1,
                "ports": [
                    {
                        "setting": port.setting,
                        "host": port.host,
                        "number": port.number,
                        "descriptors": [sock.fileno() for sock in port.sockets],
                    }
                    for port in place.ports.opened
                ],
            }
        )
        worker.ended = asyncio.create_task(worker._until_ended())
        return worker

    def __str__(self) -> str:
        which = f"worker {self.place.number}" if self.place.of > 1 else "the worker"
        return f"{which} (process {self.pid})"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        report = self._report
        return report.done() and not report.cancelled() and report.exception() is None

    async def ready(self) -> Ready:
        """Wait until the worker is ready. Raises NotStarted."""
        try:
            async with asyncio.timeout(READY_S):
                return await asyncio.shield(self._report)
        except TimeoutError:
            raise NotStarted(f"{self} was not ready within {READY_S:.0f} s", 1) from None

    def tell(self, message: Message) -> None:
        assert self._channel is not None
        self._channel.send(message)

    async def health(self, within_s: float) -> Message | None:
        """Return the worker's part of `/health`; None if it does not answer in time."""
        assert self._channel is not None
        try:
            async with asyncio.timeout(within_s):
                health: Message = (await self._channel.ask({"what": "health"}))["health"]
        except (ChannelClosed, TimeoutError):
            return None
        return health

    async def leave(self, question: Message, within_s: float) -> Message | None:
        """End or transfer a call of the worker; returns None if it does not answer in time."""
        assert self._channel is not None
        try:
            async with asyncio.timeout(within_s):
                return await self._channel.ask(question)
        except (ChannelClosed, TimeoutError):
            return None

    @property
    def backlog(self) -> int:
        """Bytes that wait to be read by the worker."""
        return 0 if self._channel is None else self._channel.backlog

    def admit(self) -> None:
        """Let the worker take calls as soon as it is ready."""
        self._admitted = True
        if self.is_ready:
            self.tell({"tell": "go"})

    def drain(self, *, replaced: bool) -> None:
        """Let the worker end after its last call, or after DRAIN_S.

        replaced: whether other workers take the new calls.
        """
        self.retired = True
        self.tell({"tell": "drain", "replaced": replaced})

    def end(self) -> None:
        """Let the worker end its calls and itself now."""
        self.retired = True
        if self.is_ready:
            self.tell({"tell": "end"})
        else:
            self.kill()  # it has no call, and may not even read yet

    def kill(self) -> None:
        self.retired = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def how_it_ended(self, status: int) -> str:
        """Return the end in words, such as "was ended by SIGKILL"."""
        if status >= 0:
            return f"ended with status {status}"
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"

    async def _until_ended(self) -> int:
        status = await self._process.wait()
        assert self._channel is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # its last messages may still be on their way
                await self._channel.closed.wait()
        await self._channel.close()
        if not self._report.done():
            why = self._why or f"{self} {self.how_it_ended(status)} before it was ready"
            self._report.set_exception(NotStarted(why, status if status > 0 else 1))
        return status

    def _told(self, message: Message) -> None:
        match message["tell"]:
            case "ready" if not self._report.done():
                self._report.set_result(Ready(message["warnings"], message["hints"]))
                if self._admitted:
                    self.admit()
                self.heard(message)
            case "live":
                self.heard(message)
            case "failed":
                self._why = message["why"]
            case "leaving" if not self.retired:
                self.retired = True
                self._leaving()
