"""TTS: each voice that calls may have speaks one word, and what all of them can do is summed up.

`speech.voices.line_up` decides who speaks for an agent, here as in a call. A failure is a
ServiceError; `advice` says what to do about it.
"""

import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.doctor.check import Check, answered
from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.tts.openai import BASE_URL
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.languages import primary
from avr_sts_speechmatics.speech.voices import Voice, Voices, line_up

_FOREIGN = (
    "Set VOICE_FALLBACK=openai, or TTS=http, or give the agent a voice that speaks its language: "
    "{engine: openai}."
)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice that some agent has, or that takes over.

    what: name of the check, "tts" for voices of the first engine, otherwise "second tts".
    engine: name of the engine.
    name: the engine's name for the voice.
    url: base address of the TTS service.
    voice: the client to ask.
    needs: what the operator has to set; empty if the engine is set up.
    foreign: languages of agents that the voice cannot speak.
    """

    what: str
    engine: str
    name: str
    url: str
    voice: Tts
    needs: str = ""
    foreign: tuple[str, ...] = ()


def speakers(chosen: Settings, agents: Agents, voices: Voices) -> Iterator[Speaker]:
    """Yield the voices that calls may have, except the sandbox's.

    voices: the result of `voices_of`.
    """
    languages: dict[Voice, set[str]] = {}
    for agent in agents.all:
        leading, *others = line_up(chosen, agent.voicing)
        languages.setdefault(leading, set()).add(primary(agent.language))
        for other in others:
            languages.setdefault(other, set())
    first = tts.first(chosen)
    for one, spoken in sorted(languages.items(), key=lambda found: found[0].engine != first):
        engine = tts.ENGINES[one.engine]
        url = engine.address(chosen)
        if url is None and one.engine == "speechmatics":
            continue  # the sandbox speaks
        what = "tts" if one.engine == first else "second tts"
        needs = engine.needs if url is None else ""
        foreign = tuple(sorted(each for each in spoken if not engine.speaks(each)))
        voice = voices.single(one)
        yield Speaker(what, one.engine, one.name, url or BASE_URL, voice, needs, foreign)


def voices_of(chosen: Settings) -> Voices:
    """Return the voices of these settings. The code that calls this function must close them."""
    return Voices(chosen, chosen.tts_url or "", chosen.speechmatics_api_key, {})


async def voice(speaker: Speaker) -> Check:
    """Check that a voice speaks a word to its end. Raises ServiceError."""
    if speaker.needs:
        return Check(speaker.what, "failed", "there is no key, so it was not asked", speaker.needs)
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


def combination(chosen: Settings, agents: Agents) -> Check:
    """Sum up which voice speaks each language of the agents, and which voice takes over."""
    lines: dict[str, None] = {}
    engines: dict[str, None] = {}
    for agent in agents.all:
        language = primary(agent.language)
        leading, *others = line_up(chosen, agent.voicing)
        engines |= dict.fromkeys(voice.engine for voice in (leading, *others))
        text = f"{language}: {_shown(chosen, leading)}"
        if not tts.ENGINES[leading.engine].speaks(language):
            text += ", which does not speak that language"
        text += f", then {_shown(chosen, others[0])}" if others else ", no second voice"
        lines[text] = None
    said = [
        f"{tts.ENGINES[name].title}' text-to-speech is {tts.ENGINES[name].status}"
        for name in engines
        if tts.ENGINES[name].status and tts.ENGINES[name].address(chosen) is not None
    ]
    return Check("voices", "ok", "; ".join((*lines, *said)))


def _shown(chosen: Settings, voice: Voice) -> str:
    engine = tts.ENGINES[voice.engine]
    url = engine.address(chosen)
    where = engine.title
    if voice.engine == "openai":
        where = "no server" if url is None else urlsplit(url)._replace(query="").geturl()
    elif voice.engine == "speechmatics" and url is None:
        where = "the sandbox"
    limits = "" if engine.languages is None else f", {' and '.join(sorted(engine.languages))} only"
    return f"{voice.name} ({where}{limits})"
