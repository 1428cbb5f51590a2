"""The task group behaves like asyncio's, can be ended, and leaves nothing to the collector."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from avr_sts_speechmatics.runtime.task_group import TaskGroup


class Kept:
    """What a frame of a cancelled task refers to. `alive` counts the objects."""

    alive = 0

    def __init__(self) -> None:
        Kept.alive += 1

    def __del__(self) -> None:
        Kept.alive -= 1


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    Kept.alive = 0
    yield
    gc.enable()


async def wait(entered: asyncio.Event) -> None:
    kept = Kept()
    entered.set()
    await asyncio.Event().wait()
    del kept


async def in_a_group(entered: asyncio.Event) -> None:
    kept = Kept()
    async with TaskGroup() as tasks:
        tasks.create_task(wait(entered))
        await asyncio.Event().wait()
    del kept


async def test_a_cancelled_block_is_freed_at_once() -> None:
    entered = asyncio.Event()
    task = asyncio.create_task(in_a_group(entered))
    await entered.wait()
    assert Kept.alive == 2
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    del task
    assert Kept.alive == 0


async def test_a_block_that_is_cancelled_while_it_waits_for_its_tasks_is_freed_at_once() -> None:
    async def block() -> None:
        kept = Kept()
        async with TaskGroup() as tasks:
            tasks.create_task(wait(entered))
        del kept

    entered = asyncio.Event()
    task = asyncio.create_task(block())
    await entered.wait()
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    del task
    assert Kept.alive == 0


async def test_an_error_of_a_task_ends_the_others_and_is_freed_after_it_was_handled() -> None:
    async def fail() -> None:
        kept = Kept()
        await entered.wait()
        raise LookupError(kept)

    entered = asyncio.Event()
    found: list[str] = []

    async def block() -> None:
        try:
            async with TaskGroup() as tasks:
                tasks.create_task(wait(entered))
                tasks.create_task(fail())
                await asyncio.Event().wait()
        except* LookupError as errors:
            found.append(type(errors.exceptions[0]).__name__)

    await asyncio.create_task(block())
    assert found == ["LookupError"]
    assert Kept.alive == 0


async def test_the_end_of_a_group_cancels_its_tasks_and_is_no_error() -> None:
    entered = asyncio.Event()
    async with TaskGroup() as tasks:
        task = tasks.create_task(wait(entered))
        await entered.wait()
        tasks.end()
    assert task.cancelled()
    del task
    assert Kept.alive == 0


async def test_an_error_of_a_task_that_was_told_to_end_is_loud() -> None:
    async def fail_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("at the end")

    async def block() -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(fail_at_the_end())
            await asyncio.sleep(0)
            tasks.end()

    with pytest.raises(ExceptionGroup) as raised:
        await block()
    assert raised.group_contains(LookupError)


async def test_a_cancellation_during_the_end_is_passed_on() -> None:
    async def end_slowly(asked: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asked.set()
            await asyncio.sleep(0.01)

    async def block(asked: asyncio.Event) -> None:
        async with TaskGroup() as tasks:
            tasks.create_task(end_slowly(asked))
            await asyncio.sleep(0)
            tasks.end()

    asked = asyncio.Event()
    task = asyncio.create_task(block(asked))
    await asked.wait()
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
