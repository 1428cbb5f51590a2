"""The loudspeaker: what the agent says leaves for a real program at the speed of sound."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.phone.simple_agent import sound
from tests.phone.sound_programs import only
from tests.support import until

from avr_sts_speechmatics.phone.connection import CallError
from avr_sts_speechmatics.phone.loudspeaker import open_loudspeaker


@pytest.fixture(autouse=True)
def _no_sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def test_a_program_gets_the_agents_voice_with_silence_around_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = tmp_path / "played"
    only(monkeypatch, tmp_path / "bin", aplay=f"cat >{played}")
    told: list[str] = []
    loudspeaker = await open_loudspeaker(told.append)
    voice = sound(200)
    loudspeaker.play(voice)
    await until(lambda: _size(played) > len(voice) + 1600)
    await loudspeaker.close()
    heard = played.read_bytes()
    assert voice in heard
    assert set(heard.replace(voice, b"")) <= {0}
    assert told == []


async def test_sound_leaves_no_faster_than_it_is_heard_and_what_waits_can_be_dropped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = tmp_path / "played"
    only(monkeypatch, tmp_path / "bin", aplay=f"cat >{played}")
    loudspeaker = await open_loudspeaker(lambda line: None)
    began = time.perf_counter()
    loudspeaker.play(b"\x01\x01" * 8000 * 60)
    await until(lambda: b"\x01" in (played.read_bytes() if played.exists() else b""))
    loudspeaker.drop()
    dropped = time.perf_counter()
    size = played.read_bytes().count(b"\x01")
    assert size <= 16_000 * (dropped - began + 0.2)
    await until(lambda: _size(played) > size + 8000)
    await loudspeaker.close()
    # What was on its way at that moment may still be played.
    assert played.read_bytes().count(b"\x01") <= size + 3200


async def test_a_program_without_a_device_is_told_once_and_the_call_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, tmp_path / "bin", aplay="echo 'cannot find card 0' >&2; exit 1")
    told: list[str] = []
    loudspeaker = await open_loudspeaker(told.append)
    await until(lambda: bool(told))
    loudspeaker.play(sound(200))
    await loudspeaker.close()
    assert told == ["(no sound: aplay has ended: cannot find card 0)"]


async def test_a_program_that_reads_nothing_delays_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, tmp_path / "bin", aplay="exec sleep 60")
    loudspeaker = await open_loudspeaker(lambda line: None)
    loudspeaker.play(sound(20_000))
    began = time.perf_counter()
    await asyncio.sleep(0.1)
    await loudspeaker.close()
    assert time.perf_counter() - began < 10


async def test_without_any_program_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, tmp_path)
    with pytest.raises(CallError, match=r"--listen.*alsa-utils"):
        await open_loudspeaker(lambda line: None)


SOUNDDEVICE = """
class PortAudioError(Exception): pass
class RawOutputStream:
    def __init__(self, samplerate, channels, dtype, callback):
        assert (samplerate, channels, dtype) == (8000, 1, "int16")
        self.callback, self.closed = callback, False
    def start(self):
        RawOutputStream.last = self
        {fails}
    def close(self): self.closed = True
"""


async def test_sounddevice_is_used_where_it_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sounddevice = _module(monkeypatch, tmp_path, fails="pass")
    only(monkeypatch, tmp_path / "bin")
    loudspeaker = await open_loudspeaker(lambda line: None)
    stream = sounddevice.RawOutputStream.last
    loudspeaker.play(b"\x01\x01" * 3)
    out = bytearray(8)
    stream.callback(memoryview(out), 4, None, None)
    assert bytes(out) == b"\x01" * 6 + bytes(2)
    loudspeaker.play(b"\x01\x01" * 3)
    loudspeaker.drop()
    stream.callback(memoryview(out), 4, None, None)
    assert bytes(out) == bytes(8)
    await loudspeaker.close()
    assert stream.closed


async def test_a_program_plays_where_sounddevice_finds_no_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _module(monkeypatch, tmp_path, fails="raise PortAudioError")
    only(monkeypatch, tmp_path / "bin", play=f"cat >{tmp_path / 'played'}")
    loudspeaker = await open_loudspeaker(lambda line: None)
    await until(lambda: _size(tmp_path / "played") > 0)
    await loudspeaker.close()


def _module(monkeypatch: pytest.MonkeyPatch, folder: Path, *, fails: str) -> Any:
    (folder / "sounddevice.py").write_text(SOUNDDEVICE.replace("{fails}", fails))
    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.syspath_prepend(folder)
    import sounddevice

    return sounddevice
