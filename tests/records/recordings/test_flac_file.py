"""The file: its size, its quality, and what is left of it when the process or the disk ends."""

import errno
import fcntl
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tests.records.recordings.sounds import Samples, conversation, decoded

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.records.recordings.flac_file import BLOCK, FlacFile, coarsen, encoder


def write(file: FlacFile, sound: Samples, blocks: int = 4) -> None:
    step = blocks * BLOCK
    for at in range(0, len(sound), step):
        part = sound[at : at + step]
        file.write(part[:, 0].copy(), part[:, 1].copy())


def noise(seconds: int, level: float) -> Samples:
    found = np.random.default_rng(2).normal(0, level, (seconds * RATE, 2))
    return found.clip(-32768, 32767).astype(np.int16)


def test_both_sides_are_in_the_file_sample_for_sample(tmp_path: Path) -> None:
    sound = conversation(20)
    file = FlacFile(tmp_path / "a" / "call.flac")
    write(file, sound)
    file.close()
    found = decoded(tmp_path / "a" / "call.flac")
    assert found.shape == sound.shape
    # Softer than a 38th of what is said at the same time, in dB: the ratio of G.711.
    for side in (0, 1):
        error = (found[:, side].astype(float) - sound[:, side]).reshape(-1, RATE // 10)
        signal = sound[:, side].astype(float).reshape(-1, RATE // 10)
        loud = (signal**2).mean(axis=1) > 300**2
        ratio = 10 * np.log10((signal[loud] ** 2).mean(axis=1) / (error[loud] ** 2).mean(axis=1))
        assert np.median(ratio) > 35
        assert ratio.min() > 20


@pytest.mark.parametrize(
    ("sound", "most_mb"),
    [
        (conversation(120), 0.45),
        (conversation(120, noise=200), 0.5),
        (noise(120, 8000), 0.5),  # a fax, a jet, music
        (noise(120, 30_000), 0.5),
        (np.zeros((120 * RATE, 2), np.int16), 0.02),
    ],
    ids=["talk", "noisy talk", "noise", "clipped noise", "silence"],
)
def test_a_minute_is_smaller_than_half_a_megabyte(
    sound: Samples, most_mb: float, tmp_path: Path
) -> None:
    file = FlacFile(tmp_path / "call.flac")
    write(file, sound)
    file.close()
    assert (tmp_path / "call.flac").stat().st_size / 2 / 1e6 < most_mb


def test_at_every_moment_the_file_has_the_length_that_its_header_says(tmp_path: Path) -> None:
    path, sound = tmp_path / "call.flac", conversation(5)
    file = FlacFile(path)
    for at in range(0, len(sound) // BLOCK * BLOCK, 2 * BLOCK):
        part = sound[at : at + 2 * BLOCK]
        file.write(part[:, 0].copy(), part[:, 1].copy())
        copy = tmp_path / "copy.flac"
        copy.write_bytes(path.read_bytes())
        found = decoded(copy)
        assert file.samples - BLOCK <= len(found) <= file.samples
        assert np.abs(found - sound[: len(found)].astype(np.int32)).max() < 2000
    file.close()


def test_only_the_owner_can_read_a_recording(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = FlacFile(tmp_path / "2026" / "11" / "call.flac")
    finally:
        os.umask(before)
    file.close()
    assert stat.S_IMODE((tmp_path / "2026" / "11" / "call.flac").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "2026").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "2026" / "11").stat().st_mode) == 0o700


def test_the_file_is_locked_while_it_is_written(tmp_path: Path) -> None:
    file = FlacFile(tmp_path / "call.flac")
    with (tmp_path / "call.flac").open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "call.flac"
    path.write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        FlacFile(path)
    assert path.read_bytes() == b"kept"


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond 40 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
def test_a_disk_that_fills_up_is_reported_with_its_reason(tmp_path: Path) -> None:
    path, sound = tmp_path / "call.flac", conversation(60)
    file = FlacFile(path)
    with pytest.raises(OSError) as raised:
        write(file, sound)
    assert raised.value.errno == errno.EFBIG
    file.close()
    found = decoded(path)
    assert len(found) > 4 * RATE  # what was written before can be played
    assert np.abs(found - sound[: len(found)].astype(np.int32)).max() < 2000


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=40), st.sampled_from([8, 4, 1]))
def test_rounding_never_overflows(values: list[int], detail: int) -> None:
    samples = np.resize(np.array(values, np.int16), 2 * BLOCK)
    sides = np.stack([samples, samples[::-1]])
    found = sides.copy()
    coarsen(found, detail)
    assert np.abs(found.astype(np.int32) - sides).max() <= 4096


def test_what_is_softer_than_the_finest_step_of_a_telephone_is_silence() -> None:
    soft = np.full((2, BLOCK), 3, np.int16)
    coarsen(soft, 8)
    assert not soft.any()


def test_an_encoder_that_cannot_be_loaded_is_a_fault_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert encoder() is soundfile
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(SettingsError, match="HISTORY=recordings"):
        encoder()
