"""Retries of background work are not logged; those that a caller waits for are."""

import asyncio

from avr_sts_speechmatics.services.quiet_retries import quiet_retries, retries_are_logged


def test_retries_are_quiet_inside_only() -> None:
    assert retries_are_logged()
    with quiet_retries():
        assert not retries_are_logged()
        with quiet_retries():
            pass
        assert not retries_are_logged()
    assert retries_are_logged()


async def test_work_beside_it_is_not_quiet() -> None:
    inside, may_end = asyncio.Event(), asyncio.Event()

    async def background() -> None:
        with quiet_retries():
            inside.set()
            await may_end.wait()

    task = asyncio.create_task(background())
    await inside.wait()
    assert retries_are_logged()
    may_end.set()
    await task
