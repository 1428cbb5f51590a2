"""Phrases that are spoken again and again, synthesised once and kept.

The welcome opens every call, so it must not wait for a voice; the apologies are needed just when
the voice may be what failed. They are made when the service starts; until a phrase is there, it is
spoken by the voice like any other sentence.
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
    """Kept speech of one voice, by its sentence: s16le 8 kHz.

    texts: what is to be kept; empty ones are nothing to keep.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # Spoken sentence by sentence, so kept sentence by sentence.
        self._texts = tuple(piece for text in texts for piece in sentences_of(text))
        self._kept: dict[str, bytes] = {}

    @property
    def missing(self) -> int:
        """How many are not kept yet."""
        return len(set(self._texts) - self._kept.keys())

    def get(self, sentence: str) -> bytes | None:
        return self._kept.get(sentence)

    async def prepare(self, voice: Tts) -> bool:
        """Synthesise what is not kept yet. Returns False if some failed, to be tried again."""
        complete = True
        for text in self._texts:
            if text in self._kept:
                continue
            try:
                self._kept[text] = await speech_of(text, voice)
            except ServiceError as error:
                _log.warning("a phrase could not be prepared: %s", error)
                complete = False  # a welcome that cannot be said must not cost the apologies
        return complete


async def speech_of(text: str, voice: Tts) -> bytes:
    """A whole text as speech: s16le 8 kHz. Raises ServiceError."""
    resampler = Resampler(voice.rate, RATE)
    async with aclosing(voice.speak(spoken(text))) as audio:
        pieces = [resampler.feed(pcm) async for pcm in audio]
    return b"".join(pieces) + resampler.flush()
