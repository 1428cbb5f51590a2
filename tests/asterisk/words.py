"""What a caller's recording says, in words: the sandbox's own recogniser, and how to compare."""

import numpy as np
from bench.codewords import letters
from rapidfuzz import fuzz

from avr_sts_speechmatics.sandbox.whisper import Whisper

SILENT = 300
"""Greatest sample of silence on the line."""

_AROUND = np.zeros(2400, np.float32)


def recognised(whisper: Whisper, heard: bytes) -> str:
    """The words in s16le at 8 kHz. Blocks for some 0.2 s."""
    samples = np.frombuffer(heard, "<i2").astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > SILENT)
    # With seconds of silence around it a small model now and then leaves a sentence out.
    speech = samples[loud[0] : loud[-1] + 1] if loud.size else samples[:0]
    alone = np.concatenate((_AROUND, speech / np.float32(32_768), _AROUND))
    return whisper.recognise(alone, 8000).text


def likeness(said: str, heard: str) -> float:
    """How alike two texts are, 0 to 1; punctuation, case and figures apart."""
    return fuzz.ratio(letters(said), letters(heard)) / 100
