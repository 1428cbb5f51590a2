"""The channel between two processes: messages, questions, and the end of the other side."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from avr_sts_speechmatics.workers.channel import Channel, ChannelClosed, Message


@asynccontextmanager
async def connected(told: list[Message]) -> AsyncIterator[tuple[Channel, Channel]]:
    """A side that asks, and a side that answers and keeps what it is told."""
    ours, theirs = socket.socketpair()

    async def answer(question: Message) -> Message:
        if question["what"] == "nothing":
            await asyncio.Event().wait()
        return {"twice": 2 * question["what"]}

    asking, answering = Channel(lambda message: None), Channel(told.append, answer)
    await asking.start(ours)
    await answering.start(theirs)
    try:
        yield asking, answering
    finally:
        await asking.close()
        await answering.close()


async def test_questions_are_answered_each_with_its_own_answer() -> None:
    async with connected([]) as (asking, _):
        answers = await asyncio.gather(*(asking.ask({"what": number}) for number in range(50)))
        assert [answer["twice"] for answer in answers] == list(range(0, 100, 2))


async def test_messages_come_in_their_order_however_long_they_are() -> None:
    told: list[Message] = []
    async with connected(told) as (asking, _):
        for number in range(20):
            asking.send({"number": number, "text": "x" * 100_000})
        await asking.ask({"what": 1})
    assert [message["number"] for message in told] == list(range(20))


async def test_a_question_to_a_side_that_ends_is_not_waited_for() -> None:
    async with connected([]) as (asking, answering):
        waiting = asyncio.create_task(asking.ask({"what": "nothing"}))
        await asyncio.sleep(0)
        await answering.close()
        with pytest.raises(ChannelClosed):
            await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(asking.closed.wait(), 5)
        with pytest.raises(ChannelClosed):
            await asking.ask({"what": 1})
        asking.send({"what": "is lost"})


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    async with connected([]) as (asking, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asking.ask({"what": "nothing"})
        assert (await asking.ask({"what": 2}))["twice"] == 4
