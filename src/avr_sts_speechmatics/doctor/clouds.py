"""STT, TTS and LLM: each service does the smallest piece of real work for the product's client.

The recogniser takes half a second of silence; a voice speaks and a model writes one word. A failure
is a ServiceError; `advice_for` says what to do about it.
"""

import re
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from avr_sts_speechmatics.agents.agent import Engine
from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.doctor.check import Check, answered
from avr_sts_speechmatics.services.llm.protocol import Brief, Llm
from avr_sts_speechmatics.services.stt.protocol import Recogniser
from avr_sts_speechmatics.services.tts.openai import BASE_URL, OpenAiTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.speechmatics import LANGUAGES_SPOKEN
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.voices import Voices, primary

# What to do when a service fails: the first pattern found in its error decides.
_NETWORK = "Check the network, its firewall and, where it is set, "
LATER = "Try again in a minute; if it stays, look at the service's status page."
_KEY = "Copy SPEECHMATICS_API_KEY again from portal.speechmatics.com, whole; it may have expired."
_WORDS = "Correct SPEECHMATICS_LANGUAGE or SPEECHMATICS_ADDITIONAL_VOCAB, or the default agent's."
_BUSY = "All sessions of the contract are in use: end other programs with this key, or buy more."
_SECOND_KEY = (
    "Copy OPENAI_TTS_API_KEY again, or OPENAI_API_KEY where that is not set; it must be one of "
    "OPENAI_TTS_URL's."
)
_NO_KEY = "Set OPENAI_TTS_API_KEY, or OPENAI_TTS_URL for a server that wants no key."
_CREDIT = "The account has no credit left, or is asked too often: see its billing page."
_ADVICE = {
    "stt": (
        (r"key is not accepted|not_a|\(400[13]\)", _KEY),
        (r"quota|\(4005\)", _BUSY),
        (r"^invalid_audio", "Neither 8000 nor 16000 Hz: is SPEECHMATICS_RT_URL right?"),
        (r"invalid_model|\(4004\)", "Unset SPEECHMATICS_MODEL: the default exists."),
        (r"^invalid_", _WORDS),
        (r"cannot connect|\(40[045]\)", _NETWORK + "SPEECHMATICS_RT_URL."),
    ),
    "tts": (
        (r"\(40[13]\)", _KEY),
        (r"\(404\)", "Set SPEECHMATICS_VOICE (or the agent's) to sarah, theo, megan or jack."),
        (r"^cannot connect", _NETWORK + "SPEECHMATICS_TTS_URL."),
    ),
    "second tts": (
        (r"\(40[13]\)", _SECOND_KEY),
        (r"\(4(00|22)\)", "Correct OPENAI_TTS_VOICE (or the agent's voice) or OPENAI_TTS_MODEL."),
        (r"\(404\)", "Correct OPENAI_TTS_MODEL, or OPENAI_TTS_URL (often …/v1)."),
        (r"\(429\)", _CREDIT),
        (r"^cannot connect", _NETWORK + "OPENAI_TTS_URL."),
    ),
    "llm": (
        (r"^cannot connect", _NETWORK + "OPENAI_BASE_URL."),
        (
            r"check OPENAI_API_KEY",
            "Copy OPENAI_API_KEY again; it must be one of OPENAI_BASE_URL's.",
        ),
        (r"quota|billing", "The account has no credit left: see its billing page."),
        (r"\b(429|5\d\d)\b", LATER),
        (
            r"\b404\b|model",
            "Correct OPENAI_MODEL (or the agent's model), or OPENAI_BASE_URL (often …/v1).",
        ),
        (r"^no answer", _NETWORK + "OPENAI_BASE_URL (a model may still be loading)."),
    ),
}
_SCRIPT = "For a model set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."
_FOREIGN = (
    "Set VOICE_FALLBACK=openai, or give the agent a voice that speaks its language: "
    "{engine: openai}."
)


def advice_for(what: str, failure: str) -> str:
    """Return a sentence on how the operator can repair a failure.

    what: the service, such as "stt".
    failure: text of the error.
    """
    for sign, advice in _ADVICE.get(what, ()):
        if re.search(sign, failure):
            return advice
    return "Correct the host name in this address." if "idna" in failure else LATER


# --- STT ------------------------------------------------------------------------------------------


async def stt(recogniser: Recogniser) -> Check:
    """Check that a recogniser takes audio. Raises ServiceError."""
    tried = await recogniser.try_out()
    check = answered("stt", f"{tried.what} listens", tried.took_s)
    return replace(check, advice=check.advice or tried.advice)


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


# --- models ---------------------------------------------------------------------------------------


def models(chosen: Settings, agents: Agents) -> tuple[str, ...]:
    """Return the models that calls may use; only that of the settings with the receptionist."""
    if not chosen.has_llm:
        return (chosen.openai_model,)
    return tuple(dict.fromkeys(agent.model or chosen.openai_model for agent in agents.all))


async def llm(chosen: Settings, client: Llm, model: str) -> Check:
    """Check that a model answers with a word. Raises ServiceError."""
    begun = time.monotonic()
    question = (Message("user", "Are you there?"),)
    brief = Brief("Answer with one word.", model=model)
    async with aclosing(client.reply(brief, question)) as words:
        said = await anext(words, "")
        took = time.monotonic() - begun
    if not chosen.has_llm:
        return Check("llm", "ok", "no model: a scripted receptionist answers", _SCRIPT)
    if not said:
        return Check("llm", "failed", "gave no words", "Raise OPENAI_MAX_TOKENS.")
    return answered("llm", "answers", took)
