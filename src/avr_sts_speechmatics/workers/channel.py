"""The channel between the supervisor and one worker: JSON, one object a line, over a socket pair.

Either side sends messages and asks questions. A question has a number in `ask`, and its answer has
the number in `answer`. The end of the channel is the end of the other process, whatever ended it.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec

LINE_MAX = 4 << 20
"""Longest message (bytes): the health of a worker with many agents and tools."""

Message = dict[str, Any]

_log = logging.getLogger(__name__)


class ChannelClosed(Exception):
    """The other process does not answer, because it has ended."""


class Channel:
    """One side of the channel. Belongs to the running event loop.

    told: called with each message that is no question.
    asked: answers a question; None if the other side asks none.
    """

    def __init__(
        self,
        told: Callable[[Message], None],
        asked: Callable[[Message], Awaitable[Message]] | None = None,
    ) -> None:
        self._told = told
        self._asked = asked
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._open: dict[int, asyncio.Future[Message]] = {}
        self.closed = asyncio.Event()
        """Set when the other side has ended, or this side is closed."""

    async def start(self, end: socket.socket) -> None:
        """Begin to read. end: this side's socket, which the channel closes."""
        end.setblocking(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=end, limit=LINE_MAX)
        self._reading = asyncio.create_task(self._read(reader))

    def send(self, message: Message) -> None:
        """Send a message; lost if the other side has ended."""
        if self._writer is not None and not self.closed.is_set():
            self._writer.write(msgspec.json.encode(message) + b"\n")

    @property
    def backlog(self) -> int:
        """Bytes that wait to be read by the other side."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    async def ask(self, message: Message) -> Message:
        """Send a question and wait for its answer. The caller bounds the wait.

        Raises ChannelClosed.
        """
        if self.closed.is_set():
            raise ChannelClosed
        number = next(self._numbers)
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        try:
            self.send({**message, "ask": number})
            found: Message = await answer
            return found
        finally:
            self._open.pop(number, None)

    async def close(self) -> None:
        """Close this side."""
        tasks = {*self._answering, *((self._reading,) if self._reading else ())}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._ended()
        if self._writer is not None:
            with suppress(OSError):
                await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(msgspec.json.decode(line, type=dict[str, Any]))
        except OSError:
            pass  # the other process was killed with messages of ours unread
        except (ValueError, msgspec.MsgspecError):
            _log.exception("the channel between supervisor and worker is broken; please report it")
        finally:
            self._ended()

    def _take(self, message: Message) -> None:
        if "answer" in message:
            answer = self._open.get(message["answer"])
            if answer is not None and not answer.done():
                answer.set_result(message)
        elif "ask" in message:
            task = asyncio.create_task(self._answer(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        else:
            self._told(message)

    async def _answer(self, message: Message) -> None:
        assert self._asked is not None
        answer = await self._asked(message)
        self.send({**answer, "answer": message["ask"]})

    def _ended(self) -> None:
        if self.closed.is_set():
            return
        self.closed.set()
        if self._writer is not None:
            self._writer.close()
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(ChannelClosed())
