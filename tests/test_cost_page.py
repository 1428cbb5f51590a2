"""The cost page follows the price table, and its example is a price file."""

import re
from pathlib import Path

from docs._tools import cost

from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.prices import Prices, default_prices, load_prices

PAGE = cost.PAGE.read_text(encoding="utf-8")
STALE = "run: python docs/_tools/cost.py"


def test_the_page_shows_the_prices_of_the_table() -> None:
    assert cost.page_with(PAGE, cost.tables(default_prices())) == PAGE, STALE


def test_another_price_makes_another_page(tmp_path: Path) -> None:
    dearer = tmp_path / "prices.yaml"
    dearer.write_text("prices: [{service: stt, server: speechmatics.com, per_hour: 9}]")
    changed = cost.page_with(PAGE, cost.tables(load_prices(dearer)))
    assert "0.15000" in changed
    assert changed != PAGE


def test_a_minute_is_the_sum_of_its_parts() -> None:
    *parts, together = re.findall(r"\| \**(\d\.\d{5})\**", cost.tables(default_prices())["minute"])
    assert abs(sum(map(float, parts)) - float(together)) < 2e-5


def test_the_conversation_in_a_request_has_the_limit_of_the_settings() -> None:
    talk, limit = cost.Talk(), Settings().history_tokens
    assert talk.prompt(999, 1000, limit) == talk.turns * (talk.instructions + limit)
    assert talk.prompt(0, 1, limit) < talk.prompt(1, 2, limit)


def test_the_example_of_a_price_file_is_one(tmp_path: Path) -> None:
    example = tmp_path / "prices.yaml"
    (found,) = re.findall(r"```yaml\n(prices:.*?)```", PAGE, re.DOTALL)
    example.write_text(found)
    prices: Prices = load_prices(example)
    own = prices.of("tts", "localhost:8880", "kokoro")
    assert own is not None
    assert len(prices.entries) == len(default_prices().entries) + 3
