"""STT and TTS: each service does the smallest piece of real work for the client that calls use.

The recogniser starts a session for an agent and takes half a second of silence; a voice speaks one
word. A failure is a ServiceError; `advice` says what to do about it.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from avr_sts_speechmatics.agents.agent import Engine
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.doctor.check import Check, answered
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.services.stt.protocol import Recogniser
from avr_sts_speechmatics.services.tts.openai import BASE_URL, OpenAiTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.speechmatics import LANGUAGES_SPOKEN
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.languages import primary
from avr_sts_speechmatics.speech.voices import Voices
from avr_sts_speechmatics.values import VocabEntry

_BUSY = (
    "Normal while that many calls go on: the next caller waits for a session. Otherwise end other "
    "programs with this key, or buy more sessions."
)
_NO_KEY = "Set OPENAI_TTS_API_KEY, or OPENAI_TTS_URL for a server that wants no key."
_FOREIGN = (
    "Set VOICE_FALLBACK=openai, or give the agent a voice that speaks its language: "
    "{engine: openai}."
)


# --- STT ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ears:
    """A recogniser that some agents have.

    agents: names of the agents.
    language: of their callers.
    recogniser: the client to ask.
    """

    agents: str
    language: str
    recogniser: Recogniser


def recognisers(stt: Stt, agents: Agents) -> list[Ears]:
    """The recognisers that calls may have: one for each language with its vocabulary."""
    names: dict[tuple[str, tuple[VocabEntry, ...]], list[str]] = {}
    for agent in agents.all:
        names.setdefault((agent.language, agent.vocabulary), []).append(agent.name)
    return [Ears(", ".join(those), kind[0], stt.recogniser(*kind)) for kind, those in names.items()]


async def stt(ears: Ears, one_at_a_time: asyncio.Lock) -> Check:
    """Check that a recogniser takes audio. Raises ServiceError.

    one_at_a_time: a plan may allow two sessions only, and a call may be under way.
    """
    try:
        async with one_at_a_time:
            tried = await ears.recogniser.try_out()
    except ServiceError as error:
        if not re.search(r"too many sessions", str(error)):
            raise
        detail = f"answers, but all sessions of the plan are in use ({_plain(error)})"
        return Check("stt", "warning", detail, _BUSY)
    check = answered("stt", f"{tried.what} listens ({ears.language})", tried.took_s)
    return replace(check, advice=check.advice or tried.advice)


def _plain(error: ServiceError) -> str:
    return str(error).removeprefix(f"{error.service}: ")


# --- voices ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice that some agent has, or that takes over.

    what: name of the check.
    name: the vendor's name for the voice.
    url: base address of the TTS service.
    voice: the client to ask.
    has_no_key: the service needs a key and none is set.
    foreign: languages of agents that the voice cannot speak.
    """

    what: str
    name: str
    url: str
    voice: Tts
    has_no_key: bool = False
    foreign: tuple[str, ...] = ()


def speakers(chosen: Settings, agents: Agents, alone: Voices) -> Iterator[Speaker]:
    """Yield the voices that calls may have, except the sandbox's.

    alone: the result of `voices_alone`.
    """
    # `Voices` decides which vendor speaks for an agent.
    deciding = Voices(chosen, chosen.tts_url or "", chosen.speechmatics_api_key, {})
    languages: dict[tuple[Engine, str], set[str]] = {}
    for agent in agents.all:
        second = isinstance(deciding.of(agent)[0], OpenAiTts)
        usual = chosen.openai_tts_voice if second else chosen.speechmatics_voice
        kind: tuple[Engine, str] = "openai" if second else "speechmatics", agent.voice or usual
        languages.setdefault(kind, set()).add(primary(agent.language))
    if chosen.voice_fallback:
        languages.setdefault(("openai", chosen.openai_tts_voice), set())
    for (engine, name), spoken in languages.items():
        voice, _ = alone.of(replace(agents.all[0], voice_engine=engine, voice=name))
        if engine == "openai":
            url, mute = chosen.openai_tts_url or BASE_URL, not chosen.second_voice_is_there
            yield Speaker("second tts", name, url, voice, has_no_key=mute)
        elif chosen.tts_url is not None:
            foreign = tuple(sorted(spoken - LANGUAGES_SPOKEN))
            yield Speaker("tts", name, chosen.tts_url, voice, foreign=foreign)


def voices_alone(chosen: Settings) -> Voices:
    """Return Voices without a fallback voice, which would hide a failure of the first voice.

    The code that calls this function must close the result.
    """
    without = replace(chosen, voice_fallback=None)
    return Voices(without, chosen.tts_url or "", chosen.speechmatics_api_key, {})


async def voice(speaker: Speaker) -> Check:
    """Check that a voice speaks a word to its end. Raises ServiceError."""
    if speaker.has_no_key:
        return Check(speaker.what, "failed", "there is no key, so it was not asked", _NO_KEY)
    begun = time.monotonic()
    async with aclosing(speaker.voice.speak("Hello.")) as audio:
        await anext(audio)
        took = time.monotonic() - begun
        async for _ in audio:
            """Read to the end: the voice might break off."""
    found = answered(speaker.what, "speaks", took)
    if speaker.foreign and found.state == "ok":
        detail = f"speaks English only, and is to speak {', '.join(speaker.foreign)}"
        return replace(found, state="warning", detail=detail, advice=_FOREIGN)
    return found
