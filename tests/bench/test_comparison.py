"""The comparison of runs with and without answering ahead: latency, savings, and costs."""

from dataclasses import replace

import pytest
from bench.comparison import Comparison
from bench.figures import Integrity, Spending, Timings, Tokens
from bench.ledger import Delays
from bench.report import Report
from tests.bench.reports import conditions

DELAYS = Delays(settled=0.14, speech_end=0.3, stt=0.3, llm=0.25, voice=0.15)


def made(preemptive: str, voice_to_voice: float, dropped: Tokens) -> Report:
    spending = Spending(10, Tokens(10, 1000, 500), dropped)
    timings = Timings(voice_to_voice=[voice_to_voice] * 3)
    return Report(conditions(preemptive=preemptive), timings, Integrity(answers=10), spending)


def compared(off: float, on: float) -> Comparison:
    return Comparison(
        DELAYS,
        0.1,
        made("off", off, Tokens(0, 0, 0)),
        made("on", on, Tokens(1, 90, 25)),
    )


def test_both_figures_are_printed_with_their_budgets() -> None:
    table = compared(off=0.705, on=0.550).table()
    assert "voice to voice p95, ms               705.00   550.00     0.78" in table
    assert "off < 730: met, on < off: met" in table
    assert "words are settled 160 ms before the turn is over, 10 % of questions" in table


@pytest.mark.parametrize(
    ("off", "on", "verdict"),
    [
        (0.740, 0.550, "off < 730: MISSED, on < off: met"),
        (0.705, 0.705, "off < 730: met, on < off: MISSED"),
    ],
)
def test_a_missed_budget_is_reported(off: float, on: float, verdict: str) -> None:
    assert verdict in compared(off, on).table()


def test_the_cost_is_the_ratio_of_dropped_to_kept_tokens() -> None:
    comparison = compared(off=0.705, on=0.550)
    told = comparison.document()
    assert told["extra_prompt_percent"] == pytest.approx(9.0)
    assert told["extra_completion_percent"] == pytest.approx(5.0)
    assert told["saved_p95_ms"] == pytest.approx(155.0)
    table = comparison.table()
    assert "requests to the model, a turn          1.00     1.10     1.10" in table
    assert "for dropped answers: +9.0 %" in table
    assert "for dropped answers: +5.0 %" in table


def test_a_comparison_is_not_judged_if_the_second_run_is_not_valid() -> None:
    comparison = compared(off=0.705, on=0.550)
    late = replace(comparison.on, conditions=replace(comparison.on.conditions, lags=[0.02]))
    table = replace(comparison, on=late).table()
    assert "NOT VALID" in table
    assert "NOT JUDGED" in table
    assert ": met" not in table
    assert "NOT VALID" not in comparison.table()
