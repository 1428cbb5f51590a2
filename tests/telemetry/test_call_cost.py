"""The cost of a call: the sum of its parts, never negative, and unknown rather than wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.call.observer import TokensUsed
from avr_sts_speechmatics.services.use import AudioSent, TextSent
from avr_sts_speechmatics.telemetry.call_cost import DECIMALS, CallCost
from avr_sts_speechmatics.telemetry.prices import Prices, default_prices

PRICES = default_prices()
STT = "eu.rt.speechmatics.com", "linden-1"
LLM = "api.openai.com", "gpt-6-luna"
TTS = "preview.tts.speechmatics.com", ""


def tokens(prompt: int, cached: int, completion: int) -> TokensUsed:
    return TokensUsed(1, prompt, cached, completion, *LLM)


def cost_of(*used: AudioSent | TextSent | TokensUsed, prices: Prices = PRICES) -> CallCost:
    cost = CallCost(prices)
    for one in used:
        cost.add(one)
    return cost


uses = st.one_of(
    st.floats(0, 86_400).map(lambda seconds: AudioSent(*STT, seconds)),
    st.integers(0, 100_000).map(lambda characters: TextSent(*TTS, characters)),
    st.tuples(*3 * [st.integers(0, 1_000_000)]).map(lambda counted: tokens(*counted)),
)


def test_each_unit_is_charged_at_its_price() -> None:
    assert cost_of(AudioSent(*STT, 3600)).amount == pytest.approx(0.16)
    assert cost_of(TextSent(*TTS, 1_000_000)).amount == pytest.approx(11)
    assert cost_of(tokens(1_000_000, 0, 0)).amount == pytest.approx(0.10)
    assert cost_of(tokens(1_000_000, 1_000_000, 0)).amount == pytest.approx(0.01)
    assert cost_of(tokens(0, 0, 1_000_000)).amount == pytest.approx(0.50)


@given(st.lists(uses), st.lists(uses))
def test_two_halves_of_a_call_cost_what_the_call_costs(
    first: list[TextSent], second: list[TextSent]
) -> None:
    whole = cost_of(*first, *second).known
    assert whole == pytest.approx(cost_of(*first).known + cost_of(*second).known)
    assert whole == pytest.approx(cost_of(*second, *first).known)


@given(st.lists(uses), uses)
def test_a_call_never_becomes_cheaper(before: list[TextSent], more: TextSent) -> None:
    assert 0 <= cost_of(*before).known <= cost_of(*before, more).known


@given(st.lists(uses))
def test_rounding_changes_less_than_a_millionth(used: list[TextSent]) -> None:
    cost = cost_of(*used)
    assert cost.amount is not None
    assert abs(cost.amount - cost.known) <= 0.5 * 10**-DECIMALS + 1e-9
    assert f"{cost.amount:.{DECIMALS}f}" == f"{round(cost.amount, DECIMALS):.{DECIMALS}f}"


@given(st.lists(uses))
def test_one_service_without_a_price_makes_the_cost_unknown(used: list[TextSent]) -> None:
    cost = cost_of(*used, TokensUsed(1, 10, 0, 3, "localhost:11434", "qwen3"), *used)
    assert cost.amount is None
    assert list(cost.unknown) == ["llm qwen3 at localhost:11434"]


def test_what_was_not_used_need_not_be_known() -> None:
    cost = cost_of(AudioSent("asr.test", "", 0.0), TextSent("voice.test", "", 0))
    assert cost.amount == 0


@given(st.integers(0, 1000), st.integers(0, 2000))
def test_a_server_that_counts_more_cached_than_asked_tokens_gives_nothing_away(
    prompt: int, cached: int
) -> None:
    assert cost_of(tokens(prompt, cached, 0)).known >= cost_of(tokens(prompt, prompt, 0)).known
