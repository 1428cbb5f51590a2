"""The agent's synthetic voice: a sound computed from the text, and the check of the sound heard.

Each sentence is three gliding tones, chosen by its words from three banks that are computed once: a
load of hundreds of calls has no time to compute sines. The phase is continuous through the whole
sentence, so every missing, repeated or foreign sample is detected: the samples after it no longer
match. The tones stay below 3 kHz, so a service can resample them without loss. The check tolerates
filters of any length and sentences that are padded to whole frames.
"""

import random
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bench.codewords import letters

LINE_RATE = 8000
"""Sample rate of the caller's line, Hz."""

SECONDS_PER_CHARACTER = 0.065
"""About the speed of human speech, so that turns are as far apart as on a real line."""

_TONES = 3
# Tones to choose from for each of the three: 32768 different sounds.
_CHOICES = 32
_AMPLITUDE = 3000
# Frequencies are between 500 - 350 and 2500 + 350 Hz. A glide there and back takes a few seconds.
_LOWEST, _HIGHEST, _GLIDE = 500.0, 2500.0, 350.0
_GLIDE_SECONDS = (3.0, 7.0)
# Length of the sounds in the banks (s); doubled for a text that is longer.
_BANK_SECONDS = 8.0

# Samples at both ends of a sentence that the service's filter changes; they are not compared.
_EDGE = 80
_WINDOW = 160
_ANCHOR = 640
# Latest start of a sentence, in samples after the sentence before. The first value covers the
# delay of a filter and a padded frame, the second a pause.
_LATEST = (400, 3200)
# A filter's delay may be a fraction of a sample: the search has steps of a quarter.
_SHIFTS = np.arange(4) / 4
_FITS = 0.9
_SILENT = 600

Samples = npt.NDArray[np.float64]


@lru_cache(maxsize=16)
def _banks(rate: int, shift: float, seconds: float) -> list[list[npt.NDArray[np.int16]]]:
    """The tones to choose from, for each of the three tones of a sound.

    rate: sample rate, Hz.
    shift: delay of the sound, samples.
    seconds: length of each tone, s.
    """
    at = (np.arange(round(seconds * rate)) - shift) / rate
    # The same tones in every process, whatever the rate and the shift.
    dice = random.Random("bench")
    banks: list[list[npt.NDArray[np.int16]]] = []
    for _ in range(_TONES):
        bank = []
        for _ in range(_CHOICES):
            pitch, start = dice.uniform(_LOWEST, _HIGHEST), dice.uniform(0, 2 * np.pi)
            glide = dice.uniform(_GLIDE / 2, _GLIDE)
            speed, begin = 2 * np.pi / dice.uniform(*_GLIDE_SECONDS), dice.uniform(0, 2 * np.pi)
            # The phase needs double precision; the sine in single precision is ten times as fast.
            slow = np.sin((speed * at + begin).astype(np.float32))
            phases = 2 * np.pi * (pitch * at + glide / speed * slow) + start
            phases %= 2 * np.pi
            bank.append(np.rint(_AMPLITUDE * np.sin(phases.astype(np.float32))).astype(np.int16))
        banks.append(bank)
    return banks


def prepare(rate: int) -> None:
    """Compute the banks for a rate (Hz) now, so that the first sound needs no time."""
    _banks(rate, 0.0, _BANK_SECONDS)


def _samples(text: str, rate: int, shift: float) -> npt.NDArray[np.int16]:
    count = round(len(text) * SECONDS_PER_CHARACTER * rate)
    seconds = _BANK_SECONDS
    while seconds * rate < count:
        seconds *= 2
    choice = zlib.crc32(letters(text).encode())
    total = np.zeros(count, dtype=np.int16)
    for bank in _banks(rate, shift, seconds):
        total += bank[choice % _CHOICES][:count]
        choice //= _CHOICES
    return total


def sound(text: str, rate: int, shift: float = 0.0) -> Samples:
    """The sound of a text.

    rate: sample rate, Hz.
    shift: delay of the sound, samples.
    """
    return _samples(text, rate, shift).astype(np.float64)


def length(texts: list[str]) -> float:
    """Length of the sound of the texts (s)."""
    return SECONDS_PER_CHARACTER * sum(map(len, texts))


