"""Phrases on disk: there at the next start, never wrong, never a reason not to start."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.speech.phrase_store import (
    FRESH_S,
    PhraseStore,
    Shelf,
    Stored,
    default_folder,
)

PCM = bytes(range(256)) * 40
VOICE = ("speechmatics", "https://tts.example", "", "sarah", "en", "8000")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_saved_is_there_for_another_process(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "phrases"
    assert PhraseStore(folder).load("hello") is None
    PhraseStore(folder).save("hello", PCM)
    assert PhraseStore(folder).load("hello") == Stored(PCM, fresh=True)
    assert PhraseStore(folder).load("hallo") is None


def test_neither_names_nor_contents_show_a_text(tmp_path: Path) -> None:
    Shelf(PhraseStore(tmp_path), *VOICE).save("Welcome to Miller's.", PCM)
    (path,) = files(tmp_path)
    assert b"Miller" not in path.name.encode() + path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("part", range(len(VOICE)))
def test_everything_that_changes_the_sound_counts(tmp_path: Path, part: int) -> None:
    Shelf(PhraseStore(tmp_path), *VOICE).save("Hello.", PCM)
    other = [*VOICE[:part], VOICE[part] + "2", *VOICE[part + 1 :]]
    assert Shelf(PhraseStore(tmp_path), *other).load("Hello.") is None
    assert Shelf(PhraseStore(tmp_path), *VOICE).load("Hello!") is None
    assert Shelf(PhraseStore(tmp_path), *VOICE).load("Hello.") is not None


def test_a_voice_and_a_text_cannot_be_mistaken_for_another_pair(tmp_path: Path) -> None:
    Shelf(PhraseStore(tmp_path), "a", "bc").save("d", PCM)
    assert Shelf(PhraseStore(tmp_path), "ab", "c").load("d") is None


@given(
    cut=st.integers(0, 300),
    at=st.integers(0, 299),
    bit=st.integers(0, 7),
    how=st.sampled_from(["cut", "flip", "replace"]),
)
def test_a_damaged_file_is_missing_and_is_written_anew(
    tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, bit: int, how: str
) -> None:
    folder = tmp_path_factory.mktemp("phrases")
    store, pcm = PhraseStore(folder), PCM[: 300 - 29]
    store.save("hello", pcm)
    (path,) = files(folder)
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: min(cut, len(content) - 1)]
    elif how == "flip":
        content[at] ^= 1 << bit
    else:
        content = bytearray(b"garbage" * cut)
    path.write_bytes(content)
    assert store.load("hello") is None
    store.save("hello", pcm)
    assert store.load("hello") == Stored(pcm, fresh=True)


def test_an_old_phrase_is_there_and_should_be_renewed(tmp_path: Path) -> None:
    made = time.time()
    PhraseStore(tmp_path, clock=lambda: made).save("hello", PCM)
    later = PhraseStore(tmp_path, clock=lambda: made + FRESH_S + 10)
    assert later.load("hello") == Stored(PCM, fresh=False)
    later.save("hello", PCM)
    assert later.load("hello") == Stored(PCM, fresh=True)


def test_the_folder_is_bounded_and_loses_what_was_not_used_for_longest(tmp_path: Path) -> None:
    store = PhraseStore(tmp_path, limit_bytes=4 * (len(PCM) + 100))
    for name in "abcd":
        store.save(name, PCM)
    for age, path in enumerate(files(tmp_path)):
        os.utime(path, (1000 + age, 1000 + age))
    assert store.load("a") is not None  # used now
    store.save("e", PCM)
    left = [name for name in "abcde" if store.load(name) is not None]
    assert len(left) == 4
    assert {"a", "e"} <= set(left)


def test_what_a_killed_process_left_behind_is_removed(tmp_path: Path) -> None:
    old, new, foreign = tmp_path / ".x.tmp", tmp_path / ".y.tmp", tmp_path / "notes.txt"
    for path in (old, new, foreign):
        path.write_bytes(b"")
    os.utime(old, (1000, 1000))
    os.utime(foreign, (1000, 1000))
    PhraseStore(tmp_path).save("hello", PCM)
    assert (old.exists(), new.exists(), foreign.exists()) == (False, True, True)


def test_a_folder_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    not_a_folder = tmp_path / "file"
    not_a_folder.write_bytes(b"")
    store = PhraseStore(not_a_folder / "phrases")
    for _ in range(3):
        store.save("hello", PCM)
        assert store.load("hello") is None
    (line,) = [record.getMessage() for record in caplog.records]
    assert "phrases cannot be kept in" in line
    assert "PHRASE_CACHE_DIR" in line


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_costs_one_warning_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = PhraseStore(tmp_path)
    store.save("old", PCM)
    opened = os.fdopen

    def full(descriptor: int, mode: str) -> object:
        os.close(descriptor)
        return opened(os.open("/dev/full", os.O_WRONLY), mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", full)
        store.save("new", PCM)
        store.save("old", PCM[::-1])
    assert store.load("new") is None
    assert store.load("old") == Stored(PCM, fresh=True)
    assert len(files(tmp_path)) == 1
    assert "no space left on device" in caplog.text


def test_processes_that_write_at_the_same_time_leave_whole_files(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from avr_sts_speechmatics.speech.phrase_store import PhraseStore;"
        "store = PhraseStore(Path(sys.argv[1]), limit_bytes=50_000);"
        "[store.save(str(n % 7), bytes([int(sys.argv[2])]) * 10_000) for n in range(60)]"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(number)])
        for number in range(1, 4)
    ]
    store = PhraseStore(tmp_path)
    while any(writer.poll() is None for writer in writers):
        for name in range(7):
            stored = store.load(str(name))
            assert stored is None or stored.pcm in (b"\1" * 10_000, b"\2" * 10_000, b"\3" * 10_000)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert {path.suffix for path in files(tmp_path)} == {".phrase"}


@pytest.mark.parametrize("pcm", [bytes(40_000), b"\1\0" * 20], ids=["silence", "a click"])
def test_what_cannot_be_the_speech_of_a_text_is_not_kept(tmp_path: Path, pcm: bytes) -> None:
    Shelf(PhraseStore(tmp_path), *VOICE).save("One moment, please.", pcm)
    assert files(tmp_path) == []


def test_the_default_is_in_the_cache_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/avr")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_folder() == Path("/home/avr/.cache/avr-sts-speechmatics/phrases")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert default_folder() == Path("/var/cache/avr-sts-speechmatics/phrases")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() is None
