"""Recordings by HTTP: whole, in ranges, and what there is to say if there is none."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.console.kept import (
    Kept,
    StoredBytes,
    StoredRecordings,
    call_row,
    kept_calls,
    key_of,
)

from avr_sts_speechmatics.console.errors import Refused
from avr_sts_speechmatics.console.recording_api import range_of
from avr_sts_speechmatics.errors import StoreError

NAME = "2026/11/30/one.flac"
CONTENT = bytes(range(256)) * 40
PATH = f"/api/v1/calls/{key_of(1)}/recording"


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    recordings = StoredRecordings()
    recordings.content[NAME] = StoredBytes(CONTENT)
    async with kept_calls(tmp_path, recordings=recordings) as kept:
        await kept.add(call_row(1, recording=NAME), call_row(2), call_row(3, recording="gone.flac"))
        yield kept
        assert recordings.content[NAME].closed


async def test_a_recording_is_played_whole(kept: Kept) -> None:
    response = await kept.port.ask(PATH)
    assert (response.status, response.content) == (200, CONTENT)
    assert response.headers["content-type"] == "audio/flac"
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-length"] == str(len(CONTENT))
    assert response.headers["content-disposition"] == 'inline; filename="one.flac"'
    saved = await kept.port.ask(f"{PATH}?download=true")
    assert saved.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, len(CONTENT)),
        ("bytes=-100", len(CONTENT) - 100, len(CONTENT)),
        ("bytes=5000-999999999", 5000, len(CONTENT)),
        ("bytes=-999999999", 0, len(CONTENT)),
        (f"bytes={len(CONTENT) - 1}-", len(CONTENT) - 1, len(CONTENT)),
    ],
)
async def test_a_range_is_sent_alone(kept: Kept, wanted: str, begin: int, end: int) -> None:
    response = await kept.port.ask(PATH, f"Range: {wanted}")
    assert (response.status, response.content) == (206, CONTENT[begin:end])
    assert response.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("wanted", [f"bytes={len(CONTENT)}-", "bytes=-0", "bytes=99999999-"])
async def test_a_range_behind_the_end_is_refused_with_the_size(kept: Kept, wanted: str) -> None:
    response = await kept.port.ask(PATH, f"Range: {wanted}")
    assert response.status == 416
    assert response.headers["content-range"] == f"bytes */{len(CONTENT)}"
    await kept.port.ask(PATH)


@pytest.mark.parametrize(
    "wanted", ["bytes=5-3", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "0-5", ""]
)
async def test_a_range_that_is_not_understood_is_ignored(kept: Kept, wanted: str) -> None:
    response = await kept.port.ask(PATH, f"Range: {wanted}")
    assert (response.status, len(response.content)) == (200, len(CONTENT))


async def test_head_has_the_headers_and_no_content(kept: Kept) -> None:
    whole = await kept.port.ask(PATH, method="HEAD")
    assert (whole.status, whole.content) == (200, b"")
    assert whole.headers["content-length"] == str(len(CONTENT))
    part = await kept.port.ask(PATH, "Range: bytes=0-9", method="HEAD")
    assert (part.status, part.headers["content-length"]) == (206, "10")


async def test_a_range_of_another_version_is_the_whole(kept: Kept) -> None:
    tag = (await kept.port.ask(PATH)).headers["etag"]
    for given_tag, status in ((tag, 206), ('"another"', 200), (f"W/{tag}", 200)):
        response = await kept.port.ask(PATH, "Range: bytes=0-9", f"If-Range: {given_tag}")
        assert response.status == status
    assert (await kept.port.ask(PATH, f"If-None-Match: {tag}")).status == 304


async def test_the_recording_of_a_running_call_has_no_lasting_version(
    kept: Kept, tmp_path: Path
) -> None:
    await kept.port.ask(PATH)
    folder = tmp_path / "running"
    folder.mkdir()
    recordings = StoredRecordings()
    recordings.content[NAME] = StoredBytes(CONTENT, finished=False)
    async with kept_calls(folder, recordings=recordings) as running:
        await running.add(call_row(1, recording=NAME))
        tag = (await running.port.ask(PATH)).headers["etag"]
        assert tag.startswith("W/")
        part = await running.port.ask(PATH, "Range: bytes=0-9", f"If-Range: {tag}")
        assert part.status == 200


async def test_what_is_not_there_says_why(kept: Kept) -> None:
    await kept.port.ask(PATH)
    for number, says in ((2, "was not recorded"), (3, "not there any more"), (4, "such a call")):
        response = await kept.port.ask(f"/api/v1/calls/{key_of(number)}/recording")
        assert response.status == 404
        assert says in response.error


async def test_a_recording_that_breaks_off_is_not_taken_for_the_whole(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaking(
        self: object, begin: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        yield CONTENT[:1000]
        raise StoreError("recordings: the bucket is gone")

    monkeypatch.setattr(StoredBytes, "read", breaking)
    response = await kept.port.ask(PATH)
    assert len(response.content) < int(response.headers["content-length"])


@given(st.text(alphabet="bytes=0123456789-, \t", max_size=40), st.integers(0, 10**6))
def test_a_range_is_always_within_the_recording(header: str, size: int) -> None:
    with suppress(Refused):
        found = range_of(header, size)
        assert found is None or 0 <= found[0] < found[1] <= size
