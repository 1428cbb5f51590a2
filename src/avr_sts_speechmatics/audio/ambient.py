"""Ambience: background noise of a room under the agent's voice and in its pauses.

A line that is completely silent between two sentences sounds disconnected. A recording of a room,
read once for the process, runs through each call: alone in pauses, added to the agent's speech
otherwise. The recording is a loop: its last SEAM_S are mixed into its first SEAM_S, so that the
repetition cannot be heard. Each call begins at another place in the loop, so that two calls do not
hear the same cough at the same time.

The caller's audio is not changed. This module makes the frames; the playout decides when a frame
is sent.
"""

import math
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avr_sts_speechmatics.audio import wav
from avr_sts_speechmatics.audio.pcm import FRAME_BYTES, FRAME_SAMPLES, RATE, silence

LOOP_MIN_S = 1.0
"""Shortest recording that is accepted (s): a shorter loop would be heard as a rhythm."""

SEAM_S = 0.1
"""Length of the cross-fade from the end of the recording into its beginning (s)."""

_SILENCE = silence(FRAME_SAMPLES / RATE)
_SAMPLE = np.dtype("<i2")


def quiet(speech: bytes | None) -> bytes:
    """Return a frame of a call without ambience: the speech unchanged, or silence in a pause."""
    return _SILENCE if speech is None else speech


class Ambience:
    """A recording of a room, for all calls of the process.

    recording: s16le mono at 8 kHz.
    level: factor for the samples of the recording.

    Raises ValueError if the recording is too short.
    """

    def __init__(self, recording: bytes, level: float) -> None:
        samples = np.frombuffer(recording, "<i2").astype(np.float32) * level
        if len(samples) < LOOP_MIN_S * RATE:
            raise ValueError(
                f"{len(samples) / RATE:.2f} s are too short for a background; "
                f"give a recording of {LOOP_MIN_S:.0f} s or more."
            )
        loop = np.rint(_without_seam(samples)).clip(-32768, 32767).astype("<i2")
        self._length = len(loop)
        # One frame of the beginning is repeated after the end, so that every frame is one slice.
        room = np.concatenate((loop, loop[:FRAME_SAMPLES]))
        self._tape = _Tape(
            room.tobytes(), room, -32768 - np.minimum(room, 0), 32767 - np.maximum(room, 0)
        )

    @classmethod
    def load(cls, path: Path, level: float) -> "Ambience":
        """Read a WAV file of 4 kHz or more, or headerless s16le samples at 8 kHz, mono.

        path: the file.
        level: factor for the samples of the recording.

        Raises ValueError with a sentence for the operator who named the file.
        """
        try:
            with path.open("rb") as file:
                is_wav = file.read(4) == b"RIFF"
            if is_wav and path.suffix.lower() in wav.RAW_SUFFIXES:
                raise ValueError(f"{path}: a WAV file by another name; call it .wav.")
            recording = wav.read_speech(path) if is_wav else path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror or error}; check the file name.") from error
        except wav.AudioFileError as error:
            raise ValueError(str(error)) from error
        if len(recording) % 2:
            raise ValueError(
                f"{path}: neither a WAV file nor whole 16-bit samples (s16le, mono, 8 kHz)."
            )
        try:
            return cls(recording, level)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def background(self) -> "Background":
        """Return the background of one call, which begins at a random place in the loop."""
        return Background(self._tape, self._length, random.randrange(self._length))


class _Tape(NamedTuple):
    """The loop, with the limits that keep the sum of speech and room within 16 bits.

    alone: the loop as s16le bytes, sent in pauses.
    room: the samples of the loop.
    lowest: smallest speech sample, at each place, whose sum with the room fits into 16 bits.
    highest: largest speech sample, at each place, whose sum with the room fits into 16 bits.
    """

    alone: bytes
    room: NDArray[np.int16]
    lowest: NDArray[np.int16]
    highest: NDArray[np.int16]


class Background:
    """The room in one call. Called for each frame in turn, with its speech or with None."""

    __slots__ = ("_at", "_length", "_tape")

    def __init__(self, tape: _Tape, length: int, at: int) -> None:
        self._tape = tape
        self._length = length
        self._at = at

    def __call__(self, speech: bytes | None) -> bytes:
        tape, at = self._tape, self._at
        self._at = (at + FRAME_SAMPLES) % self._length
        if speech is None:
            return tape.alone[2 * at : 2 * at + FRAME_BYTES]
        end = at + FRAME_SAMPLES
        # Speech is clipped to the range that the room leaves within 16 bits, then added. So the
        # sum saturates without wider samples, which would take twice as long.
        limited = np.maximum(np.frombuffer(speech, _SAMPLE), tape.lowest[at:end])
        np.minimum(limited, tape.highest[at:end], out=limited)
        limited += tape.room[at:end]
        frame: bytes = limited.tobytes()
        return frame


def _without_seam(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a loop of the samples, with the end faded into the beginning and cut off."""
    seam = round(SEAM_S * RATE)
    angle = np.linspace(0, math.pi / 2, seam, dtype=np.float32)
    # A fade of equal power, not of equal sum: the two ends of a noise are uncorrelated, so half of
    # each would be heard as a dip.
    joined = samples[-seam:] * np.cos(angle) + samples[:seam] * np.sin(angle)
    return np.concatenate((joined, samples[seam:-seam]))
