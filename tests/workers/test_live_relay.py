"""Live calls over several workers: the relay of a worker, the exchange, and real processes."""

import asyncio
import os
import signal
from collections import deque
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.console.served import Events, Port, following
from tests.workers.processes import PATIENCE_S, running_service

from avr_sts_speechmatics.console.call_control import NOT_FOUND
from avr_sts_speechmatics.console.live_calls import LiveCalls, Reader
from avr_sts_speechmatics.console.live_view import View
from avr_sts_speechmatics.workers.channel import Message
from avr_sts_speechmatics.workers.live_relay import BACKLOG_MAX, LiveExchange, LiveRelay


class Running:
    """A call."""

    def __init__(self, key: str) -> None:
        self.key = key

    def shown(self) -> View:
        return {"key": self.key, "uuid": self.key, "agent": "a", "state": "listening"}


class Process:
    """A worker with its relay, connected to an exchange by messages in order."""

    def __init__(self, row: int, net: "Net") -> None:
        self.row = row
        self.backlog = 0
        self.is_ready = True
        self.live = LiveCalls("transcripts")
        self.relay = LiveRelay(_Way(self, net), self.live)
        self.live.relay = self.relay
        self.received: list[Message] = []
        self._net = net

    def tell(self, message: Message) -> None:
        self.received.append(message)
        self._net.post(lambda: self.relay.take(message))

    async def leave(self, question: Message, within_s: float) -> Message | None:
        return {"found": question["key"] == str(self.row), "refused": ""}

    def keys(self, reader: Reader) -> list[str]:
        """Keys of the calls that a reader of this worker sees."""
        snapshot = self.live.snapshot(reader).decode()
        return [part.split('"')[0] for part in snapshot.split('"key":"')[1:]]


class _Way:
    def __init__(self, process: Process, net: "Net") -> None:
        self._process = process
        self._net = net

    @property
    def backlog(self) -> int:
        return self._net.backlog

    def send(self, message: Message) -> None:
        self._net.post(lambda: self._net.exchange.told(self._process, message))


class Net:
    """Workers and their supervisor. Messages arrive in order, later than they are sent."""

    def __init__(self, workers: int) -> None:
        self.backlog = 0
        self._waiting: deque[Any] = deque()
        self.exchange = LiveExchange(lambda: self.processes)
        self.processes = [Process(row, self) for row in range(workers)]

    def post(self, deliver: Any) -> None:
        self._waiting.append(deliver)
        asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._waiting.popleft()()

    async def settle(self) -> None:
        """Wait until no event waits to be sent and no message is on its way."""
        for process in self.processes:
            process.relay._flush()
        while self._waiting:  # noqa: ASYNC110
            await asyncio.sleep(0)  # one turn of the loop delivers a message


def unread() -> None:
    raise AssertionError


async def test_a_reader_sees_the_calls_of_all_workers_at_once() -> None:
    net = Net(3)
    for process in net.processes:
        process.live.began(f"call-{process.row}", Running(f"call-{process.row}"))
    one, reader = net.processes[0], Reader(unread)
    await one.live.add(reader)
    assert one.keys(reader) == ["call-0", "call-1", "call-2"]


async def test_events_reach_the_workers_with_readers_and_no_other() -> None:
    net = Net(3)
    one, two, three = net.processes
    reader = Reader(unread)
    await one.live.add(reader)
    one.live.snapshot(reader)
    two.live.began("2", Running("2"))
    three.live.began("3", Running("3"))
    three.live.ended("3", lambda: {"key": "3", "reason": "caller"})
    await net.settle()
    text = reader.take().decode()
    assert [text.count(f"event: {kind}") for kind in ("began", "ended")] == [2, 1]
    assert not [message for message in two.received if "events" in message]
    assert one.keys(reader) == ["2"]


async def test_when_nobody_reads_any_more_nothing_is_sent() -> None:
    net = Net(2)
    one, two = net.processes
    reader = Reader(unread)
    await one.live.add(reader)
    assert two.live.listened
    one.live.remove(reader)
    await net.settle()
    assert not two.live.listened
    before = len(one.received)
    two.live.began("2", Running("2"))
    await net.settle()
    assert len(one.received) == before


async def test_two_workers_that_listen_feed_each_other_and_stop_one_by_one() -> None:
    net = Net(2)
    one, two = net.processes
    first, second = Reader(unread), Reader(unread)
    await one.live.add(first)
    await two.live.add(second)
    one.live.began("1", Running("1"))
    two.live.began("2", Running("2"))
    await net.settle()
    assert one.keys(first) == two.keys(second) == ["1", "2"]
    one.live.remove(first)
    await net.settle()
    assert (one.live.relayed, two.live.relayed) == (True, False)


async def test_the_calls_of_a_dead_worker_end_and_a_new_worker_is_seen() -> None:
    net = Net(3)
    one, two, three = net.processes
    two.live.began("2", Running("2"))
    net.processes = [one, two]
    reader = Reader(unread)
    await one.live.add(reader)
    one.live.snapshot(reader)
    net.processes = [one, three]
    net.exchange.gone(two)
    three.live.began("3", Running("3"))
    net.exchange.told(three, {"tell": "ready"})
    await net.settle()
    assert one.keys(reader) == ["3"]


