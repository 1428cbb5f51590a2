"""The observers of a call: each part of the service that wants one has it, in the right order."""

from typing import Any

import pytest

from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observed
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.call_observers import CallObservers
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.cost_limit import CostLimit
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory
from avr_sts_speechmatics.telemetry.metrics_observer import CallMetrics, CallsMetrics
from avr_sts_speechmatics.telemetry.prices import Prices, default_prices
from avr_sts_speechmatics.telemetry.service_states import ServiceStates
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes

CALLER = Caller("a-call", "audiosocket")


class NoLine(Line):
    def open_playout(self, pacing: object, finished: object) -> Any:
        raise NotImplementedError

    def close(self, *, failed: bool) -> None: ...


class Recorder:
    """Keeps what it is told, with the length of the call that the summary knows."""

    def __init__(self, caller: Caller, summary: CallSummary) -> None:
        self.caller, self.summary = caller, summary
        self.ended: list[object] = []
        self.turns: list[TurnTimes] = []

    def event(self, at: float, event: Observed) -> None:
        if isinstance(event, CallEnded):
            self.ended.append(self.summary.columns(event)["duration_s"])

    def command(self, at: float, command: ev.Command) -> None: ...

    def turn(self, times: TurnTimes) -> None:
        self.turns.append(times)


@pytest.fixture
def prices() -> Prices:
    return default_prices()


def test_those_who_keep_a_call_find_its_summary_complete_and_get_its_turns(prices: Prices) -> None:
    recorders: list[Recorder] = []

    def recorder(caller: Caller, summary: CallSummary) -> Recorder:
        recorders.append(Recorder(caller, summary))
        return recorders[-1]

    calls = CallsMetrics(m.Metrics(SeriesMemory()), lambda: ["default"], list)
    made = CallObservers(
        Settings(), ServiceStates(), prices, ("", ""), metrics=calls, recorder=recorder
    )
    observers = made(CALLER, NoLine())
    assert any(isinstance(one, CallMetrics) for one in observers)
    happened: tuple[tuple[float, Any], ...] = (
        (10.0, CallBegan(CALLER, "default")),
        (11.0, ev.StartReply(1, ())),
        (72.5, CallEnded()),
    )
    for at, what in happened:
        for one in observers:
            if isinstance(what, ev.StartReply):
                one.command(at, what)
            else:
                one.event(at, what)
    (kept,) = recorders
    assert kept.caller is CALLER
    assert kept.ended == [62.5]


@pytest.mark.parametrize("most", [0.0, 0.5])
def test_a_call_has_a_limit_of_its_cost_if_one_is_set(prices: Prices, most: float) -> None:
    made = CallObservers(Settings(max_cost=most), ServiceStates(), prices, ("", ""))
    limits = [one for one in made(CALLER, NoLine()) if isinstance(one, CostLimit)]
    assert len(limits) == (most > 0)
