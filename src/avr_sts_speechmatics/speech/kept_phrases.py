"""Kept phrases: speech of texts that are spoken again and again, synthesised once and cached.

The welcome opens every call, so it must not wait for TTS; an apology is needed when TTS may be what
failed. The phrases are synthesised when the service starts, cached in memory, and kept on disk for
the next start (`phrase_store`). A phrase that is not cached yet is synthesised when it is spoken,
like any other sentence.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing

from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.audio.resample import Resampler
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.quiet_retries import quiet_retries
from avr_sts_speechmatics.services.tts.fallback import CallTts, FallbackTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.speech.phrase_store import Shelf
from avr_sts_speechmatics.speech.read_aloud import spoken
from avr_sts_speechmatics.speech.sentences import sentences_of

SAVE_S = 2.0
"""Longest wait at the end of the service for a phrase that is being saved (s)."""

AWAY = 2
"""After so many failures in a row, the other sentences are left for the next time."""

_log = logging.getLogger(__name__)


class KeptPhrases:
    """Cache of one voice's speech, by sentence: s16le mono at 8 kHz.

    texts: phrases to synthesise and cache; empty texts are skipped.
    language: of the phrases, such as "en".
    shelf: where the phrases are kept between starts; None for nowhere.
    """

    def __init__(
        self, texts: Iterable[str], language: str = "en", *, shelf: Shelf | None = None
    ) -> None:
        self._shelf = shelf
        self._old: list[str] = []  # sentences from disk that should be synthesised anew
        self._language = language
        # The speaker asks for single sentences, so the cache holds single sentences.
        self._texts = tuple(piece for text in texts for piece in sentences_of(text, language))
        self._kept: dict[str, bytes] = {}
        self._told = ""  # the last failure that was logged

    @property
    def missing(self) -> int:
        """Number of sentences that are not cached in memory yet."""
        return len(set(self._texts) - self._kept.keys())

    def get(self, sentence: str) -> bytes | None:
        return self._kept.get(sentence)

    def restore(self) -> None:
        """Read what is kept on disk. Blocks while files are read."""
        if self._shelf is None:
            return
        for text in dict.fromkeys(self._texts):
            stored = self._shelf.load(spoken(text, self._language))
            if stored is not None:
                self._kept.setdefault(text, stored.pcm)
                if not stored.fresh:
                    self._old.append(text)

    async def prepare(self, voice: Tts) -> bool:
        """Synthesise the sentences that are not cached yet. Returns False if a sentence failed.

        One sentence that fails does not cost the others; two in a row mean that the voice is away.
        A failure is logged once, and again when its reason changes. Afterwards sentences from disk
        that are old are synthesised anew.
        """
        in_a_row, why = 0, ""
        for text in self._texts:
            if text in self._kept:
                continue
            try:
                with quiet_retries():
                    await self._synthesise(text, voice)
                in_a_row = 0
            except ServiceError as error:
                in_a_row, why = in_a_row + 1, str(error)
                if in_a_row == AWAY:
                    break
        if why and why != self._told:
            _log.warning("a phrase could not be prepared: %s (%d are missing)", why, self.missing)
        self._told = why
        while self._old and not why:
            text = self._old.pop()
            try:
                with quiet_retries():
                    await self._synthesise(text, voice)
            except ServiceError as error:
                _log.info("a phrase could not be renewed: %s", error)
        return not why

    async def _synthesise(self, text: str, voice: Tts) -> None:
        speaker = voice.for_call() if isinstance(voice, FallbackTts) else voice
        self._kept[text] = speech = await speech_of(text, speaker, self._language)
        # What the second voice said in place of the first is not kept as the first voice's.
        stood_in = isinstance(speaker, CallTts) and speaker.changed
        if self._shelf is not None and not stood_in:
            name = spoken(text, self._language)
            saving = asyncio.create_task(asyncio.to_thread(self._shelf.save, name, speech))
            try:
                await asyncio.shield(saving)
            except asyncio.CancelledError:
                # The end of the service loses no phrase, unless the disk does not answer.
                await asyncio.wait((saving,), timeout=SAVE_S)
                raise


async def speech_of(text: str, voice: Tts, language: str = "en") -> bytes:
    """Synthesise a whole text: s16le mono at 8 kHz. Raises ServiceError.

    language: of the text, such as "en".
    """
    resampler = Resampler(voice.rate, RATE)
    async with aclosing(voice.speak(spoken(text, language))) as audio:
        pieces = [resampler.feed(pcm) async for pcm in audio]
    return b"".join(pieces) + resampler.flush()