def pcm(text: str, rate: int) -> bytes:
    """The sound of a text as s16le mono.

    rate: sample rate, Hz.
    """
    return _samples(text, rate, 0.0).astype("<i2", copy=False).tobytes()


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence found in the audio.

    start: its first sample.
    fault: description of the error; empty if the sentence is complete.
    """

    start: int
    fault: str


def compare(heard: bytes, texts: list[str], *, interrupted: bool) -> list[str]:
    """Check an answer.

    heard: the audio that the caller received, s16le at 8 kHz.
    texts: the sentences that the answer must consist of.
    interrupted: the answer may end anywhere, but must be correct up to its end.

    Returns descriptions of the errors; none if the caller heard `texts` and nothing else.
    """
    samples = np.frombuffer(heard, dtype="<i2").astype(np.float64)
    faults: list[str] = []
    position = 0
    for number, text in enumerate(texts, start=1):
        if interrupted and samples.size - position < _EDGE + _ANCHOR + _LATEST[0]:
            # The rest is too short to recognise this sentence.
            return faults
        found = _find(samples, text, position, interrupted)
        if found.fault:
            return [*faults, f"sentence {number}: {found.fault}"]
        faults += _intruder(samples[position + _EDGE : max(0, found.start - _EDGE)], position)
        position = found.start + len(sound(text, LINE_RATE))
    rest = samples[position + _EDGE :]
    # The last frame is padded, and the filter rings a little.
    if rest.size > 2 * _WINDOW:
        faults.append(f"{rest.size / LINE_RATE:.2f} s too long")
    return faults + _intruder(rest, position)


def _intruder(samples: Samples, position: int) -> list[str]:
    loud = np.abs(samples).max(initial=0) > _SILENT
    return [f"sound that is not the agent's at {position / LINE_RATE:.2f} s"] if loud else []


def _find(samples: Samples, text: str, position: int, interrupted: bool) -> Sentence:
    references = [sound(text, LINE_RATE, shift) for shift in _SHIFTS]
    start, reference, fit = 0, references[0], -1.0
    # Two samples of tolerance, because delays are rounded to whole samples.
    begin = max(0, position - 2)
    for latest in _LATEST:
        stretch = samples[begin + _EDGE : begin + _EDGE + latest + _ANCHOR]
        for candidate in references:
            at, score = _best_fit(stretch, candidate[_EDGE : _EDGE + _ANCHOR])
            if score > fit:
                start, reference, fit = begin + at, candidate, score
        if fit >= _FITS:
            break
    if fit < _FITS:
        return Sentence(start, f"not heard at {position / LINE_RATE:.2f} s (similarity {fit:.2f})")
    available = min(samples.size - start, reference.size)
    if available < reference.size - _EDGE and not interrupted:
        missing = (reference.size - available) / LINE_RATE
        return Sentence(start, f"its last {missing:.2f} s are missing")
    windows = (available - 2 * _EDGE) // _WINDOW
    inner = slice(_EDGE, _EDGE + windows * _WINDOW)
    scores = _similarity(
        samples[start:][inner].reshape(-1, _WINDOW), reference[inner].reshape(-1, _WINDOW)
    )
    wrong = np.flatnonzero(scores < _FITS)
    if wrong.size:
        where = (start + _EDGE + wrong[0] * _WINDOW) / LINE_RATE
        return Sentence(start, f"gap, repeat or foreign sound at {where:.2f} s")
    return Sentence(start, "")


def _best_fit(stretch: Samples, anchor: Samples) -> tuple[int, float]:
    """Position of the anchor in a stretch of samples, and its similarity there (at most 1)."""
    if stretch.size < anchor.size:
        return 0, 0.0
    energy = np.concatenate(([0.0], np.cumsum(stretch**2)))
    local = energy[anchor.size :] - energy[: -anchor.size]
    scores = np.correlate(stretch, anchor, mode="valid")
    scores /= np.sqrt(np.maximum(local, 1.0) * (anchor @ anchor))
    best = int(scores.argmax())
    return best, float(scores[best])


def _similarity(heard: Samples, expected: Samples) -> Samples:
    norms = np.sqrt((heard**2).sum(axis=1) * (expected**2).sum(axis=1))
    similarity: Samples = (heard * expected).sum(axis=1) / np.maximum(norms, 1.0)
    return similarity
