"""The lag of the event loop: the 95th percentile of the last seconds decides, one stop does not."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import until

from avr_sts_speechmatics.admission.loop_lag import (
    BEAT_S,
    CALM,
    FEWEST,
    WINDOW_S,
    LagWindow,
    LoopLag,
)

LIMIT_S = 0.03


class Beats:
    """A window, and the time of its beats."""

    def __init__(self) -> None:
        self.now = 100.0
        self.window = LagWindow(LIMIT_S)

    def beat(self, lag: float = 0.0, times: int = 1) -> bool:
        for _ in range(times):
            self.now += BEAT_S + lag
            self.window.add(self.now, lag)
        return self.window.overloaded

    def until_changed(self, lag: float = 0.0) -> float:
        """Beat until the judgement changes; returns how long that took (s)."""
        begun, before = self.now, self.window.overloaded
        while self.window.overloaded is before:
            self.beat(lag)
            assert self.now - begun < 60
        return self.now - begun


def in_time() -> Beats:
    beats = Beats()
    beats.beat(0.001, times=400)
    return beats


def test_a_loop_that_is_always_late_is_overloaded_within_a_second() -> None:
    assert in_time().until_changed(0.04) < 1.0


def test_a_loop_that_is_late_by_a_second_each_time_is_overloaded_too() -> None:
    assert in_time().until_changed(1.3) < 6.0


def test_a_loop_that_is_on_time_again_takes_calls_within_the_window() -> None:
    beats = in_time()
    beats.beat(0.04, times=400)
    assert beats.until_changed(0.001) <= WINDOW_S + 0.1


@pytest.mark.parametrize("standstill", [0.2, 3.0, 60.0])
def test_a_single_standstill_refuses_nobody(standstill: float) -> None:
    beats = in_time()
    assert not beats.beat(standstill)
    assert not any(beats.beat(0.001) for _ in range(400))


def test_a_collector_that_stops_the_loop_every_two_seconds_is_no_overload() -> None:
    beats = in_time()
    for _ in range(20):
        assert not any(beats.beat(0.001) for _ in range(75))
        assert not beats.beat(0.07)


def test_nothing_is_judged_before_there_are_enough_beats() -> None:
    beats = Beats()
    assert not any(beats.beat(1.0) for _ in range(FEWEST - 1))
    assert beats.beat(1.0)


def test_calls_are_taken_again_only_when_the_lag_is_well_below_the_limit() -> None:
    beats = in_time()
    beats.beat(0.04, times=400)
    between = LIMIT_S * (CALM + 1) / 2
    assert beats.beat(between, times=1000)
    assert not beats.beat(LIMIT_S * CALM / 2, times=1000)
    assert not beats.beat(between, times=1000)


@given(st.lists(st.floats(0, 0.06), min_size=FEWEST, max_size=3 * FEWEST))
def test_a_service_is_overloaded_exactly_if_the_percentile_is_above_the_limit(
    lags: list[float],
) -> None:
    window = LagWindow(LIMIT_S)
    for number, lag in enumerate(lags):
        before = window.overloaded
        window.add(number * BEAT_S, lag)
        if number + 1 >= FEWEST:
            limit = LIMIT_S * CALM if before else LIMIT_S
            assert window.overloaded is (window.p95() > limit)


@given(st.lists(st.floats(0, 0.06), max_size=500))
def test_the_window_is_bounded(lags: list[float]) -> None:
    window = LagWindow(LIMIT_S)
    for number, lag in enumerate(lags):
        window.add(number * BEAT_S, lag)
    assert len(window) <= WINDOW_S / BEAT_S + 1


async def test_a_loop_that_blocks_is_measured_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    lag = LoopLag(10.0)
    lag.start()
    try:
        async with asyncio.timeout(20):
            while not lag.overloaded:
                time.sleep(0.04)  # noqa: ASYNC251 - the load
                await asyncio.sleep(0)
        assert lag.p95_ms > 10
        assert caplog.text.count("the service is overloaded") == 1
        assert "OVERLOAD_LAG_MS=10" in caplog.text
        lag.forget()
        assert not lag.overloaded
    finally:
        lag.stop()


async def test_a_limit_of_zero_measures_nothing() -> None:
    lag = LoopLag(0.0)
    lag.start()
    await asyncio.sleep(3 * BEAT_S)
    assert lag.p95_ms == 0
    assert not lag.overloaded
    lag.stop()


async def test_a_loop_without_calls_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    lag = LoopLag(10_000.0)
    lag.start()
    try:
        await until(lambda: len(lag._window) >= 3)
    finally:
        lag.stop()
    assert lag.p95_ms < 10_000
