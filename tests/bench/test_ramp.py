"""The ramp finds the most calls that are carried, and says when the load was the limit."""

import asyncio
from collections.abc import Callable

import pytest
from bench.figures import Integrity, Timings
from bench.ramp import Ramp, Step, climb, judged
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.reports import report


def climbed(first: int, most: int, step: Callable[[int], Step]) -> Ramp:
    async def attempt(calls: int) -> Step:
        return step(calls)

    return asyncio.run(climb(first, most, attempt))


def service_of(capacity: int) -> Callable[[int], Step]:
    return lambda calls: Step(calls, float(calls), "", "" if calls <= capacity else "too late")


@given(st.integers(1, 675), st.integers(0, 800))
def test_the_limit_of_the_service_is_found(first: int, capacity: int) -> None:
    ramp = climbed(first, 675, service_of(capacity))
    assert ramp.most <= capacity
    assert ramp.most >= min(capacity, 675) - max(1, 0.06 * ramp.most)
    assert not ramp.limited_by_load
    assert len(ramp.steps) < 25
    assert all(1 <= step.calls <= 675 for step in ramp.steps)


@given(st.integers(1, 675), st.integers(1, 600))
def test_a_late_load_is_not_taken_for_the_limit_of_the_service(first: int, late_from: int) -> None:
    def step(calls: int) -> Step:
        return Step(calls, 5.0, "the load was late" if calls >= late_from else "", "")

    ramp = climbed(first, 675, step)
    assert ramp.limited_by_load
    assert ramp.most < late_from
    assert "give it more cores" in ramp.table()


def test_a_step_that_says_nothing_is_repeated_once() -> None:
    doubts = iter(["others used the core", ""])

    def step(calls: int) -> Step:
        doubt = next(doubts, "") if calls == 100 else ""
        return Step(calls, 5.0, doubt, "" if calls <= 120 else "too late")

    ramp = climbed(100, 675, step)
    assert [s.calls for s in ramp.steps][:2] == [100, 100]
    assert 112 <= ramp.most <= 120
    assert not ramp.limited_by_load
    assert "no verdict: others used the core" in ramp.table()


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (report(), ""),
        (report(Timings(added=[0.06] * 5)), "too late"),
        (report(integrity=Integrity(5, faults=["call 3: lost"])), "not whole: 1 faults, first: "),
        (report(integrity=Integrity(0)), "not whole: 0 faults, first: no answer was heard"),
    ],
)
def test_carried_means_in_time_and_whole(made: object, fault: str) -> None:
    step = judged(100, made)  # type: ignore[arg-type]
    assert step.fault.startswith(fault)
    assert bool(step.fault) == bool(fault)
    assert step.doubt == ""


def test_the_doubt_of_a_run_is_the_doubt_of_its_step() -> None:
    assert "5 ms late" not in judged(100, report(lags=[0.05])).doubt
    assert "50.0 ms late" in judged(100, report(lags=[0.05])).doubt
