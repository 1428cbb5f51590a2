"""Kept phrases: phrases that are spoken often, synthesised once and kept as audio.

The welcome opens every call, so it must not wait for the TTS; the apologies are needed when the TTS
itself may have failed. The phrases are synthesised when the service starts. Until a phrase is kept,
the TTS speaks it like any other sentence.
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
    """Kept audio of one voice, by sentence: s16le mono at 8 kHz.

    texts: phrases to keep; empty texts are ignored.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # Split as the speaker splits a reply, so that each sentence is found again.
        self._texts = tuple(piece for text in texts for piece in sentences_of(text))
        self._kept: dict[str, bytes] = {}

    @property
    def missing(self) -> int:
        """Number of sentences that are not kept yet."""
        return len(set(self._texts) - self._kept.keys())

    def get(self, sentence: str) -> bytes | None:
        return self._kept.get(sentence)

    async def prepare(self, voice: Tts) -> bool:
        """Synthesise the missing sentences. Returns False if some failed and must be retried."""
        complete = True
        for text in self._texts:
            if text in self._kept:
                continue
            try:
                self._kept[text] = await speech_of(text, voice)
            except ServiceError as error:
                _log.warning("a phrase could not be prepared: %s", error)
                complete = False  # the other phrases may still succeed
        return complete


async def speech_of(text: str, voice: Tts) -> bytes:
    """Synthesise a whole text. Returns s16le mono at 8 kHz; raises ServiceError."""
    resampler = Resampler(voice.rate, RATE)
    async with aclosing(voice.speak(spoken(text))) as audio:
        pieces = [resampler.feed(pcm) async for pcm in audio]
    return b"".join(pieces) + resampler.flush()
