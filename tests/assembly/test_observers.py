"""Which observers a call has, by the settings."""

from typing import Any

import pytest
from tests.test_line import BareLine

from avr_sts_speechmatics.assembly.observers import CallObservers
from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observer, Observers
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.records.call_recorder import CallRecorder
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.cost_limit import CostLimit
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory
from avr_sts_speechmatics.telemetry.metrics_observer import CallMetrics, CallsMetrics
from avr_sts_speechmatics.telemetry.prices import Prices
from avr_sts_speechmatics.telemetry.service_states import ServiceStates

CALLER = Caller("a-uuid", "audiosocket", {"from": "4711"})


class Writer:
    def __init__(self) -> None:
        self.changes: list[Change] = []

    def add(self, change: Change) -> None:
        self.changes.append(change)


class Kept:
    """The part of KeptCalls that a recorder needs."""

    def __init__(self) -> None:
        self.writer, self.level = Writer(), "calls"


def observers(*, max_cost: float = 0, **parts: Any) -> tuple[Observer, ...]:
    settings = Settings(max_cost=max_cost)
    made = CallObservers(settings, ServiceStates(), Prices(()), ("", ""), **parts)
    return made(CALLER, BareLine())


def test_the_summary_is_first_because_others_read_it() -> None:
    assert isinstance(observers()[0], CallSummary)
    assert not any(isinstance(one, CallRecorder) for one in observers())


def test_a_call_that_is_kept_is_recorded_with_its_summary() -> None:
    kept = Kept()
    all_of_them = Observers(observers(kept=kept))
    all_of_them.event(CallBegan(CALLER, "desk"))
    all_of_them.close(CallEnded("silence"))
    began, ended = kept.writer.changes
    assert (began.row["uuid"], began.row["caller_number"]) == ("a-uuid", "4711")
    assert (ended.row["reason"], ended.row["turns"], ended.update) == ("silence", 0, True)


def test_a_call_is_counted_if_the_process_has_metrics() -> None:
    metrics = CallsMetrics(m.Metrics(SeriesMemory()), lambda: ["default"], list)
    assert any(isinstance(one, CallMetrics) for one in observers(metrics=metrics))
    assert not any(isinstance(one, CallMetrics) for one in observers())


@pytest.mark.parametrize("most", [0.0, 0.5])
def test_a_call_has_a_limit_of_its_cost_if_one_is_set(most: float) -> None:
    limits = [one for one in observers(max_cost=most) if isinstance(one, CostLimit)]
    assert len(limits) == (most > 0)
