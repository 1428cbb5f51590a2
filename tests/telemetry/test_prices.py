"""The price table: read strictly, found by server and model, never a wrong 0."""

from datetime import date
from pathlib import Path

import pytest

from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.prices import SANDBOX, default_prices, load_prices

HEAR = "{service: stt, server: asr.test, per_hour: 3.6}"


def of_text(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    return path


# --- the default table --------------------------------------------------------------------------


def test_every_default_price_has_its_source_and_the_day_on_which_it_was_read() -> None:
    prices = default_prices()
    assert prices.currency == "USD"
    made = date.fromisoformat(prices.date)
    for entry in prices.entries:
        assert entry.source
        assert date.fromisoformat(entry.read) <= made


def test_the_services_that_a_newcomer_with_keys_uses_have_a_price() -> None:
    prices, model = default_prices(), Settings().openai_model
    assert prices.of("stt", "eu.rt.speechmatics.com", "linden-1") is not None
    assert prices.of("llm", "api.openai.com", model) is not None
    assert prices.of("tts", "preview.tts.speechmatics.com", "") is not None


def test_the_sandbox_is_free_and_another_server_of_this_machine_is_not_known() -> None:
    prices = load_prices(None, {"127.0.0.1:7000": SANDBOX})
    free = prices.of("tts", "127.0.0.1:7000", "")
    assert free is not None
    assert free.character == 0
    assert prices.of("tts", "127.0.0.1:8880", "kokoro") is None


# --- which entry counts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "found"),
    [
        ("asr.test", True),
        ("eu.asr.test", True),
        ("eu.asr.test:8443", True),
        ("otherasr.test", False),
        ("asr.test.elsewhere", False),
        ("", False),
    ],
)
def test_a_server_is_found_by_the_end_of_its_host(tmp_path: Path, server: str, found: bool) -> None:
    prices = load_prices(of_text(tmp_path, f"prices: [{HEAR}]"))
    assert (prices.of("stt", server, "any") is not None) == found
    assert prices.of("tts", server, "any") is None


def test_a_port_in_the_table_is_that_port_alone(tmp_path: Path) -> None:
    text = 'prices: [{service: tts, server: "localhost:8880", per_1m_characters: 0}]'
    prices = load_prices(of_text(tmp_path, text))
    assert prices.of("tts", "localhost:8880", "kokoro") is not None
    assert prices.of("tts", "localhost:8881", "kokoro") is None


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("gpt-6-luna", True),
        ("gpt-6-luna-2026-09-22", True),
        ("gpt-6-luna-fast", False),
        ("gpt-6-lun", False),
        ("openai/gpt-6-luna", False),
    ],
)
def test_a_snapshot_costs_what_its_model_costs_and_a_variant_does_not(
    model: str, found: bool
) -> None:
    assert (default_prices().of("llm", "api.openai.com", model) is not None) == found


def test_an_operators_entry_replaces_and_adds(tmp_path: Path) -> None:
    text = """
    prices:
      - service: llm
        server: api.openai.com
        model: gpt-6-luna
        per_1m_tokens: {prompt: 7, completion: 9}
      - {service: stt, server: localhost, per_minute: 0}
    """
    prices = load_prices(of_text(tmp_path, text))
    own = prices.of("llm", "api.openai.com", "gpt-6-luna")
    assert own is not None
    assert (own.prompt, own.cached, own.completion) == (7e-6, 7e-6, 9e-6)
    free = prices.of("stt", "localhost:8000", "whisper")
    assert free is not None
    assert free.second == 0
    assert prices.of("llm", "api.openai.com", "gpt-6-sol") is not None


def test_the_default_table_can_be_left_out(tmp_path: Path) -> None:
    text = f"{{currency: EUR, defaults: false, prices: [{HEAR}]}}"
    prices = load_prices(of_text(tmp_path, text))
    assert prices.currency == "EUR"
    assert len(prices.entries) == 1
    hear = prices.of("stt", "asr.test", "")
    assert hear is not None
    assert hear.second == pytest.approx(0.001)


def test_services_without_a_price_are_named_once(tmp_path: Path) -> None:
    prices = load_prices(of_text(tmp_path, f"prices: [{HEAR}]"))
    assert prices.unknown(
        [
            ("stt", "asr.test", "any"),
            ("tts", "localhost:8880", "kokoro"),
            ("tts", "localhost:8880", "kokoro"),
            ("tts", "voice.test", ""),
        ]
    ) == ["tts kokoro at localhost:8880", "tts at voice.test"]


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "give a mapping with the keys currency, date and prices"),
        ("prices: 3", "prices: give a list"),
        ("currency: Dollar\nprices: []", "currency: give three capital letters"),
        ("currency: EUR\nprices: []", "the default prices are in USD; give defaults: false"),
        ("defaults: perhaps\nprices: []", "defaults: 'perhaps': give true or false"),
        ("defaults: false\nprices: []", "currency: give three capital letters"),
        ("price: []", "price: unknown; the keys are"),
        ("prices: [7]", "prices[1]: give a mapping"),
        (f"prices: [{HEAR}, {{service: asr}}]", "prices[2].service: give one of stt, llm, tts"),
        ("prices: [{service: stt, server: x}]", "prices[1].per_hour: give one price"),
        (
            "prices: [{service: stt, server: x, per_hour: 1, per_minute: 1}]",
            "prices[1].per_hour: give one price: per_hour or per_minute",
        ),
        ("prices: [{service: stt, server: x, per_hour: -1}]", "prices[1].per_hour: give a number"),
        ("prices: [{service: stt, server: x, per_hour: nan}]", "prices[1].per_hour: give a number"),
        ("prices: [{service: tts, server: x, per_hour: 1}]", "prices[1].per_hour: unknown"),
        ("prices: [{service: tts, per_1m_characters: 1}]", "prices[1].server: give a text"),
        (
            "prices: [{service: tts, server: 'http://x/v1', per_1m_characters: 1}]",
            "prices[1].server: 'http://x/v1': give a host",
        ),
        (
            "prices: [{service: llm, server: x, per_1m_tokens: 1}]",
            "prices[1].per_1m_tokens: give a mapping with the keys prompt, cached, completion",
        ),
        (
            "prices: [{service: llm, server: x, per_1m_tokens: {prompt: 1}}]",
            "prices[1].per_1m_tokens.completion: give a number from 0 on",
        ),
        (
            "prices: [{service: llm, server: x, per_1m_tokens: {input: 1}}]",
            "prices[1].per_1m_tokens.input: unknown; the keys are prompt, cached, completion",
        ),
        ("prices: [", "line 1"),
    ],
)
def test_a_mistake_in_the_file_names_the_file_and_the_key(
    tmp_path: Path, text: str, says: str
) -> None:
    path = of_text(tmp_path, text)
    with pytest.raises(SettingsError) as failed:
        load_prices(path)
    assert str(failed.value).startswith(f"PRICES_FILE={path}: ")
    assert says in str(failed.value)


def test_a_file_that_cannot_be_read_is_a_mistake_too(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="PRICES_FILE="):
        load_prices(path)
