"""Voices: chooses the TTS of an agent and its fallback, and caches the speech of fixed phrases.

    the agent's voice         | who speaks                            | who takes over
    --------------------------+---------------------------------------+-----------------------------
    none, or a name           | the first engine (TTS)                | the second (VOICE_FALLBACK),
                              |                                       | if it speaks the language
    none, in a language that  | the second engine, if it speaks the   | nobody
    the first does not speak  | language; otherwise the first         |
    {engine: ...}             | that engine                           | the second, for the first

`services.tts` has the engines. Voices and kept phrases belong to the process: agents that sound
alike share them.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from avr_sts_speechmatics.agents.agent import Agent, Voicing
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.audio.pcm import RATE
from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.announced_ends import ModelInUse
from avr_sts_speechmatics.services.tts.fallback import FallbackTts
from avr_sts_speechmatics.services.tts.openai import BASE_URL
from avr_sts_speechmatics.services.tts.protocol import Tts
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


class Voice(NamedTuple):
    """A voice of an engine.

    engine: name of the engine in `services.tts.ENGINES`.
    name: the engine's name for the voice.
    """

    engine: str
    name: str


def line_up(settings: Settings, voicing: Voicing) -> tuple[Voice, ...]:
    """Return the voice of an agent and, after it, the voice that takes over, if there is one."""
    first, second = tts.first(settings), tts.second(settings)
    language = primary(voicing.language)
    other = second if second and tts.ENGINES[second].speaks(language) else None
    engine: str
    name = voicing.voice
    if voicing.engine is None:
        foreign = name is None and not tts.ENGINES[first].speaks(language)
        engine = other if foreign and other else first
    else:
        engine = voicing.engine
    absent = engine != first and tts.ENGINES[engine].address(settings) is None
    if absent and first != "speechmatics":
        # A warning at the start says so; the server's voice is better than silence.
        engine, name = first, None
    voice = Voice(engine, name or tts.ENGINES[engine].voice(settings))
    if engine == first and other:
        return voice, Voice(other, tts.ENGINES[other].voice(settings))
    return (voice,)


def voice_models(settings: Settings, agents: Agents) -> Iterator[ModelInUse]:
    """Models of the voices that calls may have, each once."""
    voices = (voice for agent in agents.all for voice in line_up(settings, agent.voicing))
    for name in dict.fromkeys(voice.engine for voice in voices):
        engine = tts.ENGINES[name]
        url, model = engine.address(settings), engine.model(settings)
        if url is not None and model:
            yield ModelInUse(
                engine.model_setting, model, url, engine.key(settings), engine.model_advice
            )


def voice_warnings(settings: Settings, agents: Agents) -> Iterator[str]:
    """Warnings about voices that agents ask for and that cannot speak."""
    silent = sorted(agent.name for agent in agents.all if agent.voice_engine == "openai")
    if silent and not settings.voice_server_is_there:
        yield (
            f"Agents with a voice of OpenAI cannot speak ({', '.join(silent)}): set "
            "OPENAI_TTS_API_KEY, or OPENAI_TTS_URL for a server that wants no key."
        )
    replaced = sorted(agent.name for agent in agents.all if agent.voice_engine == "speechmatics")
    if replaced and settings.tts == "http" and settings.tts_url is None:
        yield (
            f"Agents with a voice of Speechmatics have another voice ({', '.join(replaced)}), the "
            "one of OPENAI_TTS_VOICE: set SPEECHMATICS_API_KEY."
        )
    if (second := tts.second(settings)) is not None and not settings.sandbox_speaks:
        spoken = sorted({primary(agent.language) for agent in agents.all})
        alone = [language for language in spoken if not tts.ENGINES[second].speaks(language)]
        if alone:
            yield (
                f"VOICE_FALLBACK={settings.voice_fallback} has no effect for agents in "
                f"{', '.join(alone)}: the voices of {tts.ENGINES[second].title} do not speak that."
            )


class Voices:
    """All voices of the process.

    settings: the settings that choose vendors and voices.
    url: base address of Speechmatics' TTS, or of the sandbox in its place; empty for neither.
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
        self._alone: dict[Voice, Tts] = {}
        self._pairs: dict[tuple[Voice, ...], FallbackTts] = {}
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
        return self.single(line_up(self._settings, agent.voicing)[0])

    def single(self, voice: Voice) -> Tts:
        """Return one voice, which no other voice stands in for."""
        if voice not in self._alone:
            engine = tts.ENGINES[voice.engine]
            url, key = self._server(voice.engine)
            self._alone[voice] = engine.make(self._settings, url, key, voice.name)
        return self._alone[voice]

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
        for voice in self._alone.values():
            await voice.close()

    def _shelf(self, store: PhraseStore | None, voicing: Voicing) -> Shelf | None:
        """The place of a voice's phrases in the store; None for the voice of the sandbox."""
        settings = self._settings
        engine, name = line_up(settings, voicing)[0]
        if store is None or (engine == "speechmatics" and settings.tts_url is None):
            return None
        server = (self._server(engine)[0], tts.ENGINES[engine].model(settings))
        return Shelf(store, engine, *server, name, voicing.language, f"{RATE}")

    def _server(self, engine: str) -> tuple[str, Secret | None]:
        """Address and key of an engine. An engine that is not set up fails at its first request."""
        if engine == "speechmatics":
            return self._url, self._key
        row = tts.ENGINES[engine]
        return row.address(self._settings) or BASE_URL, row.key(self._settings)

    def _voice(self, voicing: Voicing) -> Tts:
        voices = line_up(self._settings, voicing)
        if len(voices) == 1:
            return self.single(voices[0])
        if voices not in self._pairs:
            self._pairs[voices] = FallbackTts(*map(self.single, voices))
        return self._pairs[voices]
