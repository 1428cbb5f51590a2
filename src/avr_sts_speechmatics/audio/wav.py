"""Sound files: reading speech for a call, writing the recording of a call.

`read_speech` converts WAV files (16-bit PCM, 4 kHz or more, mono or stereo) and headerless files
(s16le mono at 8 kHz, such as Asterisk's .sln) to the format of a call: s16le mono at 8 kHz. It
works on whole files, with a long filter and no state. `resample.Resampler` resamples live audio.

Compressed files, and files with 8- or 24-bit or floating point samples, are rejected; the error
contains the command that converts the file. `riff` reads the container.
"""

import math
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from avr_sts_speechmatics.audio import riff

RATE = 8000
"""Sample rate of a call (Hz)."""

RAW_SUFFIXES = {".raw", ".sln", ".pcm"}
"""File name suffixes of headerless s16le samples at 8 kHz."""

# Zero crossings of the sinc on each side. With the Kaiser window below, frequencies above 4.0 kHz
# are attenuated by more than 70 dB, and the telephone band below 3.4 kHz is unchanged.
_CROSSINGS = 48
_KAISER_BETA = 7.5
# Middle of the transition band, as a fraction of the lower Nyquist frequency; the band ends at 1.
_CUTOFF = 0.95
_BLOCK = 4096

Samples = npt.NDArray[np.float64]


class AudioFileError(Exception):
    """A sound file cannot be used. The text is one sentence that tells the operator what to do."""


def read_speech(path: Path) -> bytes:
    """Read a file as s16le mono PCM at 8 kHz.

    Two channels are averaged. Raises AudioFileError if the file is missing, empty or of an
    unsupported format.
    """
    try:
        pcm = _read_raw(path) if path.suffix.lower() in RAW_SUFFIXES else _read_wav(path)
    except OSError as error:
        raise AudioFileError(f"{path}: {error.strerror or error}; check the file name.") from error
    if not pcm:
        raise AudioFileError(f"{path}: the file holds no sound; give one with speech in it.")
    return pcm


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Write two tracks as one stereo WAV. The shorter track is filled with silence.

    path: the file to write.
    left: s16le mono at 8 kHz.
    right: s16le mono at 8 kHz.

    Raises AudioFileError if the file cannot be written.
    """
    samples = np.zeros((max(len(left), len(right)) // 2, 2), dtype="<i2")
    for channel, track in enumerate((left, right)):
        samples[: len(track) // 2, channel] = np.frombuffer(track, dtype="<i2")
    try:
        with path.open("wb") as file, wave.open(file, "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.tobytes())
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be written: {error.strerror or error}.") from error


def resample(samples: Samples, rate: int, to_rate: int) -> Samples:
    """Change the rate of a whole recording, without aliases and without delay.

    samples: the recording.
    rate: rate of the recording (Hz).
    to_rate: rate of the result (Hz).

    A windowed sinc is evaluated at the exact time of each output sample. The ratio of the rates is
    a fraction, so only `to_rate / gcd` different sets of weights exist, which are computed once.
    """
    if rate == to_rate or not samples.size:
        return samples
    divisor = math.gcd(rate, to_rate)
    phases, step = to_rate // divisor, rate // divisor
    # The bandwidth to keep (cycles per input sample) determines how far the filter reaches.
    cutoff = _CUTOFF * min(rate, to_rate) / rate
    reach = math.ceil(_CROSSINGS / cutoff)
    offsets = np.arange(-reach + 1, reach + 1)
    distance = offsets[np.newaxis, :] - (np.arange(phases) / phases)[:, np.newaxis]
    inside = np.clip(1 - (distance / reach) ** 2, 0, None)
    weights = cutoff * np.sinc(cutoff * distance) * np.i0(_KAISER_BETA * np.sqrt(inside))
    weights /= weights.sum(axis=1, keepdims=True)

    padded = np.pad(samples, (reach, reach + step))
    count = -(-samples.size * phases // step)
    out = np.empty(count)
    # In blocks: the neighbours of all samples of a long recording would not fit into memory.
    for begin in range(0, count, _BLOCK):
        position = np.arange(begin, min(begin + _BLOCK, count)) * step
        neighbours = padded[(position // phases)[:, np.newaxis] + reach + offsets]
        out[begin : begin + _BLOCK] = (neighbours * weights[position % phases]).sum(axis=1)
    return out


def _read_raw(path: Path) -> bytes:
    pcm = path.read_bytes()
    if len(pcm) % 2:
        raise AudioFileError(
            f"{path}: an odd number of bytes cannot be 16-bit samples; "
            "headerless files must be s16le, mono, 8 kHz."
        )
    return pcm


def _read_wav(path: Path) -> bytes:
    convert = f"convert it with: ffmpeg -i {path} -ar 8000 -ac 1 -c:a pcm_s16le line.wav"
    try:
        found = riff.parse(path.read_bytes())
    except riff.NotWav as error:
        raise AudioFileError(f"{path}: not a 16-bit PCM WAV file: {error}; {convert}") from error
    channels, rate = found.channels, found.rate
    if found.code != riff.PCM or found.bits != 16 or channels not in (1, 2) or rate < 4000:
        form = "" if found.code == riff.PCM else f"{found.format}, "
        raise AudioFileError(
            f"{path}: {form}{channels} channel(s) of {found.bits}-bit samples at {rate} Hz; only "
            f"files with 1 or 2 channels of 16-bit PCM samples can be read; {convert}"
        )
    # A truncated file may end in the middle of a sample.
    pcm = found.samples[: len(found.samples) - len(found.samples) % (2 * channels)]
    samples = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels).mean(axis=1)
    spoken = np.rint(resample(samples, rate, RATE))
    return spoken.clip(-32768, 32767).astype("<i2").tobytes()
