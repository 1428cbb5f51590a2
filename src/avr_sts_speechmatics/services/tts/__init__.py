"""Text to speech (TTS): whose voices there are, and which of them the settings choose.

A further vendor is a file with its `protocol.Tts`, a row in ENGINES, and its settings.
"""

from collections.abc import Callable
from dataclasses import dataclass

from avr_sts_speechmatics.services.tts import openai, speechmatics
from avr_sts_speechmatics.services.tts.openai import OpenAiTts
from avr_sts_speechmatics.services.tts.protocol import Tts
from avr_sts_speechmatics.services.tts.speechmatics import SpeechmaticsTts
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import Secret


@dataclass(frozen=True, slots=True)
class Engine:
    """A vendor of voices, or a server with voices.

    title: for a person.
    address: function that returns the base address for settings; None if it is not set up.
    key: function that returns the API key; None for a server without keys.
    make: function that makes a voice from settings, address, key and the name of the voice.
    voice: function that returns the name of the voice that an agent without its own has.
    model: function that returns the name of the model; empty if the vendor has no choice of models.
    needs: what the operator has to set, as a sentence.
    model_setting: the setting that chooses the model.
    model_advice: what the operator can do when the model ends.
    languages: languages that the voices speak; None where the server decides.
    status: what the vendor says about the service, for a person; may be empty.
    """

    title: str
    address: Callable[[Settings], str | None]
    key: Callable[[Settings], Secret | None]
    make: Callable[[Settings, str, Secret | None, str], Tts]
    voice: Callable[[Settings], str]
    model: Callable[[Settings], str]
    needs: str
    model_setting: str = ""
    model_advice: str = ""
    languages: frozenset[str] | None = None
    status: str = ""

    def speaks(self, language: str) -> bool:
        """Whether the voices speak a language. language: its primary code, such as "de"."""
        return self.languages is None or language in self.languages


def _speechmatics(settings: Settings, url: str, key: Secret | None, name: str) -> Tts:
    return SpeechmaticsTts(url, key, name, proxy=settings.proxies.for_url(url))


def _http(settings: Settings, url: str, key: Secret | None, name: str) -> Tts:
    return OpenAiTts(
        key,
        settings.openai_tts_model,
        name,
        url,
        form=settings.openai_tts_format,
        proxy=settings.proxies.for_url(url),
    )


def _http_address(settings: Settings) -> str | None:
    if settings.openai_tts_url is None and settings.openai_tts_key is None:
        return None
    return settings.openai_tts_url or openai.BASE_URL


OPENAI_MODEL, OPENAI_VOICE = "gpt-4o-mini-tts", "nova"
"""Model and voice of OpenAI where OPENAI_TTS_MODEL and _VOICE are those of another server."""

_OPENAI_REFUSALS = {
    401: "OpenAI does not accept the key (401); check OPENAI_API_KEY",
    403: "OpenAI does not allow the key to do this (403); check OPENAI_API_KEY",
    404: f"OpenAI has no model {OPENAI_MODEL} (404); unset VOICE_FALLBACK",
    429: "OpenAI: too many requests, or the account's credit is used up (429)",
}


def _openai(settings: Settings, url: str, key: Secret | None, name: str) -> Tts:
    proxy = settings.proxies.for_url(url)
    return OpenAiTts(key, OPENAI_MODEL, name, url, refusals=_OPENAI_REFUSALS, proxy=proxy)


ENGINES = {
    "speechmatics": Engine(
        "Speechmatics",
        lambda settings: settings.tts_url,
        lambda settings: settings.speechmatics_api_key,
        _speechmatics,
        lambda settings: settings.speechmatics_voice,
        lambda _: "",
        "Set SPEECHMATICS_API_KEY.",
        languages=speechmatics.LANGUAGES_SPOKEN,
        status=speechmatics.STATUS,
    ),
    # The server at OPENAI_TTS_URL: the first voice (TTS=http), the second, or an agent's.
    "openai": Engine(
        "OPENAI_TTS_URL",
        _http_address,
        lambda settings: settings.openai_tts_key,
        _http,
        lambda settings: settings.openai_tts_voice,
        lambda settings: settings.openai_tts_model,
        "Set OPENAI_TTS_API_KEY, or OPENAI_TTS_URL for a server that wants no key.",
        "OPENAI_TTS_MODEL",
        "name another server in OPENAI_TTS_URL",
    ),
    # OpenAI itself beside another server at OPENAI_TTS_URL: the second voice only.
    "openai.com": Engine(
        "OpenAI",
        lambda settings: None if settings.openai_own_key is None else openai.BASE_URL,
        lambda settings: settings.openai_own_key,
        _openai,
        lambda _: OPENAI_VOICE,
        lambda _: OPENAI_MODEL,
        "Set OPENAI_API_KEY.",
        "VOICE_FALLBACK",
        "unset VOICE_FALLBACK, or set it to speechmatics for English",
    ),
}
"""The vendors by the names that agent files and settings use."""


def first(settings: Settings) -> str:
    """Return the engine of an agent without a choice of its own."""
    return {"http": "openai"}.get(settings.tts, settings.tts)


def second(settings: Settings) -> str | None:
    """Return the engine that speaks where the first one fails; None if there is none."""
    if settings.voice_fallback == "openai" and settings.tts == "http":
        return "openai.com"
    return settings.voice_fallback


def may_speak(settings: Settings) -> tuple[str, ...]:
    """Return the engines that calls may need: the first, the second, and those of agents."""
    found = dict.fromkeys(("speechmatics", "openai"))
    if (other := second(settings)) is not None:
        found[other] = None
    return tuple(found)
