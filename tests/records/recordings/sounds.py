"""Sounds for tests of recordings, and what is left of them in a file."""

import wave
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from avr_sts_speechmatics.audio.pcm import RATE

Samples = NDArray[np.int16]

CLIPS = Path(__file__).parents[2] / "clips"


def decoded(path: Path) -> Samples:
    """Return a recording, caller left, agent right."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == RATE
    assert samples.shape[1] == 2
    found: Samples = samples
    return found


def click(samples: Samples, *, above: int = 15_000) -> int:
    """Return the position of the first loud sample."""
    places = np.flatnonzero(np.abs(samples.astype(np.int32)) > above)
    assert len(places), "nothing is loud"
    return int(places[0])


def clips() -> list[Samples]:
    """The speech in tests/clips, at 8 kHz."""
    found = []
    for path in sorted(CLIPS.glob("*.wav")):
        with wave.open(str(path)) as file:
            step = file.getframerate() // RATE
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        found.append(samples[::step].astype(np.int16))
    return found


def conversation(seconds: int, *, noise: float = 20.0, pause_s: float = 0.8) -> Samples:
    """Caller and agent by turns; the caller's line is never quite silent."""
    random = np.random.default_rng(1)
    sides = np.zeros((seconds * RATE, 2), np.int16)
    speech, at, turn = clips(), RATE // 2, 0
    while at + len(speech[turn % len(speech)]) <= len(sides):
        one = speech[turn % len(speech)]
        sides[at : at + len(one), turn % 2] = one
        at += len(one) + round(pause_s * RATE)
        turn += 1
    heard = sides[:, 0] + random.normal(0, noise, len(sides))
    sides[:, 0] = heard.round().clip(-32768, 32767).astype(np.int16)
    return sides
