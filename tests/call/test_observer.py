"""Observers: all of a call is reported to each, and a faulty one harms nobody."""

import asyncio
import time

import pytest

from avr_sts_speechmatics.call.observer import (
    CallEnded,
    DialogueAdviser,
    KeyReceived,
    Observed,
    Observers,
)
from avr_sts_speechmatics.dialogue import events as ev


class Watching:
    """Keeps what is reported to it; fails at one report if asked to."""

    def __init__(self, fails_at: object = None) -> None:
        self.seen: list[object] = []
        self.times: list[float] = []
        self._fails_at = fails_at

    def event(self, at: float, event: Observed) -> None:
        self._keep(at, event)

    def command(self, at: float, command: ev.Command) -> None:
        self._keep(at, command)

    def _keep(self, at: float, report: object) -> None:
        self.seen.append(report)
        self.times.append(at)
        if report == self._fails_at:
            raise ZeroDivisionError("a fault of an observer")


def test_everything_is_reported_to_each_observer_in_order_with_its_time() -> None:
    first, second = Watching(), Watching()
    observers, before = Observers((first, second)), time.monotonic()
    observers.event(ev.CallStarted())
    observers.command(ev.Say(1, "Hello."))
    observers.event(KeyReceived("1"))
    assert first.seen == second.seen == [ev.CallStarted(), ev.Say(1, "Hello."), KeyReceived("1")]
    assert first.times == second.times == sorted(first.times)
    assert before <= first.times[0] <= time.monotonic()


@pytest.mark.parametrize("report", [ev.CallStarted(), ev.Flush()])
def test_an_observer_that_fails_is_logged_once_and_left_out(
    caplog: pytest.LogCaptureFixture, report: ev.CallStarted | ev.Flush
) -> None:
    before, faulty, after = Watching(), Watching(fails_at=report), Watching()
    observers = Observers((before, faulty, after))
    for _ in range(3):
        observers.event(ev.CallStarted())
        observers.command(ev.Flush())
    assert before.seen == after.seen == [ev.CallStarted(), ev.Flush()] * 3
    assert faulty.seen[-1] == report
    assert len(faulty.seen) <= 2
    (record,) = caplog.records
    assert record.getMessage().startswith("Watching failed")
    assert "ZeroDivisionError" in caplog.text


def test_nothing_is_reported_after_the_end_of_the_call() -> None:
    watching = Watching()
    observers = Observers((watching,))
    observers.close()
    observers.event(KeyReceived("1"))
    observers.command(ev.Flush())
    assert watching.seen == [CallEnded()]


class Adviser(DialogueAdviser):
    def __init__(self, reports: list[object]) -> None:
        self.reports = reports

    def event(self, at: float, event: Observed) -> None:
        self.tell_soon(ev.CostReached())

    def command(self, at: float, command: ev.Command) -> None:
        pass


async def test_an_adviser_tells_the_dialogue_after_all_observers_have_the_report() -> None:
    happened: list[object] = []
    told = asyncio.Event()

    def tell(event: ev.Event) -> None:
        happened.append(event)
        told.set()

    class Watching:
        def event(self, at: float, event: Observed) -> None:
            happened.append(event)

        def command(self, at: float, command: ev.Command) -> None:
            pass

    observers = Observers((Adviser(happened), Watching()), tell)
    observers.event(ev.CallStarted())
    await told.wait()
    assert happened == [ev.CallStarted(), ev.CostReached()]
