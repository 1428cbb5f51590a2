"""The agent's voice: a sound made from the text alone, and the ear that knows it again.

Each sentence is three sweeping tones whose pitches, sweeps and phases come from its words.
Because the phase runs on through the whole sentence, every missing, repeated or foreign
sample shows: whatever follows it no longer fits. The tones stay below 3 kHz, so a service
may (and must) resample them properly; how long its filter is, and whether it pads a sentence
to whole frames, does not matter here.
"""

import random
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.codewords import letters

LINE_RATE = 8000
"""What the caller hears: samples per second."""

SECONDS_PER_CHARACTER = 0.065
"""About as fast as people speak, so that turns are as far apart as on a real line."""

_TONES = 3
_AMPLITUDE = 3000
_LOWEST, _HIGHEST, _SWEEP = 500.0, 2500.0, 350.0

# At its ends a sentence is bent by the service's filter; what is compared lies between.
_EDGE = 80
_WINDOW = 160
_ANCHOR = 640
# How many samples after the sentence before it (or the beginning) a sentence may start: first
# looked for where a filter's delay and the rest of a padded frame put it, then after a breath.
_LATEST = (400, 3200)
# A filter's delay may be a fraction of a sample: looked for in quarters.
_SHIFTS = np.arange(4) / 4
_FITS = 0.9
_SILENT = 600

Samples = npt.NDArray[np.float64]


def sound(text: str, rate: int, shift: float = 0.0) -> Samples:
    """The sound of a text: its samples at `rate`, `shift` samples late."""
    dice = random.Random(zlib.crc32(letters(text).encode()))
    count = round(len(text) * SECONDS_PER_CHARACTER * rate)
    at = (np.arange(count) - shift) / rate
    total = np.zeros(count, dtype=np.float32)
    for _ in range(_TONES):
        pitch = dice.uniform(_LOWEST, _HIGHEST)
        sweep = dice.choice((-1, 1)) * dice.uniform(_SWEEP / 2, _SWEEP) / (count / rate)
        phase = dice.uniform(0, 2 * np.pi)
        # A phase needs all its digits, its sine does not, and is ten times as fast without.
        phases = ((np.pi * sweep) * at + 2 * np.pi * pitch) * at + phase
        total += np.sin(phases.astype(np.float32))
    return (_AMPLITUDE * total).astype(np.float64)


def length(texts: list[str]) -> float:
    """How long it takes to say them (s)."""
    return SECONDS_PER_CHARACTER * sum(map(len, texts))


def pcm(text: str, rate: int) -> bytes:
    """The sound of a text as s16le."""
    return np.rint(sound(text, rate)).astype("<i2").tobytes()


@dataclass(frozen=True, slots=True)
class Sentence:
    """Where a sentence was found: its first sample, and what of it does not fit, in words."""

    start: int
    fault: str


def compare(heard: bytes, texts: list[str], *, interrupted: bool) -> list[str]:
    """What is wrong with an answer, in words: empty when the caller heard `texts` and nothing else.

    heard: s16le at 8 kHz. interrupted: the answer may break off anywhere, but not be wrong
    before that.
    """
    samples = np.frombuffer(heard, dtype="<i2").astype(np.float64)
    faults: list[str] = []
    position = 0
    for number, text in enumerate(texts, start=1):
        if interrupted and samples.size - position < _EDGE + _ANCHOR + _LATEST[0]:
            # Broken off before enough of this sentence was heard to know it.
            return faults
        found = _find(samples, text, position, interrupted)
        if found.fault:
            return [*faults, f"sentence {number}: {found.fault}"]
        faults += _intruder(samples[position + _EDGE : max(0, found.start - _EDGE)], position)
        position = found.start + len(sound(text, LINE_RATE))
    rest = samples[position + _EDGE :]
    # The last frame is filled up, and the filter rings a little.
    if rest.size > 2 * _WINDOW:
        faults.append(f"{rest.size / LINE_RATE:.2f} s too long")
    return faults + _intruder(rest, position)


def _intruder(samples: Samples, position: int) -> list[str]:
    loud = np.abs(samples).max(initial=0) > _SILENT
    return [f"sound that is not the agent's at {position / LINE_RATE:.2f} s"] if loud else []


def _find(samples: Samples, text: str, position: int, interrupted: bool) -> Sentence:
    references = [sound(text, LINE_RATE, shift) for shift in _SHIFTS]
    start, reference, fit = 0, references[0], -1.0
    # Two samples of grace, for the fraction of one that delays are rounded to.
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
        return Sentence(start, f"not heard at {position / LINE_RATE:.2f} s (likeness {fit:.2f})")
    available = min(samples.size - start, reference.size)
    if available < reference.size - _EDGE and not interrupted:
        missing = (reference.size - available) / LINE_RATE
        return Sentence(start, f"its last {missing:.2f} s are missing")
    windows = (available - 2 * _EDGE) // _WINDOW
    inner = slice(_EDGE, _EDGE + windows * _WINDOW)
    scores = _likeness(
        samples[start:][inner].reshape(-1, _WINDOW), reference[inner].reshape(-1, _WINDOW)
    )
    wrong = np.flatnonzero(scores < _FITS)
    if wrong.size:
        where = (start + _EDGE + wrong[0] * _WINDOW) / LINE_RATE
        return Sentence(start, f"gap, repeat or foreign sound at {where:.2f} s")
    return Sentence(start, "")


def _best_fit(stretch: Samples, anchor: Samples) -> tuple[int, float]:
    """Where in a stretch the anchor lies, and how well it fits there (at most 1)."""
    if stretch.size < anchor.size:
        return 0, 0.0
    energy = np.concatenate(([0.0], np.cumsum(stretch**2)))
    local = energy[anchor.size :] - energy[: -anchor.size]
    scores = np.correlate(stretch, anchor, mode="valid")
    scores /= np.sqrt(np.maximum(local, 1.0) * (anchor @ anchor))
    best = int(scores.argmax())
    return best, float(scores[best])


def _likeness(heard: Samples, expected: Samples) -> Samples:
    norms = np.sqrt((heard**2).sum(axis=1) * (expected**2).sum(axis=1))
    likeness: Samples = (heard * expected).sum(axis=1) / np.maximum(norms, 1.0)
    return likeness
