"""Settings: Speechmatics' speech-to-text (STT) and text-to-speech (TTS)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting
from avr_sts_speechmatics.values import Secret, VocabEntry

REGIONS = ("eu", "us", "global")


@dataclass(frozen=True, kw_only=True)
class SpeechServices:
    """Key, addresses, language, voice and vocabulary."""

    speechmatics_api_key: Secret | None = setting(
        check.api_key,
        "Speechmatics' key, for speech-to-text (STT) and text-to-speech (TTS). Without a key the "
        "offline sandbox does both.",
        common=True,
    )
    stt: str = setting(
        check.one_of("agent", "realtime", "openai"),
        "Recogniser (STT): `agent` (Speechmatics Agent STT, cloud only), `realtime` (Speechmatics' "
        "real-time API, also in a container of your own), `openai` (any server with OpenAI's "
        "realtime transcription).",
        "agent",
    )
    speechmatics_region: str = setting(
        check.one_of(*REGIONS),
        f"Region in which speech is recognised: {', '.join(f'`{r}`' for r in REGIONS)}.",
        "eu",
    )
    speechmatics_rt_url: str | None = setting(
        check.base_url("ws", "wss"),
        "Base address of Speechmatics' STT, such as `ws://container:9000/v2`; `/agent` is appended "
        "for `STT=agent`. Overrides `SPEECHMATICS_REGION`.",
        default_text="by region",
    )
    speechmatics_tts_url: str | None = setting(
        check.base_url("http", "https"),
        "Base address of TTS.",
        default_text="`https://preview.tts.speechmatics.com`",
    )
    speechmatics_language: str = setting(
        check.language,
        "Speechmatics' code for the language of the caller.",
        "en",
        common=True,
    )
    speechmatics_voice: str = setting(
        check.voice,
        "Voice of the agent: `sarah`, `theo` (UK), `megan`, `jack` (US).",
        "sarah",
        common=True,
    )
    speechmatics_model: str | None = setting(
        check.name,
        "Speechmatics' STT model.",
        default_text="by `STT`: `linden-1` for `agent`, `enhanced` for `realtime`",
    )
    speechmatics_max_sessions: int | None = setting(
        check.whole(1, 100_000),
        "Sessions of real-time STT that the plan allows at once; every call needs one, and a "
        "further call is refused. Without a value, new calls are refused for a while after "
        "Speechmatics has refused a session.",
        default_text="none",
    )
    speechmatics_additional_vocab: tuple[VocabEntry, ...] = setting(
        check.vocab,
        "Words that callers are likely to say: separated by commas, or Speechmatics' JSON list "
        "with `sounds_like`.",
        (),
        default_text="none",
    )
    phrase_cache_dir: Path | Literal["off"] | None = setting(
        check.directory_or_off,
        "Directory in which the speech of fixed phrases (welcome, fillers, apologies) is kept "
        "between starts, at most 64 MB; phrases older than 7 days are synthesised anew in the "
        "background. Nothing that callers or models say is kept. `off`: nothing is kept. The "
        "voice of the sandbox is never kept.",
        default_text="`~/.cache/avr-sts-speechmatics/phrases`; in the image "
        "`/var/cache/avr-sts-speechmatics`",
    )
