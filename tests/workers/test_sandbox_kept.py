"""One sandbox for all workers."""

import asyncio
import os
import signal

import pytest
from tests.support import until

from avr_sts_speechmatics.workers.channel import Message
from avr_sts_speechmatics.workers.sandbox_kept import SandboxKept


@pytest.mark.models
async def test_the_sandbox_is_started_once_and_all_workers_learn_when_it_is_away() -> None:
    told: list[Message] = []
    kept = SandboxKept(lambda part, done, of: None, told.append)
    first, second = await asyncio.gather(kept.url(), kept.url())
    assert first == second == await kept.url()
    assert told == [{"tell": "sandbox", "ready": True}]
    process = kept._process._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await until(lambda: told[-1]["ready"] is False)
    await until(lambda: told[-1]["ready"] is True, timeout=40)
    assert await kept.url() == first
    await kept.close()


async def test_a_sandbox_that_nobody_asked_for_is_not_started() -> None:
    kept = SandboxKept(lambda part, done, of: None, lambda message: None)
    await kept.close()
