"""The names of recordings, and the directory."""

import fcntl
from pathlib import Path

import numpy as np
import pytest
from tests.records.recordings.sounds import decoded

from avr_sts_speechmatics.records.recordings.flac_file import BLOCK, FlacFile
from avr_sts_speechmatics.records.recordings.place import Folder, is_name, name_of

KEY = "0198c0ffee00" + "a" * 20
NAME = f"2026/11/28/{KEY}.flac"


def test_a_recording_is_named_by_the_day_in_utc_and_the_key() -> None:
    assert name_of(KEY, 1795910399.9) == f"2026/11/28/{KEY}.flac"
    assert name_of(KEY, 1795910400.0) == f"2026/11/29/{KEY}.flac"
    assert is_name(NAME)


@pytest.mark.parametrize(
    "text",
    ["", "../../etc/passwd", f"/{NAME}", f"2026/11/../28/{KEY}.flac", f"{NAME}.part", f"{NAME}\n"],
)
def test_nothing_else_is_a_name(text: str) -> None:
    assert not is_name(text)


def unfinished(folder: Folder, name: str = NAME) -> FlacFile:
    file = FlacFile(folder.part(name))
    loud = np.full(10 * BLOCK, 9000, np.int16)
    file.write(loud, loud)
    return file


def test_a_recording_is_found_while_it_is_written_and_after(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.find(NAME) is None
    file = unfinished(folder)
    assert folder.find(NAME) == folder.part(NAME)
    file.close()
    assert folder.finish(NAME)
    assert folder.find(NAME) == folder.path(NAME)
    assert list(folder.names()) == [NAME]


def test_a_deleted_recording_is_gone_with_its_empty_days(tmp_path: Path) -> None:
    folder, other = Folder(tmp_path), NAME.replace("28", "27")
    for name in (NAME, other):
        unfinished(folder, name).close()
        folder.finish(name)
    assert folder.delete(NAME)
    assert not folder.delete(NAME)
    folder.tidy(NAME)
    assert [path.name for path in (tmp_path / "2026" / "11").iterdir()] == ["27"]
    assert folder.delete(other)
    folder.tidy(other)
    assert not list(tmp_path.iterdir())


def test_a_recording_that_is_deleted_while_it_is_written_stays_deleted(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    file = unfinished(folder)
    assert folder.delete(NAME)
    file.close()
    assert not folder.finish(NAME)
    assert folder.find(NAME) is None


def test_what_a_dead_process_left_is_finished_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    folder, alive, empty = Folder(tmp_path), NAME.replace("28", "27"), NAME.replace("28", "26")
    dead = unfinished(folder)
    fcntl.flock(dead._file, fcntl.LOCK_UN)  # as the kernel does for a killed process
    living = unfinished(folder, alive)
    folder.part(empty).parent.mkdir()
    folder.part(empty).touch()
    (tmp_path / "notes.txt").write_text("not a recording")
    assert folder.finish_abandoned() == 1
    assert list(folder.names()) == [NAME]
    assert folder.part(alive).exists()
    assert (tmp_path / "notes.txt").exists()
    assert len(decoded(folder.path(NAME))) == 9 * BLOCK
    living.close()
    dead.close()
    assert folder.finish_abandoned() == 1


def test_a_directory_that_is_not_there_has_no_recordings(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "none")
    assert folder.finish_abandoned() == 0
    assert list(folder.names()) == []
    assert folder.find(NAME) is None
    assert not folder.delete(NAME)
    folder.tidy(NAME)
