"""Which services need a price under which settings."""

from pathlib import Path
from typing import Any

import pytest

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.priced_services import priced_services, prices_of, unpriced
from avr_sts_speechmatics.values import Secret

SANDBOX_URL = "http://127.0.0.1:7000"
KEYS: dict[str, Any] = {
    "speechmatics_api_key": Secret("a-key"),
    "openai_api_key": Secret("another-key"),
}


def services(**changes: Any) -> list[tuple[str, str, str]]:
    settings = Settings(**changes)
    return list(priced_services(settings, Agents.load(settings), SANDBOX_URL))


def hints(**changes: Any) -> list[str]:
    settings = Settings(**changes)
    prices = prices_of(settings, SANDBOX_URL)
    return list(unpriced(prices, settings, Agents.load(settings), SANDBOX_URL))


def test_the_clouds_with_keys_are_priced() -> None:
    assert services(**KEYS) == [
        ("stt", "eu.rt.speechmatics.com", "linden-1"),
        ("llm", "api.openai.com", "gpt-6-luna"),
        ("tts", "preview.tts.speechmatics.com", ""),
    ]
    assert hints(**KEYS) == []


def test_offline_nothing_costs_anything_and_nothing_is_said() -> None:
    assert services() == [
        ("stt", "127.0.0.1:7000", "linden-1"),
        ("tts", "127.0.0.1:7000", ""),
    ]
    assert hints() == []


def test_the_second_voice_and_the_models_of_agents_are_priced(tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").write_text("instructions: Sell.\nmodel: gpt-6-sol\n")
    found = services(**KEYS, agents_dir=tmp_path, voice_fallback="openai")
    assert ("llm", "api.openai.com", "gpt-6-sol") in found
    assert ("tts", "api.openai.com", "gpt-4o-mini-tts") in found


def test_a_server_of_ones_own_is_not_known_to_be_free() -> None:
    (hint,) = hints(
        stt="openai",
        openai_stt_url="http://localhost:8000/v1",
        openai_stt_model="whisper",
        openai_base_url="http://localhost:11434/v1",
        openai_model="qwen3",
        tts="http",
        openai_tts_url="http://localhost:8880/v1",
        openai_tts_model="kokoro",
    )
    assert hint == (
        "The cost of calls is not known: no price of stt whisper at localhost:8000, "
        "llm qwen3 at localhost:11434, tts kokoro at localhost:8880. Give prices in PRICES_FILE; "
        "see docs/cost.md."
    )


def test_a_price_file_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "prices.yaml"
    wrong.write_text("prices: [{service: stt, server: x, per_hour: much}]")
    with pytest.raises(SettingsError, match=r"prices\[1\]\.per_hour: give a number from 0 on"):
        prices_of(Settings(prices_file=wrong), SANDBOX_URL)


def test_a_limit_of_the_cost_needs_all_prices() -> None:
    with pytest.raises(SettingsError) as failed:
        hints(**KEYS, openai_model="gpt-7", max_cost=0.5)
    assert str(failed.value) == (
        "MAX_COST=0.5: the cost of calls is not known: no price of llm gpt-7 at api.openai.com; "
        "give prices in PRICES_FILE, or unset MAX_COST"
    )
    assert hints(**KEYS, max_cost=0.5) == []
