"""Settings: recognisers (STT) besides Speechmatics Agent STT."""

from dataclasses import dataclass

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret


@dataclass(frozen=True, kw_only=True)
class Recognisers:
    """What other recognisers need beyond the settings of Agent STT."""

    stt_silence_ms: float = setting(
        check.number(200, 2000, "milliseconds"),
        "Silence after which the caller's turn is over, for recognisers that cannot tell whether "
        "the caller has finished (`STT` other than `agent`) (ms).",
        600.0,
    )
    stt_max_delay_ms: float = setting(
        check.number(700, 4000, "milliseconds"),
        "Longest wait from the end of a word until `STT=realtime` may no longer change the word "
        "(ms). Raised above `STT_SILENCE_MS` where it is not longer.",
        1000.0,
    )
    openai_stt_url: str | None = setting(
        check.base_url("http", "https", "ws", "wss", without="/realtime"),
        "Base address of any server with OpenAI's realtime transcription, for `STT=openai`, such "
        "as `http://localhost:8000/v1` (speaches).",
        default_text="OpenAI",
    )
    openai_stt_api_key: Secret | None = setting(
        check.api_key,
        "Key of that server.",
        default_text="`OPENAI_API_KEY`, where `OPENAI_BASE_URL` is the same server",
    )
    openai_stt_model: str | None = setting(
        check.name,
        "Model of that server, such as `Systran/faster-whisper-small`.",
        default_text="OpenAI: `gpt-live-transcribe`",
    )
