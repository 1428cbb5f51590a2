"""Membership: what a worker has of the service it is part of.

Through it the worker shares counts (`board`), announced calls, `/health` and the sandbox with the
other workers, and takes turns with them at accepting connections.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from avr_sts_speechmatics.console.call_control import NOT_FOUND, CallControl, Outcome
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.errors import SettingsError, StoreError
from avr_sts_speechmatics.sandbox_process import READY_S
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory
from avr_sts_speechmatics.transports.announced_calls import Facts
from avr_sts_speechmatics.workers.board import Board, OwnRow, State
from avr_sts_speechmatics.workers.channel import Channel, ChannelClosed, Message
from avr_sts_speechmatics.workers.live_relay import LiveRelay
from avr_sts_speechmatics.workers.ports import Port, Ports

GIVE_WAY_S = 0.008
GIVE_WAY_MAX_S = 0.05
"""How long a worker leaves a connection to another worker (s): for each call that the other one has
fewer, and at most."""

STAND_ASIDE_S = 0.05
"""How long a worker that refuses calls leaves connections to workers that take calls (s)."""

PULSE_S = 0.1
"""Time between two looks whether this worker takes calls (s)."""

ANSWER_S = 0.5
"""Longest wait for the supervisor (s)."""

METRICS_S = 5.0
"""Longest wait for the page of metrics (s); the first page loads a library."""

HELLO_S = 30.0
"""Longest wait for the supervisor's first message (s)."""

_log = logging.getLogger(__name__)


