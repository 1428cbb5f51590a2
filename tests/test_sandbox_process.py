"""The sandbox as a child process: started, started again, ended."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from tests.support import until

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.sandbox_process import SandboxProcess

pytestmark = pytest.mark.models


@asynccontextmanager
async def running(sandbox: SandboxProcess) -> AsyncIterator[str]:
    url = await sandbox.start()
    try:
        yield url
    finally:
        await sandbox.stop()


async def answers(url: str) -> bool:
    """Whether anybody listens there."""
    host, port = url.removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return True


def pid_of(sandbox: SandboxProcess) -> int:
    assert sandbox._process is not None
    return sandbox._process.pid


def environment_of(pid: int) -> bytes:
    environ = Path(f"/proc/{pid}/environ")
    if not environ.exists():
        pytest.skip("this system does not show the environment of a process")
    return environ.read_bytes()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_sandbox_tells_how_far_it_is_and_takes_calls_when_it_is_ready() -> None:
    news: list[tuple[int, int]] = []
    sandbox = SandboxProcess(news=lambda _, done, of: news.append((done, of)), max_calls=1)
    assert not sandbox.ready
    async with running(sandbox) as url:
        assert sandbox.ready
        assert await answers(url)
        pid = pid_of(sandbox)
    assert news == [(done, len(news)) for done in range(1, len(news) + 1)]
    assert not sandbox.ready
    assert not alive(pid)
    assert not await answers(url)


async def test_a_sandbox_that_dies_is_started_again_on_the_same_port() -> None:
    sandbox = SandboxProcess()
    async with running(sandbox) as url:
        watch = asyncio.create_task(sandbox.keep_running())
        first = pid_of(sandbox)
        os.kill(first, signal.SIGKILL)
        await until(lambda: not sandbox.ready)
        await until(lambda: sandbox.ready, timeout=40)
        assert pid_of(sandbox) != first
        assert await answers(url)
        watch.cancel()
        await asyncio.wait((watch,))
        assert sandbox.ready
    assert not await answers(url)


async def test_a_sandbox_that_cannot_run_says_why() -> None:
    sandbox = SandboxProcess(faq_file="/no/such/faq.yaml")
    with pytest.raises(SettingsError, match="faq"):
        await sandbox.start()
    assert not sandbox.ready


async def test_a_start_that_is_cancelled_leaves_no_child() -> None:
    loading = asyncio.Event()
    sandbox = SandboxProcess(news=lambda *_: loading.set())
    starting = asyncio.create_task(sandbox.start())
    async with asyncio.timeout(40):
        await loading.wait()
    pid = pid_of(sandbox)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not alive(pid)


async def test_stopping_what_does_not_run_is_harmless() -> None:
    await SandboxProcess().stop()


async def test_the_keys_of_the_service_are_not_given_to_the_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    sandbox = SandboxProcess()
    async with running(sandbox):
        environ = environment_of(pid_of(sandbox))
    assert b"PATH=" in environ
    assert b"sk-very-secret" not in environ
