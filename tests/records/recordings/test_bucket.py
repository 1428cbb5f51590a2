"""Recordings in a store that speaks S3."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from tests.records.recordings.s3_server import S3Server, s3_server

from avr_sts_speechmatics.errors import SettingsError, StoreError
from avr_sts_speechmatics.records.recordings.bucket import Bucket
from avr_sts_speechmatics.settings.record_checks import S3Place
from avr_sts_speechmatics.values import Secret

NAME = f"2026/11/28/{'0' * 32}.flac"
KEY = f"calls/night/{NAME}"


def bucket_of(server: S3Server, prefix: str = "night") -> Bucket:
    place = S3Place("calls", prefix, server.url, "eu-west-1")
    return Bucket(place, "an-id", Secret("a-secret"))


def a_file(folder: Path, size: int) -> Path:
    path = folder / "call.flac"
    path.write_bytes(os.urandom(size))
    return path


@pytest.mark.parametrize("size", [1000, 12_000_000])  # the second goes in parts
async def test_a_recording_is_uploaded_read_in_ranges_and_deleted(
    size: int, tmp_path: Path
) -> None:
    path = a_file(tmp_path, size)
    whole = path.read_bytes()
    async with s3_server() as server:
        bucket = bucket_of(server)
        await asyncio.to_thread(bucket.put, NAME, path)
        assert server.objects == {KEY: whole}
        assert server.types[KEY] == "audio/flac"
        assert server.signed == {"an-id"}
        stored = await bucket.open(NAME)
        assert stored is not None
        assert (stored.size, stored.finished) == (size, True)
        for begin, end in ((0, None), (0, 1), (500, 900), (size - 3, size + 100)):
            assert b"".join([one async for one in stored.read(begin, end)]) == whole[begin:end]
        await bucket.delete([NAME, NAME])
        assert not server.objects
        assert await bucket.open(NAME) is None
        with pytest.raises(StoreError, match="deleted"):
            async for _ in stored.read():
                pass


async def test_a_bucket_needs_no_prefix(tmp_path: Path) -> None:
    async with s3_server() as server:
        await asyncio.to_thread(bucket_of(server, "").put, NAME, a_file(tmp_path, 10))
        assert set(server.objects) == {f"calls/{NAME}"}


async def test_a_store_that_refuses_is_reported_without_its_secrets(tmp_path: Path) -> None:
    async with s3_server() as server:
        server.broken = 403
        bucket = bucket_of(server)
        with pytest.raises(StoreError, match="recordings: ") as raised:
            await asyncio.to_thread(bucket.put, NAME, a_file(tmp_path, 10))
        assert "a-secret" not in str(raised.value)
        for work in (bucket.open(NAME), bucket.delete([NAME]), bucket.read(NAME, 0, 5)):
            with pytest.raises(StoreError, match="recordings: "):
                await work
        with pytest.raises(StoreError):
            await asyncio.to_thread(bucket.delete_now, NAME)


async def test_the_keys_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-outside")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    async with s3_server() as server:
        bucket = Bucket(S3Place("calls", "", server.url))
        await asyncio.to_thread(bucket.put, NAME, a_file(tmp_path, 10))
        assert server.signed == {"from-outside"}


def test_without_the_library_the_operator_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(SettingsError, match=r"avr-sts-speechmatics\[s3\]"):
        Bucket(S3Place("calls"))
