"""Settings: whose voice speaks, a second voice, and the server of voices."""

from dataclasses import dataclass

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret


@dataclass(frozen=True, kw_only=True)
class VoiceServices:
    """The choice of voices; the server of voices, its key, model and voice."""

    tts: str = setting(
        check.one_of("speechmatics", "http"),
        "Whose voice speaks: `speechmatics` (English only), or `http`: the server of "
        "`OPENAI_TTS_URL`, for every agent and in every language.",
        "speechmatics",
    )
    voice_fallback: str | None = setting(
        check.one_of("openai", "speechmatics"),
        "A second voice, which takes over when the first voice fails, even in mid-call. "
        "`openai`: the voice of `OPENAI_TTS_URL`, which also speaks the languages that "
        "Speechmatics' voices do not speak; with `TTS=http` OpenAI's own. `speechmatics`: with "
        "`TTS=http`, for English.",
    )
    openai_tts_url: str | None = setting(
        check.base_url("http", "https", without="/audio/speech"),
        "Base address of any server with `/audio/speech`, such as `http://localhost:8880/v1`. "
        "OpenAI has announced the end of its speech models for 6 January 2027.",
        default_text="OpenAI",
    )
    openai_tts_api_key: Secret | None = setting(
        check.api_key,
        "Key of that server.",
        default_text="`OPENAI_API_KEY`, where `OPENAI_BASE_URL` is the same server",
    )
    openai_tts_model: str = setting(check.name, "Model of that server.", "gpt-4o-mini-tts")
    openai_tts_voice: str = setting(
        check.mixed_name, "Name of the voice at that server, such as `af_heart`.", "nova"
    )
    openai_tts_format: str = setting(
        check.one_of("pcm", "wav"),
        "Audio that server is asked for: `pcm` at 24 kHz; `wav`, at any rate, for a server with "
        "other rates (speaches with Piper).",
        "pcm",
    )