async def test_a_listener_that_dies_is_forgotten() -> None:
    net = Net(2)
    one, two = net.processes
    await one.live.add(Reader(unread))
    net.processes = [two]
    net.exchange.gone(one)
    await net.settle()
    assert not two.live.relayed


async def test_a_worker_that_does_not_read_costs_no_memory_and_catches_up() -> None:
    net = Net(2)
    one, two = net.processes
    reader = Reader(unread)
    await one.live.add(reader)
    one.backlog = BACKLOG_MAX + 1  # as if it had been stopped
    two.live.began("2", Running("2"))
    await net.settle()
    assert "2" not in one.keys(reader)
    one.backlog = 0
    two.live.publish("state", {"key": "2", "state": "speaking"})
    await net.settle()
    await net.settle()
    assert one.keys(reader) == ["2"]


async def test_a_supervisor_that_does_not_read_costs_no_memory_and_catches_up() -> None:
    net = Net(2)
    one, two = net.processes
    reader = Reader(unread)
    await one.live.add(reader)
    net.backlog = BACKLOG_MAX + 1
    two.live.began("2", Running("2"))
    await net.settle()
    assert one.keys(reader) == []
    net.backlog = 0
    await net.settle()
    assert one.keys(reader) == ["2"]
    two.relay.close()


async def test_a_wrong_token_counts_in_every_worker() -> None:
    net = Net(3)
    counted: list[tuple[int, str]] = []
    for process in net.processes:
        process.live.wrong_elsewhere = lambda address, row=process.row: counted.append(  # type: ignore[misc]
            (row, address)
        )
    net.processes[0].live.wrong_token("10.0.0.5")
    await net.settle()
    assert counted == [(1, "10.0.0.5"), (2, "10.0.0.5")]


async def test_the_worker_that_has_a_call_ends_it() -> None:
    net = Net(3)
    asking = net.processes[0]
    question: Message = {"what": "leave", "key": "2", "extension": None}
    assert (await net.exchange.leave(asking, question))["found"]
    assert await net.exchange.leave(asking, question | {"key": "9"}) == NOT_FOUND


# --- real processes -------------------------------------------------------------------------------


async def test_a_page_sees_and_ends_the_calls_of_all_workers(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, ready=2, WORKERS="2") as service,
        AsyncExitStack() as stack,
    ):
        number = service.ports["PORT"]
        events = await stack.enter_async_context(following("127.0.0.1", number))
        await events.until("snapshot")
        callers = [await stack.enter_async_context(service.caller()) for _ in range(4)]
        keys = [(await began_within(events))["key"] for _ in callers]
        assert len(set((await service.workers()).values())) == 1, "two calls each"
        late = await stack.enter_async_context(following("127.0.0.1", number))
        snapshot = await late.until("snapshot")
        assert sorted(call["key"] for call in snapshot["calls"]) == sorted(keys)
        for key in keys:
            path = f"/api/v1/calls/{key}/hangup"
            response = await Port("127.0.0.1", number).ask(path, method="POST")
            assert response.status == 202, response.content
        for caller in callers:
            await caller.gone()
            assert "oodbye" in caller.core.heard.said("agent")
        reasons = [(await events.until("ended"))["reason"] for _ in keys]
        assert reasons == ["operator"] * 4


async def test_the_calls_of_a_killed_worker_end_on_the_page(tmp_path: Path) -> None:
    async with (
        running_service(tmp_path, ready=2, WORKERS="2") as service,
        AsyncExitStack() as stack,
    ):
        number = service.ports["PORT"]
        events = await stack.enter_async_context(following("127.0.0.1", number))
        await events.until("snapshot")
        own = int(events.ids[0].split("-")[1], 16)  # the process that was asked
        for _ in range(4):
            await stack.enter_async_context(service.caller())
            await began_within(events)
        (other,) = set(await service.workers()) - {own}
        os.kill(other, signal.SIGKILL)
        for _ in range(2):
            assert (await events.until("ended"))["reason"] == "lost"
        await service.until_workers(2, without={other})
        for _ in range(2):  # one of them by the new worker
            await stack.enter_async_context(service.caller())
            await began_within(events)
        snapshot = await (await stack.enter_async_context(following("127.0.0.1", number))).until(
            "snapshot"
        )
        assert len(snapshot["calls"]) == 4


async def test_wrong_tokens_count_over_all_workers(tmp_path: Path) -> None:
    async with running_service(
        tmp_path, ready=2, WORKERS="2", CONSOLE_TOKEN="first-0123456789abcdef"
    ) as service:
        port = Port("127.0.0.1", service.ports["PORT"])
        statuses = []
        for _ in range(12):
            wrong = await port.ask("/api/v1/service", "Authorization: Bearer no-0123456789abcdef")
            statuses.append(wrong.status)
        assert statuses[-1] == 429
        assert statuses.count(401) <= 7, "five, and those that overtook the news"
        assert not [line for line in service.log if "no-0123456789" in line]


async def began_within(events: Events) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await events.until("began")
