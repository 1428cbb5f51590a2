"""Figures beside those of the bare service, with their ratios."""

from dataclasses import replace

import pytest
from bench.figures import Integrity, Timings
from bench.ratios import BesideBare, figures, side_by_side
from bench.report import Report
from tests.bench.reports import report

CPU = "CPU, ms per second of call"


def made(cpu: float, added: float, lag: float = 0.001, answers: int = 10) -> Report:
    return report(
        Timings(added=[added] * 3), Integrity(answers=answers), service_cpu=cpu, lags=[lag]
    )


def test_each_figure_has_its_ratio() -> None:
    beside = BesideBare([made(3.0, 0.012)], [made(2.0, 0.004)])
    assert beside.ratios["added latency p99, ms"] == pytest.approx(3)
    assert beside.ratios[CPU] == pytest.approx(1.5)
    assert "added latency p99, ms                 12.00     4.00     3.00" in beside.table()
    assert "at most 1.15 of the bare service: MISSED" in beside.table()
    assert "at most 1.35" in BesideBare([made(3, 1)], [made(2, 1)], tls=True).table()
    assert beside.document()["ratio"] == beside.ratios


def test_the_medians_of_several_rounds_are_compared() -> None:
    beside = BesideBare(
        [made(2.2, 0.01), made(9.0, 0.5), made(2.3, 0.01)], [made(cpu, 0.01) for cpu in (2, 2, 8)]
    )
    assert beside.ratios[CPU] == pytest.approx(1.15)
    assert "bare service: met" in beside.table()
    assert BesideBare([made(2, 1), made(4, 1)], [made(3, 1)]).ratios[CPU] == pytest.approx(1)


def test_a_late_load_is_no_comparison_and_a_broken_yardstick_is_told() -> None:
    late = BesideBare([made(2, 0.01)], [made(2, 0.01, lag=0.05)])
    assert "NOT JUDGED" in late.table()
    assert late.document()["valid"] is False
    assert not BesideBare([made(2, 0.01)], [made(2, 0.01, answers=0)]).whole


def test_figures_that_were_not_measured_are_left_out() -> None:
    known = figures(made(2, 0.01).document())
    assert "barge-in to last frame p99, ms" not in known
    assert figures({}) == {}
    assert side_by_side("x", ("a", "b"), known, {}).count("\n") == 0
    assert "-" in side_by_side("x", ("a", "b"), {CPU: 1.0}, {CPU: 0.0}).splitlines()[1]


def test_a_ratio_needs_the_same_figure_in_both() -> None:
    mine = made(2, 0.01)
    silent = replace(mine, timings=Timings())
    assert "added latency p50, ms" not in BesideBare([mine], [silent]).ratios
