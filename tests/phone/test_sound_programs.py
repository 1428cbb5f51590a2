"""Which program plays and records."""

from pathlib import Path

import pytest
from tests.phone.sound_programs import only

from avr_sts_speechmatics.phone.sound_programs import (
    PLAYERS,
    RECORDERS,
    how_to_play,
    installed,
)


def test_the_first_program_that_is_there_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, tmp_path, play="", aplay="", rec="")
    player, recorder = installed(PLAYERS), installed(RECORDERS)
    assert player is not None
    assert recorder is not None
    assert (player[0], recorder[0]) == ("aplay", "rec")
    assert how_to_play(Path("call.wav")) == "aplay call.wav"


def test_without_any_program_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only(monkeypatch, tmp_path)
    assert installed(PLAYERS) is None
    assert how_to_play(Path("call.wav")) == ""


def test_every_program_is_told_the_same_form_of_sound() -> None:
    for command in (*PLAYERS, *RECORDERS):
        text = " ".join(command)
        assert "8000" in text
        assert "raw" in text
        assert "16" in text
