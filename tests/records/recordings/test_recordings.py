"""The recordings of a process: files, failures of the disk, and the end."""

import asyncio
import logging
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.records.recordings.sounds import click, decoded
from tests.support import until

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.line import new_call_key
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.recordings.place import Folder
from avr_sts_speechmatics.records.recordings.recording import Recording
from avr_sts_speechmatics.records.recordings.recordings import Recordings

FRAME_S = 0.02
LOUD = np.full(160, 20_000, np.int16).tobytes()
NOISE = np.random.default_rng(1).integers(-30_000, 30_000, 8000, np.int16).tobytes()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class Running:
    """Recordings with their thread, and the changes that they made."""

    def __init__(self, folder: Path) -> None:
        self.folder = Folder(folder)
        self.all = Recordings(self.folder)
        self.changes: list[Change] = []

    @property
    def names(self) -> list[str]:
        return [change.row["recording"] for change in self.changes]

    async def begin(self) -> Recording:
        """Begin a call with some audio; return when its file has begun."""
        recording, before = self.all.start(new_call_key()), len(self.changes)
        recording.caller(time.monotonic(), NOISE)
        recording.agent(time.monotonic(), LOUD)
        await until(lambda: len(self.changes) > before)
        return recording

    async def finished(self, name: str) -> Path:
        await until(lambda: self.folder.path(name).exists())
        return self.folder.path(name)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    found = Running(folder)
    found.all.run(found.changes.append)
    try:
        yield found
    finally:
        await found.all.close()


async def test_a_call_has_its_recording_from_its_first_sound_on(tmp_path: Path) -> None:
    async with running(tmp_path) as recordings:
        recording = recordings.all.start(new_call_key())
        begun = time.monotonic()
        recording.caller(begun, bytes(320))
        recording.agent(begun + 0.5, LOUD)
        await until(lambda: bool(recordings.changes))
        (change,) = recordings.changes
        assert change.table == "calls"
        assert change.update
        assert change.row["key"] == recording.key
        name = change.row["recording"]
        assert name.endswith(f"{recording.key}.flac")
        with await recordings.all.open(name) as stored:  # type: ignore[union-attr]
            assert not stored.finished
        await asyncio.sleep(0.6)
        recording.end()
        path = await recordings.finished(name)
        assert 0.4 * RATE < click(decoded(path)[:, 1]) < 0.7 * RATE


async def test_a_recording_is_read_in_ranges(tmp_path: Path) -> None:
    async with running(tmp_path) as recordings:
        recording = await recordings.begin()
        recording.end()
        (name,) = recordings.names
        whole = (await recordings.finished(name)).read_bytes()
        stored = await recordings.all.open(name)
        assert stored is not None
        with stored:
            assert stored.finished
            assert stored.size == len(whole)
            for begin, end in ((0, None), (0, 1), (100, 1000), (stored.size - 5, stored.size + 9)):
                found = b"".join([chunk async for chunk in stored.read(begin, end)])
                assert found == whole[begin:end]


async def test_only_recordings_are_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    recordings = Recordings(Folder(tmp_path / "calls"))
    for name in ("../secret", f"2026/11/28/{'0' * 32}.flac", "", "/etc/passwd"):
        assert await recordings.open(name) is None
    await recordings.delete(["../secret"])
    assert (tmp_path / "secret").exists()


async def test_a_call_that_ends_before_its_first_frame_leaves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as recordings:
        for _ in range(100):
            recordings.all.start(new_call_key()).end()
    assert not files(tmp_path)
    assert not recordings.changes


async def test_calls_begin_and_end_in_a_storm(tmp_path: Path, untraced: None) -> None:
    async with running(tmp_path) as recordings:
        for number in range(200):
            recording = recordings.all.start(new_call_key())
            recording.caller(time.monotonic(), LOUD)
            if number % 2:
                recording.end()  # the others end with the process
    found = list(recordings.folder.names())
    assert len(found) == 200
    assert sorted(found) == sorted(recordings.names)
    for name in found[::20]:
        assert len(decoded(recordings.folder.path(name))) >= 160


async def test_a_deleted_recording_is_gone_also_of_a_running_call(tmp_path: Path) -> None:
    async with running(tmp_path) as recordings:
        over, runs = await recordings.begin(), await recordings.begin()
        over.end()
        await recordings.finished(recordings.names[0])
        await recordings.all.delete(recordings.names)
        runs.caller(time.monotonic(), LOUD)
        runs.end()
    assert not files(tmp_path)


async def test_what_a_killed_process_left_is_finished_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"2026/11/28/{new_call_key()}.flac"
    folder = Folder(tmp_path)
    folder.part(name).parent.mkdir(parents=True)
    folder.part(name).write_bytes(b"fLaC and so on")
    async with running(tmp_path) as recordings:
        await recordings.finished(name)
    assert "recordings of calls that were cut off are kept: 1" in caplog.text


# --- a disk that fails ---------------------------------------------------------------------------


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]


async def test_a_place_that_cannot_be_written_costs_recordings_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    async with running(tmp_path / "file" / "calls") as recordings:
        taps = [recordings.all.start(new_call_key()) for _ in range(5)]
        for tap in taps:
            tap.caller(time.monotonic(), NOISE)
        await until(lambda: bool(errors(caplog)))
        for tap in taps:
            for _ in range(1000):
                tap.caller(time.monotonic(), LOUD)  # the calls go on
            tap.end()
    assert errors(caplog) == [
        f"recordings cannot be written (File exists: {tmp_path}/file); calls go on without"
    ]
    assert not recordings.changes


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_place_without_permission_costs_recordings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.chmod(tmp_path, 0o500)
    async with running(tmp_path) as recordings:
        recordings.all.start(new_call_key()).caller(time.monotonic(), NOISE)
        await until(lambda: bool(errors(caplog)))
    assert "Permission denied" in errors(caplog)[0]


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


async def test_a_full_disk_ends_a_recording_which_stays_playable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, full_disk: None
) -> None:
    async with running(tmp_path) as recordings:
        recording = await recordings.begin()
        for _ in range(20):
            recording.caller(time.monotonic(), NOISE)
        path = await recordings.finished(recordings.names[0])
        recording.end()
        await until(lambda: bool(errors(caplog)))  # the file is finished before its error is told
        assert "File too large" in errors(caplog)[0]
        assert len(decoded(path)) > RATE / 4
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        (await recordings.begin()).end()
        await recordings.finished(recordings.names[1])
    assert len(errors(caplog)) == 1
    assert "recordings are complete again" in caplog.text


async def test_a_directory_that_is_removed_costs_only_the_recordings_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path / "calls") as recordings:
        recording = await recordings.begin()
        (tmp_path / "calls").rename(tmp_path / "gone")
        recording.caller(time.monotonic(), NOISE)
        recording.end()
        (await recordings.begin()).end()
        await recordings.finished(recordings.names[1])
    assert not errors(caplog)


async def test_a_place_that_cannot_be_deleted_from_is_reported(tmp_path: Path) -> None:
    name = f"2026/11/28/{new_call_key()}.flac"
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(StoreError, match="recordings: "):
        await Recordings(Folder(tmp_path)).delete([name])


async def test_a_fault_in_a_recording_ends_that_recording_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as recordings:
        broken, whole = await recordings.begin(), await recordings.begin()
        broken.caller("yesterday", LOUD)  # type: ignore[arg-type]
        await until(lambda: "by a fault of this service" in caplog.text)
        whole.end()
        await recordings.finished(recordings.names[1])
