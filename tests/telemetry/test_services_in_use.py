"""The services in `/health`: who hears, speaks and answers, without secrets."""

import pytest

from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.services_in_use import services_in_use
from avr_sts_speechmatics.values import Secret

KEY = Secret("a-key")


@pytest.mark.parametrize(
    ("settings", "service", "shown"),
    [
        (Settings(), "stt", "sandbox"),
        (Settings(), "tts", "sandbox"),
        (Settings(), "llm", "receptionist (scripted)"),
        (Settings(speechmatics_api_key=KEY), "llm", "nobody (no model is set)"),
        (Settings(openai_api_key=KEY, openai_model="small"), "llm", "openai (small)"),
        (
            Settings(openai_base_url="http://llm:8000/v1?token=secret", openai_model="small"),
            "llm",
            "http://llm:8000/v1 (small)",
        ),
        (
            Settings(speechmatics_rt_url="ws://stt:9000/v2?jwt=secret"),
            "stt",
            "ws://stt:9000/v2/agent",
        ),
        (
            Settings(speechmatics_tts_url="http://tts:9000?key=secret"),
            "tts",
            "http://tts:9000",
        ),
        (
            Settings(tts="http", openai_tts_url="http://tts:8880/v1", openai_tts_model="kokoro"),
            "tts",
            "http://tts:8880/v1 (kokoro)",
        ),
    ],
)
def test_a_service_is_an_address_or_who_stands_in(
    settings: Settings, service: str, shown: str
) -> None:
    assert services_in_use(settings)[service] == shown
