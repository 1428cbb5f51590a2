"""Kept phrases: speech of texts that are spoken again and again, synthesised once and cached.

The welcome opens every call, so it must not wait for TTS; an apology is needed when TTS may be what
failed. The phrases are synthesised when the service starts and cached in memory. A phrase that is
not cached yet is synthesised when it is spoken, like any other sentence.
"""

import logging
from collections.abc import Iterable
from contextlib import aclosing

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import sentences_of

_log = logging.getLogger(__name__)


class KeptPhrases:
    """Cache of one voice's speech, by sentence: s16le mono at 8 kHz.

    texts: phrases to synthesise and cache; empty texts are skipped.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # The speaker asks for single sentences, so the cache holds single sentences.
        self._texts = tuple(piece for text in texts for piece in sentences_of(text))
        self._kept: dict[str, bytes] = {}

    @property
    def missing(self) -> int:
        """Number of sentences that are not cached in memory yet."""
        return len(set(self._texts) - self._kept.keys())

    def get(self, sentence: str) -> bytes | None:
        return self._kept.get(sentence)

    async def prepare(self, voice: Tts) -> bool:
        """Synthesise the sentences that are not cached yet. Returns False if a sentence failed."""
        complete = True
        for text in self._texts:
            if text in self._kept:
                continue
            try:
                self._kept[text] = await speech_of(text, voice)
            except ServiceError as error:
                _log.warning("a phrase could not be prepared: %s", error)
                complete = False  # the phrases after this one are tried all the same
        return complete


async def speech_of(text: str, voice: Tts) -> bytes:
    """Synthesise a whole text: s16le mono at 8 kHz. Raises ServiceError."""
    resampler = Resampler(voice.rate, RATE)
    async with aclosing(voice.speak(spoken(text))) as audio:
        pieces = [resampler.feed(pcm) async for pcm in audio]
    return b"".join(pieces) + resampler.flush()
