"""The file of a recording: FLAC, stereo at 8 kHz, playable at every moment.

FLAC is used because the encoder costs little: telephone audio that is coded without loss takes a
tenth of the CPU of Vorbis and a fiftieth of that of Opus. Its size would be 0.4 to 0.7 MB a minute.
So each block of each side is coarsened first, as G.711 does: the steps are finer than those of
G.711 where the sound is soft and grow with the sound, at a signal-to-noise ratio of about 38 dB.
FLAC stores samples with common zero bits without these bits. [RFC 9639, 9.2.2]

A steady loud noise would still be larger than the budget. The steps then grow further, until the
file is within the budget again.

The encoder writes each block when the block is full. After each write the header is corrected to
the samples that are in the file, so that a process that is killed leaves a file whose length is
known.
"""

import fcntl
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.errors import SettingsError

BLOCK = 1152
"""Samples of a block of the encoder, on each side."""

BUDGET_BYTES = 7500
"""Most bytes for a second, on average: 0.45 MB a minute."""

CREDIT_BYTES = 30_000
"""Bytes beyond the budget that are allowed before the steps grow."""

DETAIL = 8
"""Steps within the mean difference of two neighbouring samples."""

FINEST = 8
"""Smallest step, that of G.711 mu-law around silence."""

_COARSEST = 4096

_SAMPLE = np.dtype("<i2")


class FlacFile:
    """A new file. The methods belong to one thread and raise OSError.

    path: must not exist; its directories are made. Only the owner can read the file.

    The file is locked while it is written: a lock of this kind ends with the process.
    """

    def __init__(self, path: Path) -> None:
        self._file = _new_file(path)
        self._detail = DETAIL
        self.samples = 0
        """Samples written so far, on each side."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sound: Any = encoder().SoundFile(
                self._file,
                "w",
                RATE,
                2,
                format="FLAC",
                subtype="PCM_16",
                compression_level=0.0,
                closefd=False,
            )
        except BaseException as error:
            why = self._why(error)
            os.close(self._file)
            raise why from error

    def write(self, caller: NDArray[np.int16], agent: NDArray[np.int16]) -> None:
        """Add samples. Except for the last time, a whole number of blocks.

        caller: left side.
        agent: right side, of the same length.
        """
        count = len(caller)
        sides = np.zeros((2, count + -count % BLOCK), np.int16)
        sides[0, :count], sides[1, :count] = caller, agent
        coarsen(sides, self._detail)
        try:
            self._sound.write(np.ascontiguousarray(sides[:, :count].T))
        except (RuntimeError, OSError) as error:  # soundfile's errors are RuntimeErrors
            raise self._why(error) from error
        self.samples += count
        self._count(max(0, self.samples - 1) // BLOCK * BLOCK)
        self._keep_to_budget()

    def close(self) -> None:
        """Write the rest and close the file."""
        try:
            self._sound.close()
        except (RuntimeError, OSError) as error:
            raise self._why(error) from error
        finally:
            os.close(self._file)

    def _count(self, samples: int) -> None:
        """Correct the number of samples in the header. [RFC 9639, 8.2]"""
        facts = RATE << 44 | (2 - 1) << 41 | (16 - 1) << 36 | samples
        os.pwrite(self._file, facts.to_bytes(8, "big"), 18)

    def _keep_to_budget(self) -> None:
        size = os.lseek(self._file, 0, os.SEEK_CUR)
        if size > self.samples * BUDGET_BYTES // RATE + CREDIT_BYTES:
            self._detail = max(1, self._detail // 2)
        elif self._detail < DETAIL:
            self._detail *= 2

    def _why(self, error: BaseException) -> OSError:
        """Return the system's reason for a failed write, which libsndfile does not know."""
        if isinstance(error, OSError):
            return error
        try:
            size = os.fstat(self._file).st_size
            os.posix_fallocate(self._file, size, 1)
            os.ftruncate(self._file, size)
        except OSError as found:
            return found
        return OSError(str(error))


def encoder() -> Any:
    """Return the module `soundfile`, loaded where recordings are made. Raises SettingsError."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise SettingsError(f"HISTORY=recordings: the encoder cannot be loaded: {error}") from error
    return soundfile


def _new_file(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for folder in reversed(path.parents):
        folder.mkdir(exist_ok=True, mode=0o700)
    return os.open(path, flags, 0o600)


def coarsen(sides: NDArray[np.int16], detail: int) -> None:
    """Round each block of each side to a step that fits the block, in place.

    sides: a row for each side, of a whole number of blocks.
    detail: see DETAIL.
    """
    blocks = sides.reshape(2, -1, BLOCK)
    # Every second pair of neighbours is enough for a mean.
    changes = np.subtract(blocks[:, :, 1::2], blocks[:, :, ::2], dtype=np.int32)
    np.abs(changes, out=changes)
    mean = np.add.reduce(changes, axis=2, dtype=np.int32) * (2 / BLOCK / detail)
    np.minimum(np.maximum(mean, FINEST, out=mean), _COARSEST, out=mean)
    exponent = np.frexp(mean)[1] - 1  # of the power of two below
    step = np.left_shift(1, exponent).astype(np.int16)[:, :, None]
    half = step >> 1
    np.minimum(blocks, 32767 - half, out=blocks)
    blocks += half
    blocks &= -step
