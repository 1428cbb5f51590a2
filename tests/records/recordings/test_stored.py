"""A recording that is read while other things happen to it."""

from pathlib import Path

from avr_sts_speechmatics.records.recordings.stored import CHUNK_BYTES, LocalRecording


async def test_a_recording_is_read_in_pieces_although_it_is_renamed_and_deleted(
    tmp_path: Path,
) -> None:
    path, sound = tmp_path / "a.flac.part", bytes(range(256)) * 1000
    path.write_bytes(sound)
    with LocalRecording(path, finished=False) as stored:
        path.rename(tmp_path / "a.flac").unlink()
        pieces = [piece async for piece in stored.read()]
        assert b"".join(pieces) == sound
        assert max(map(len, pieces)) <= CHUNK_BYTES
        assert b"".join([piece async for piece in stored.read(5, 9)]) == sound[5:9]
        assert [piece async for piece in stored.read(len(sound))] == []


async def test_what_is_written_meanwhile_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.flac.part"
    path.write_bytes(b"begin")
    with LocalRecording(path, finished=False) as stored, path.open("ab") as more:
        more.write(b" and more")
        more.flush()
        assert stored.size == 5
        assert b"".join([piece async for piece in stored.read()]) == b"begin"
        more.truncate(0)
        assert [piece async for piece in stored.read()] == []
