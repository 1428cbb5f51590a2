"""Kept phrases: texts that are spoken again and again, synthesised once.

The welcome opens every call, so it must not wait for TTS; an apology is needed when TTS may be what
failed. The phrases are synthesised when the service starts. Until a phrase is kept, it is spoken
like any other sentence.
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
    """Kept speech of one voice, by sentence: s16le mono at 8 kHz.

    texts: phrases to keep; empty texts are skipped.
    language: of the phrases, such as "en".
    """

    def __init__(self, texts: Iterable[str], language: str = "en") -> None:
        self._language = language
        # Phrases are spoken sentence by sentence, so they are kept sentence by sentence.
        self._texts = tuple(piece for text in texts for piece in sentences_of(text, language))
        self._kept: dict[str, bytes] = {}

    @property
    def missing(self) -> int:
        """How many sentences are not kept yet."""
        return len(set(self._texts) - self._kept.keys())

    def get(self, sentence: str) -> bytes | None:
        return self._kept.get(sentence)

    async def prepare(self, voice: Tts) -> bool:
        """Synthesise the sentences that are not kept yet. Returns False if one of them failed."""
        complete = True
        for text in self._texts:
            if text in self._kept:
                continue
            try:
                self._kept[text] = await speech_of(text, voice, self._language)
            except ServiceError as error:
                _log.warning("a phrase could not be prepared: %s", error)
                complete = False  # the phrases after this one are tried all the same
        return complete


async def speech_of(text: str, voice: Tts, language: str = "en") -> bytes:
    """Synthesise a whole text: s16le mono at 8 kHz. Raises ServiceError.

    language: of the text, such as "en".
    """
    resampler = Resampler(voice.rate, RATE)
    async with aclosing(voice.speak(spoken(text, language))) as audio:
        pieces = [resampler.feed(pcm) async for pcm in audio]
    return b"".join(pieces) + resampler.flush()
