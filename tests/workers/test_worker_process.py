"""One worker as the supervisor sees it: its start, its reasons, its end."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.cli.commands import CLOUDS

from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.workers.board import Board
from avr_sts_speechmatics.workers.channel import Message
from avr_sts_speechmatics.workers.ports import open_ports
from avr_sts_speechmatics.workers.worker_process import NotStarted, Place, WorkerProcess


async def started(folder: Path, monkeypatch: pytest.MonkeyPatch, **env: str) -> WorkerProcess:
    monkeypatch.chdir(folder)
    for name, value in {**CLOUDS, "PHRASE_CACHE_DIR": "off", **env}.items():
        monkeypatch.setenv(name, value)
    ports = await open_ports(
        Settings(port=0, extra_ports=(), audiosocket_port=None, http_port=None)
    )

    async def asked(worker: WorkerProcess, question: Message) -> Message:
        return {}

    board = Board()
    place = Place(1, 1, ports, waits=False)
    worker = await WorkerProcess.start(place, board, asked, lambda worker: None)
    assert worker.ended is not None
    worker.ended.add_done_callback(lambda _: board.close())
    worker.ended.add_done_callback(lambda _: ports.close())
    return worker


async def status_of(worker: WorkerProcess) -> int:
    assert worker.ended is not None
    async with asyncio.timeout(30):
        return await worker.ended


async def test_a_worker_is_ready_has_health_and_ends_when_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await started(tmp_path, monkeypatch)
    ready = await worker.ready()
    assert any("No model" in hint for hint in ready.hints)
    health = await worker.health(5)
    assert health is not None
    assert health["status"] == "starting"  # it was not admitted yet
    worker.drain(replaced=False)
    assert await status_of(worker) == 0
    assert await worker.health(5) is None


async def test_a_worker_says_why_it_cannot_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await started(tmp_path, monkeypatch, SPEECHMATICS_REGION="mars")
    with pytest.raises(NotStarted, match="SPEECHMATICS_REGION=mars") as error:
        await worker.ready()
    assert error.value.status == 2
    assert await status_of(worker) == 2


async def test_a_worker_that_is_killed_while_it_starts_is_named_with_the_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await started(tmp_path, monkeypatch)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(NotStarted, match="was ended by SIGKILL before it was ready"):
        await worker.ready()
    assert await status_of(worker) == -signal.SIGKILL


async def test_a_worker_that_is_told_to_end_before_it_is_ready_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await started(tmp_path, monkeypatch)
    worker.end()
    assert await status_of(worker) == -signal.SIGKILL
