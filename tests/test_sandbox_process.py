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
from avr_sts_speechmatics.sandbox_process import SandboxProcess, _log_output, environment

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


SECRETS = (
    "OPENAI_API_KEY",
    "SPEECHMATICS_API_KEY",
    "WEBHOOK_SECRET",
    "AMI_PASSWORD",
    "MCP_SERVERS",
    "AWS_SECRET_ACCESS_KEY",
    "DATABASE_URL",
    "MY_TOKEN",
)


async def test_the_child_gets_what_it_needs_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "very-secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    sandbox = SandboxProcess()
    async with running(sandbox):
        environ = environment_of(pid_of(sandbox))
    assert b"PATH=" in environ
    assert b"very-secret" not in environ
    assert b"ORT_DISABLE_TELEMETRY=1" in environ
    # Telemetry, caches of models, compiled code: nothing of it is left in the user's folder.
    assert not await asyncio.to_thread(os.listdir, tmp_path)


def test_what_libraries_and_languages_need_is_passed_on() -> None:
    needed = {"LD_LIBRARY_PATH": "/opt", "LC_ALL": "C.UTF-8", "PYTHONPATH": "src", "TZ": "UTC"}
    passed_on = environment({**needed, "OPENAI_BASE_URL": "http://x", "PATHOLOGY": "1"})
    assert passed_on == {**needed, "ORT_DISABLE_TELEMETRY": "1"}


async def test_a_signal_for_somebody_else_does_not_end_the_child() -> None:
    sandbox = SandboxProcess()
    async with running(sandbox) as url:
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            os.kill(pid_of(sandbox), number)
        assert await answers(url)
        assert alive(pid_of(sandbox))


async def test_what_the_child_writes_is_logged_without_colours_and_chatter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    output = asyncio.StreamReader(limit=1000)
    output.feed_data(b"\x1b[0;93m2026-12-01 [W:onnxruntime:Default, discovery.cc] no GPU\x1b[m\n")
    output.feed_data(b"sandbox: a \x1b[31mred\x1b[0m word\n\n")
    output.feed_data(b"x" * 2000 + b"\nTraceback:\n")
    output.feed_eof()
    await _log_output(output)
    assert caplog.messages == ["sandbox: a red word", "sandbox: Traceback:"]
