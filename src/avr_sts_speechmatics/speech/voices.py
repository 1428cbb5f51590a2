"""Voices: chooses the TTS of an agent and its fallback, and caches the speech of fixed phrases.

Speechmatics' voices speak English. An agent in another language, or an agent that asks for it, has
OpenAI's voice. With VOICE_FALLBACK that voice also takes over when Speechmatics' fails. Voices and
kept phrases belong to the process: agents that sound alike share them.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping

from avr_sts_speechmatics.agents.agent import Agent, Engine, Voicing
from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.services.tts.fallback import FallbackTts
from avr_sts_speechmatics.services.tts.openai import BASE_URL, OpenAiTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.speechmatics import LANGUAGES_SPOKEN, SpeechmaticsTts
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.kept_phrases import KeptPhrases
from avr_sts_speechmatics.speech.languages import primary
from avr_sts_speechmatics.speech.phrase_store import PhraseStore, Shelf
from avr_sts_speechmatics.values import Secret

AGAIN_S = 30.0
AGAIN_MAX_S = 300.0
"""How long after a failure the missing phrases are synthesised again (s): at first and at most. The
pause is doubled each time."""

RESTORE_S = 2.0
"""Longest wait for the phrases on disk when the service starts (s)."""

_log = logging.getLogger(__name__)


class Voices:
    """All voices of the process.

    settings: the settings that choose vendors and voices.
    url: base address of Speechmatics' TTS, or of the sandbox in its place.
    key: API key of the server at `url`; None for a server without keys.
    phrases: texts whose speech is cached in memory, by voice.
    store: where that speech is kept between starts; None for nowhere.
    """

    def __init__(
        self,
        settings: Settings,
        url: str,
        key: Secret | None,
        phrases: Mapping[Voicing, tuple[str, ...]],
        *,
        store: PhraseStore | None = None,
    ) -> None:
        self._settings = settings
        self._url = url
        self._key = key
        self._second: dict[str, OpenAiTts] = {}
        self._first: dict[str, Tts] = {}
        self._phrases = {
            voicing: KeptPhrases(texts, voicing.language, shelf=self._shelf(store, voicing))
            for voicing, texts in phrases.items()
        }

    @property
    def missing(self) -> int:
        """Number of sentences, of all voices, that are not cached in memory yet."""
        return sum(phrases.missing for phrases in self._phrases.values())

    def of(self, agent: Agent) -> tuple[Tts, KeptPhrases]:
        """Return the TTS for one call of an agent, and the cached phrases of the agent's voice."""
        voice = self._voice(agent.voicing)
        # A voice that the web service chose for one call has no cached phrases.
        kept = self._phrases.get(agent.voicing) or KeptPhrases((), agent.language)
        return (voice.for_call() if isinstance(voice, FallbackTts) else voice), kept

    def alone(self, agent: Agent) -> Tts:
        """The TTS of an agent without the voice that takes over, to see whether it works."""
        voice = self._voice(agent.voicing)
        return voice.first if isinstance(voice, FallbackTts) else voice

    async def restore(self) -> None:
        """Read what is kept on disk; takes RESTORE_S at most."""
        reading = asyncio.create_task(asyncio.to_thread(self._restore))
        done, _ = await asyncio.wait((reading,), timeout=RESTORE_S)
        if not done:
            _log.warning("the phrases on disk are slow to read; the start does not wait for them")
            return
        await reading

    def _restore(self) -> None:
        for phrases in self._phrases.values():
            phrases.restore()

    async def prepare(self) -> None:
        """Synthesise the phrases; try again with growing pauses until all are cached."""
        pause = AGAIN_S
        while True:
            complete = [
                await phrases.prepare(self._voice(voicing))
                for voicing, phrases in self._phrases.items()
            ]
            if all(complete):
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, AGAIN_MAX_S)

    async def close(self) -> None:
        for voice in self._all():
            await voice.close()

    def _all(self) -> Iterator[Tts]:
        yield from self._second.values()
        yield from self._first.values()

    def _shelf(self, store: PhraseStore | None, voicing: Voicing) -> Shelf | None:
        """The place of a voice's phrases in the store; None for the voice of the sandbox."""
        settings = self._settings
        engine, name = self._engine(voicing)
        if store is None or (engine == "speechmatics" and settings.tts_url is None):
            return None
        if engine == "openai":
            server = (settings.openai_tts_url or BASE_URL, settings.openai_tts_model)
        else:
            server = (self._url, "")
        return Shelf(store, engine, *server, name, voicing.language, f"{RATE}")

    def _engine(self, voicing: Voicing) -> tuple[Engine, str]:
        """The vendor of a voice, and its name there."""
        engine = voicing.engine
        if engine is None:
            foreign = primary(voicing.language) not in LANGUAGES_SPOKEN
            engine = "openai" if foreign and self._settings.voice_fallback else "speechmatics"
        usual = {
            "openai": self._settings.openai_tts_voice,
            "speechmatics": self._settings.speechmatics_voice,
        }
        return engine, voicing.voice or usual[engine]

    def _voice(self, voicing: Voicing) -> Tts:
        engine, name = self._engine(voicing)
        if engine == "openai":
            return self._openai(name)
        if name not in self._first:
            proxy = self._settings.proxies.for_url(self._url)
            voice: Tts = SpeechmaticsTts(self._url, self._key, name, proxy=proxy)
            if self._settings.voice_fallback:
                voice = FallbackTts(voice, self._openai(self._settings.openai_tts_voice))
            self._first[name] = voice
        return self._first[name]

    def _openai(self, name: str) -> OpenAiTts:
        if name not in self._second:
            settings = self._settings
            url = settings.openai_tts_url or BASE_URL
            self._second[name] = OpenAiTts(
                settings.openai_tts_key,
                settings.openai_tts_model,
                name,
                url,
                proxy=settings.proxies.for_url(url),
            )
        return self._second[name]
