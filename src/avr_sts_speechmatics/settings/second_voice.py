"""Settings: a second voice, which speaks where Speechmatics' voice cannot."""

from dataclasses import dataclass

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret


@dataclass(frozen=True, kw_only=True)
class SecondVoice:
    """The second voice, its server and its key."""

    voice_fallback: str | None = setting(
        check.one_of("openai"),
        "`openai`: OpenAI's voice takes over when Speechmatics' voice fails, even in the middle "
        "of a call, and speaks the languages that Speechmatics' voices do not speak.",
    )
    openai_tts_url: str | None = setting(
        check.base_url("http", "https", without="/audio/speech"),
        "Base address of any server with `/audio/speech` that returns PCM at 24 kHz, such as "
        "`http://localhost:8880/v1`. OpenAI has announced the end of its speech models for "
        "6 January 2027.",
        default_text="OpenAI",
    )
    openai_tts_api_key: Secret | None = setting(
        check.api_key,
        "Key of the second voice's server.",
        default_text="`OPENAI_API_KEY`, where `OPENAI_BASE_URL` is the same server",
    )
    openai_tts_model: str = setting(check.name, "Model of the second voice.", "gpt-4o-mini-tts")
    openai_tts_voice: str = setting(check.name, "Name of the second voice.", "nova")
