"""Programs that play and record sound on this machine, fed with raw samples over a pipe.

All of them take and give s16le mono at 8 kHz without a header. The first one that is installed is
used. `sounddevice` is tried before them, see `loudspeaker` and `microphone`.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

RATE = 8000

PLAYERS: Sequence[Sequence[str]] = (
    ("pacat", "--playback", "--raw", "--format=s16le", "--rate=8000", "--channels=1"),
    ("aplay", "-q", "-t", "raw", "-f", "S16_LE", "-r", "8000", "-c", "1", "-"),
    ("play", "-q", "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"),
)
"""PulseAudio's and PipeWire's, ALSA's, and SoX's player."""

RECORDERS: Sequence[Sequence[str]] = (
    ("parec", "--raw", "--format=s16le", "--rate=8000", "--channels=1"),
    ("arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "8000", "-c", "1", "-"),
    ("rec", "-q", "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"),
)

_FILE_PLAYERS = ("paplay", "aplay", "afplay", "play", "ffplay", "mpv", "vlc")

INSTALL = "pip install sounddevice, or install pulseaudio-utils, alsa-utils or sox"


def installed(programs: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """Return the first command whose program is installed, or None."""
    return next((command for command in programs if shutil.which(command[0])), None)


def how_to_play(path: Path) -> str:
    """Return a command that plays a file on this machine; empty if no player is installed."""
    player = next(filter(shutil.which, _FILE_PLAYERS), None)
    return "" if player is None else f"{player} {path}"
