"""The microphone: sound of a real program goes into the call, 20 ms at a time."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.phone.simple_agent import sound
from tests.phone.sound_programs import only
from tests.support import until

from avr_sts_speechmatics.phone.connection import CallError
from avr_sts_speechmatics.phone.microphone import Microphone, open_microphone
from avr_sts_speechmatics.phone.tape import FRAME


@pytest.fixture(autouse=True)
def _no_sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)


async def _taken(microphone: Microphone, frames: int) -> bytes:
    taken: list[bytes] = []

    def enough() -> bool:
        if frame := microphone.take():
            taken.append(frame)
        return len(taken) >= frames

    await until(enough)
    assert {len(frame) for frame in taken} == {len(FRAME)}
    return b"".join(taken)


async def test_a_program_gives_frames_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    voice = sound(100)
    (tmp_path / "voice").write_bytes(voice)
    script = f"cat {tmp_path / 'voice'}; exec sleep 60"
    only(monkeypatch, tmp_path / "bin", arecord=script)
    microphone = await open_microphone(lambda line: None)
    assert await _taken(microphone, 5) == voice
    assert microphone.take() == b""
    await microphone.close()


async def test_sound_that_nobody_takes_does_not_delay_what_is_said_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, new = b"\x01\x00" * 40_000, b"\x02\x00" * 160
    (tmp_path / "voice").write_bytes(old + new)
    only(monkeypatch, tmp_path / "bin", arecord=f"cat {tmp_path / 'voice'}")
    told: list[str] = []
    microphone = await open_microphone(told.append)
    await until(lambda: bool(told))
    assert (await _taken(microphone, 16)).endswith(new)
    assert microphone.take() == b""
    await microphone.close()


async def test_a_program_that_ends_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, tmp_path / "bin", rec="echo 'no default device' >&2; exit 2")
    told: list[str] = []
    microphone = await open_microphone(told.append)
    await until(lambda: bool(told))
    assert microphone.take() == b""
    await microphone.close()
    assert told == ["(no microphone: rec has ended: no default device)"]


async def test_without_any_program_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, tmp_path)
    with pytest.raises(CallError, match=r"--mic.*sounddevice"):
        await open_microphone(lambda line: None)


SOUNDDEVICE = """
class PortAudioError(Exception): pass
class RawInputStream:
    def __init__(self, samplerate, channels, dtype, callback):
        assert (samplerate, channels, dtype) == (8000, 1, "int16")
        self.callback, self.closed = callback, False
    def start(self):
        RawInputStream.last = self
        {fails}
    def close(self): self.closed = True
"""


async def test_sounddevice_is_used_where_it_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sounddevice = _module(monkeypatch, tmp_path, fails="pass")
    only(monkeypatch, tmp_path / "bin")
    microphone = await open_microphone(lambda line: None)
    stream = sounddevice.RawInputStream.last
    stream.callback(memoryview(sound(40)), 320, None, None)
    assert await _taken(microphone, 2) == sound(40)
    await microphone.close()
    assert stream.closed


async def test_a_program_records_where_sounddevice_finds_no_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _module(monkeypatch, tmp_path, fails="raise PortAudioError")
    (tmp_path / "voice").write_bytes(sound(20))
    only(monkeypatch, tmp_path / "bin", rec=f"cat {tmp_path / 'voice'}; exec sleep 60")
    microphone = await open_microphone(lambda line: None)
    assert await _taken(microphone, 1) == sound(20)
    await microphone.close()


def _module(monkeypatch: pytest.MonkeyPatch, folder: Path, *, fails: str) -> Any:
    (folder / "sounddevice.py").write_text(SOUNDDEVICE.replace("{fails}", fails))
    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.syspath_prepend(folder)
    import sounddevice

    return sounddevice
