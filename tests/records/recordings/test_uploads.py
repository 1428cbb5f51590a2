"""Finished recordings go into the bucket: later, again, and once."""

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.records.recordings.s3_server import S3Server, s3_server
from tests.records.recordings.test_bucket import bucket_of
from tests.support import until

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.line import new_call_key
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.records.recordings.place import Folder
from avr_sts_speechmatics.records.recordings.recordings import Recordings
from avr_sts_speechmatics.records.recordings.uploads import Uploads

NAMES = [f"2026/11/28/{number:032x}.flac" for number in range(5)]
NOISE = np.random.default_rng(1).integers(-30_000, 30_000, 8000, np.int16).tobytes()


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def leave(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@asynccontextmanager
async def uploading(folder: Path, server: S3Server) -> AsyncIterator[Uploads]:
    uploads = Uploads(Folder(folder), bucket_of(server), first_pause_s=0.05)
    uploads.start()
    try:
        yield uploads
    finally:
        await asyncio.to_thread(uploads.close, 5.0)


async def test_what_an_earlier_process_left_is_uploaded_and_deleted(tmp_path: Path) -> None:
    leave(tmp_path, *NAMES)
    async with s3_server() as server, uploading(tmp_path, server) as uploads:
        await until(lambda: not left_in(tmp_path))
        leave(tmp_path, NAMES[0])
        uploads.add(NAMES[0])
        await until(lambda: not left_in(tmp_path))
        assert server.objects == {f"calls/night/{name}": name.encode() for name in NAMES}
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("status", [403, 500, 503])
async def test_a_store_that_is_away_is_asked_again_and_said_once(
    status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave(tmp_path, *NAMES)
    async with s3_server() as server:
        server.broken = status
        async with uploading(tmp_path, server):
            await until(lambda: len(server.requests) >= 4)
            assert len(left_in(tmp_path)) == len(NAMES)
            server.broken = 0
            await until(lambda: not left_in(tmp_path))
        assert len(server.objects) == len(NAMES)
    first, last = warnings(caplog)
    assert first.startswith("recordings cannot be uploaded (recordings: ")
    assert first.endswith("they wait in DATA_DIR")
    assert last == "recordings are uploaded again"


async def test_a_store_that_stays_away_keeps_no_process(tmp_path: Path) -> None:
    leave(tmp_path, *NAMES)
    async with s3_server() as server:
        server.broken = 503
        async with uploading(tmp_path, server):
            await until(lambda: bool(server.requests))
        assert len(left_in(tmp_path)) == len(NAMES)


async def test_a_recording_that_is_erased_while_it_is_uploaded_is_erased_there_too(
    tmp_path: Path,
) -> None:
    leave(tmp_path, NAMES[0])
    async with s3_server() as server:
        server.held = asyncio.Event()
        folder, bucket = Folder(tmp_path), bucket_of(server)
        async with uploading(tmp_path, server):
            await server.held.wait()
            await Recordings(folder, bucket).delete([NAMES[0]])
            server.go_on.set()
            await until(lambda: len(server.deleted) == 2)
        assert not server.objects


async def test_a_file_that_another_process_uploads_is_left_to_it(tmp_path: Path) -> None:
    leave(tmp_path, *NAMES[:2])
    async with s3_server() as server:
        with (tmp_path / NAMES[0]).open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            async with uploading(tmp_path, server):
                await until(lambda: len(server.objects) == 1)
        assert left_in(tmp_path) == [tmp_path / NAMES[0]]


async def test_a_call_is_recorded_locally_and_uploaded_after_its_end(tmp_path: Path) -> None:
    async with s3_server() as server, AsyncExitStack() as stack:
        changes: list[Change] = []
        recordings = Recordings(Folder(tmp_path), bucket_of(server))
        stack.push_async_callback(recordings.close)
        recordings.run(changes.append)
        recording = recordings.start(new_call_key())
        recording.caller(time.monotonic(), NOISE)
        await until(lambda: bool(changes))
        name = changes[0].row["recording"]
        with await recordings.open(name) as running:  # type: ignore[union-attr]
            assert not running.finished
        recording.end()
        await until(lambda: bool(server.objects))
        await until(lambda: not left_in(tmp_path))
        with await recordings.open(name) as stored:  # type: ignore[union-attr]
            assert stored.finished
            assert b"".join([one async for one in stored.read(0, 4)]) == b"fLaC"
        await recordings.delete([name])
        assert await recordings.open(name) is None
        server.broken = 500
        with pytest.raises(StoreError):
            await recordings.open(name)
