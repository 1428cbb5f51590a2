"""Which observers a call has, by the settings."""

from typing import Any

from tests.test_line import BareLine

from avr_sts_speechmatics.assembly.observers import observers_of
from avr_sts_speechmatics.call.observer import CallBegan, CallEnded, Observer, Observers
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.records.call_recorder import CallRecorder
from avr_sts_speechmatics.records.change import Change
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
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


def observers(kept: Any = None) -> tuple[Observer, ...]:
    made = observers_of(Settings(), None, None, ServiceStates(), Prices(()), ("", ""), kept)
    return made(CALLER, BareLine())


def test_the_summary_is_first_because_others_read_it() -> None:
    assert isinstance(observers()[0], CallSummary)
    assert not any(isinstance(one, CallRecorder) for one in observers())


def test_a_call_that_is_kept_is_recorded_with_its_summary() -> None:
    kept = Kept()
    all_of_them = Observers(observers(kept))
    all_of_them.event(CallBegan(CALLER, "desk"))
    all_of_them.close(CallEnded("silence"))
    began, ended = kept.writer.changes
    assert (began.row["uuid"], began.row["caller_number"]) == ("a-uuid", "4711")
    assert (ended.row["reason"], ended.row["turns"], ended.update) == ("silence", 0, True)
