"""Whole calls whose changes of the records are collected, for tests of what is kept of a call."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.calls.live_call import LiveCall, live_call, until
from tests.support import Serve

from avr_sts_speechmatics.assembly import observers
from avr_sts_speechmatics.call.observer import CallEnded, Observer
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.records.call_recorder import CallRecorder
from avr_sts_speechmatics.records.change import Change, TableName
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.turn_times import TurnTimesObserver


class Kept:
    """Changes in their order, and the rows that they make."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def add(self, change: Change) -> None:
        self.changes.append(change)

    def rows(self, table: TableName) -> list[dict[str, Any]]:
        return [
            dict(change.row)
            for change in self.changes
            if change.table == table and not change.update
        ]

    @property
    def call(self) -> dict[str, Any]:
        """The row of the only call, with all its updates."""
        (call,) = self.rows("calls")
        for change in self.changes:
            if change.update:
                call |= change.row
        return call

    @property
    def turns(self) -> list[dict[str, Any]]:
        return self.rows("turns")

    def shown(self) -> list[tuple[str, str, str | None]]:
        """Speaker, kind and words of each speech, in the order of the rows' numbers."""
        turns = sorted(self.turns, key=lambda turn: turn["number"])
        return [
            (turn["speaker"], turn["kind"], turn.get("heard") or turn.get("said")) for turn in turns
        ]

    @property
    def tools(self) -> list[dict[str, Any]]:
        return self.rows("tools")

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [row["details"] for row in self.rows("events") if row["kind"] == kind]


def end_of(ended: CallEnded) -> Mapping[str, object]:
    return {
        "reason": ended.reason,
        "transferred_to": ended.transferred_to or None,
        "error": ended.error or None,
    }


class Recording:
    """Calls of services that are made meanwhile are recorded into `kept`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
        self.kept = Kept()
        self.callers: list[Caller] = []
        made = observers.CallObservers

        def call_observers(*parts: Any, **more: Any) -> Any:
            others = made(*parts, **more)

            def of_call(caller: Caller, line: Line) -> tuple[Observer, ...]:
                self.callers.append(caller)
                summary = CallSummary()
                recorder = CallRecorder(self.kept.add, caller, level, summary.columns, "here")
                times = TurnTimesObserver(summary.turn, recorder.turn)
                return (summary, *others(caller, line), times, recorder)

            return of_call

        monkeypatch.setattr("avr_sts_speechmatics.assembly.parts.CallObservers", call_observers)

    @asynccontextmanager
    async def call(self, serve: Serve, *answers: Any, **changes: Any) -> AsyncIterator[LiveCall]:
        """A call that is over, and completely recorded, at the end."""
        async with live_call(serve, *answers, **changes) as call:
            yield call
            if call.server.health()["calls"]:
                await call.core.hang_up()
            await until(lambda: call.server.health()["calls"] == 0)