class Membership:
    """One worker's part in the service. Made by `join`.

    number: of the worker, from 1.
    of: number of workers.
    row: the worker's row of the board.
    series: where the worker counts its metrics.
    ports: the open ports.
    waits: whether the worker must not accept before it is ready, because others do.
    tries: whether the worker tries STT, LLM and TTS after its start, for all.
    """

    def __init__(self, channel: Channel, hello: Mapping[str, Any]) -> None:
        self._channel = channel
        self.number: int = hello["number"]
        self.of: int = hello["of"]
        self.waits: bool = hello["waits"]
        self.tries: bool = hello["tries"]
        self.row = OwnRow(Board(hello["board"]), hello["row"])
        self.series = SeriesMemory(hello["metrics"])
        os.close(hello["metrics"])
        self.ports = Ports(
            [
                Port(one["setting"], one["host"], one["number"], _sockets(one["descriptors"]))
                for one in hello["ports"]
            ]
        )
        self.announcements = SupervisedAnnouncements(channel)
        self.live = LiveRelay(channel, LiveCalls("off"))
        self.control: CallControl | None = None
        self.sandbox_ready = True
        self.admitted = self.waits
        """Whether the worker may take calls: its start was made known to the operator."""
        self._pulse: asyncio.TimerHandle | None = None

    @classmethod
    async def join(
        cls, end: socket.socket, told: Callable[[Message], None], health: Callable[[], Message]
    ) -> "Membership":
        """Join the service.

        end: the worker's end of the channel.
        told: called with the supervisor's messages: "drain", "end".
        health: returns this worker's part of `/health`.

        Raises ChannelClosed if the supervisor has ended.
        """
        hello: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        member: Membership | None = None

        def take(message: Message) -> None:
            if message["tell"] == "hello":
                hello.set_result(message)
            elif message["tell"] == "sandbox" and member is not None:
                member.sandbox_ready = message["ready"]
            elif message["tell"] == "go" and member is not None:
                member.admitted = True
            elif message["tell"] == "live" and member is not None:
                member.live.take(message)
            else:
                told(message)

        async def answer(question: Message) -> Message:
            if question["what"] == "leave":
                if member is None or member.control is None:
                    return NOT_FOUND
                return member.control.leave_here(question["key"], question["extension"])
            return {"health": health()}

        channel = Channel(take, answer)
        await channel.start(end)
        gone = asyncio.create_task(channel.closed.wait())
        await asyncio.wait((hello, gone), timeout=HELLO_S, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not hello.done():
            raise ChannelClosed
        member = cls(channel, hello.result())
        return member

    @property
    def may_take_calls(self) -> bool:
        """Whether nothing outside of this worker keeps it from taking calls."""
        return self.admitted and self.sandbox_ready

    async def close(self) -> None:
        """Leave the service."""
        if self._pulse is not None:
            self._pulse.cancel()
        self.live.close()
        await self._channel.close()
        self.row.board.close()

    def tell(self, **message: Any) -> None:
        """Send a message to the supervisor."""
        self._channel.send(message)

    async def orphaned(self) -> None:
        """Return when the supervisor has ended."""
        await self._channel.closed.wait()

    async def sandbox(self) -> str:
        """Return the address of the sandbox, which is started if it does not run.

        Raises SettingsError if the sandbox cannot run.
        """
        try:
            async with asyncio.timeout(READY_S + 5):
                answer = await self._channel.ask({"what": "sandbox"})
        except (ChannelClosed, TimeoutError):
            raise SettingsError("The sandbox was not ready in time.") from None
        if "error" in answer:
            raise SettingsError(answer["error"])
        url: str = answer["url"]
        return url

    def relay(self, live: LiveCalls, control: CallControl) -> None:
        """Share the running calls with the other workers.

        live: the calls of this worker, and those who follow calls.
        control: ends and transfers calls.
        """
        live.relay = self.live = LiveRelay(self._channel, live)
        self.control = control
        control.elsewhere = self._leave

    async def _leave(self, key: str, extension: str | None) -> Outcome:
        try:
            async with asyncio.timeout(ANSWER_S):
                question = {"what": "leave", "key": key, "extension": extension}
                return await self._channel.ask(question)
        except (ChannelClosed, TimeoutError):
            return NOT_FOUND

    async def health_of_others(self) -> Message | None:
        """Return the supervisor's answer about all other workers; None if it does not answer."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._channel.ask({"what": "health"})
        except (ChannelClosed, TimeoutError):
            return None

    async def metrics_page(self, accept: str) -> Message:
        """Return the supervisor's page of metrics: "text" and "type", or "error".

        accept: the header Accept of the request.
        """
        try:
            async with asyncio.timeout(METRICS_S):
                return await self._channel.ask({"what": "metrics", "accept": accept})
        except (ChannelClosed, TimeoutError):
            return {"error": "the supervisor of the workers does not answer"}

    # --- accepting -----------------------------------------------------------------------------

    def pulse(self, takes_calls: Callable[[], bool]) -> None:
        """Show the other workers from now on whether this one takes calls.

        takes_calls: whether this worker takes calls now.
        """
        self.row.show(State.TAKES if takes_calls() else State.REFUSES)
        self._pulse = asyncio.get_running_loop().call_later(PULSE_S, self.pulse, takes_calls)

    def accept_no_more(self) -> None:
        """Show the other workers that this one leaves all connections to them."""
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None
        self.row.show(State.NONE)

    def turn(self, takes_calls: Callable[[], bool]) -> "AcceptTurn":
        """Return the turn of one port. takes_calls: see `pulse`."""
        return AcceptTurn(self.row, takes_calls)


class AcceptTurn:
    """The turn of one port. Implements `transports.acceptor.Turn`.

    The worker with the fewest calls accepts at once. Another worker waits for it, the longer the
    more calls it has, and then accepts what is left, so that no connection depends on a worker that
    is busy. A worker that refuses calls leaves connections alone as long as another worker takes
    calls.
    """

    def __init__(
        self,
        row: OwnRow,
        takes_calls: Callable[[], bool],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._row = row
        self._takes_calls = takes_calls
        self._now = now
        self._gave_way_until = 0.0

    def others_first_s(self) -> float:
        takes = self._takes_calls()
        self._row.show(State.TAKES if takes else State.REFUSES)
        rows = list(self._row.board.rows())
        own = next(row for row in rows if row.index == self._row.index)
        others = [row for row in rows if row is not own and row.state is State.TAKES]
        if not others:
            return 0.0
        if not takes:
            return STAND_ASIDE_S
        now, more = self._now(), own.load - min(row.load for row in others)
        if more <= 0 or now < self._gave_way_until:
            self._gave_way_until = 0.0
            return 0.0
        give_way_s = min(GIVE_WAY_S * more, GIVE_WAY_MAX_S)
        # A connection that is still there a moment later is for this worker.
        self._gave_way_until = now + 2 * give_way_s + GIVE_WAY_S
        return give_way_s


class SupervisedAnnouncements:
    """The announcements of all workers, which the supervisor keeps.

    Implements `transports.announced_calls.Announcements`.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def announce(self, uuid: str, facts: Facts) -> None:
        await self._ask({"what": "announce", "uuid": uuid, "facts": dict(facts)})

    async def amend(self, uuid: str, facts: Facts) -> None:
        await self._ask({"what": "amend", "uuid": uuid, "facts": dict(facts)})

    async def facts_for(self, uuid: str) -> Facts | None:
        facts: Facts | None = (await self._ask({"what": "facts", "uuid": uuid}))["facts"]
        return facts

    async def _ask(self, question: Message) -> Message:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._channel.ask(question)
        except (ChannelClosed, TimeoutError):
            raise StoreError("the supervisor of the workers does not answer") from None


def _sockets(descriptors: list[int]) -> list[socket.socket]:
    found = [socket.socket(fileno=number) for number in descriptors]
    for sock in found:
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
    return found
