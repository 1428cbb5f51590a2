"""The services that calls use, for `/health`: an address, or who stands in. It holds no secrets."""

from urllib.parse import urlsplit

from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.settings import Settings


def services_in_use(settings: Settings) -> dict[str, str]:
    """Return STT, TTS and LLM of these settings, by name."""
    return {
        "stt": _shown(Stt(settings).address) or "sandbox",
        "tts": _voice(settings),
        "llm": _model(settings),
    }


def _voice(settings: Settings) -> str:
    """Who speaks for an agent without a voice of its own."""
    engine = tts.ENGINES[tts.first(settings)]
    url, model = engine.address(settings), engine.model(settings)
    return (_shown(url) or "sandbox") + (f" ({model})" if model else "")


def _model(settings: Settings) -> str:
    if settings.has_llm:
        return f"{_shown(settings.openai_base_url) or 'openai'} ({settings.openai_model})"
    return "nobody (no model is set)" if settings.nobody_answers else "receptionist (scripted)"


def _shown(url: str | None) -> str:
    """An address without its query, which may hold the token of a proxy."""
    return "" if url is None else urlsplit(url)._replace(query="").geturl()
