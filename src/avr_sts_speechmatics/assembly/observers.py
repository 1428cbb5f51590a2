"""The observers of each call: which there are, and in which order."""

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from avr_sts_speechmatics.call.observer import Observer
from avr_sts_speechmatics.console.live_calls import LiveCalls
from avr_sts_speechmatics.console.live_observer import LiveObserver
from avr_sts_speechmatics.line import Caller, Line
from avr_sts_speechmatics.records.call_recorder import CallRecorder
from avr_sts_speechmatics.records.kept_calls import KeptCalls
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.telemetry.call_records import CallRecords
from avr_sts_speechmatics.telemetry.call_summary import CallSummary
from avr_sts_speechmatics.telemetry.call_trace import CallTraces
from avr_sts_speechmatics.telemetry.call_webhooks import CallWebhooks
from avr_sts_speechmatics.telemetry.cost_limit import CostLimit
from avr_sts_speechmatics.telemetry.log_lines import CallLog
from avr_sts_speechmatics.telemetry.metrics_observer import CallsMetrics
from avr_sts_speechmatics.telemetry.open_telemetry import OpenTelemetry
from avr_sts_speechmatics.telemetry.prices import Prices
from avr_sts_speechmatics.telemetry.service_states import ServiceStates, ServiceWatch
from avr_sts_speechmatics.telemetry.turn_times import TurnTimes, TurnTimesObserver
from avr_sts_speechmatics.telemetry.webhooks import Webhooks

if TYPE_CHECKING:
    from avr_sts_speechmatics.records.outcome_filling import Outcomes


class TurnObserver(Observer, Protocol):
    """An observer that also wants the times of each finished answer."""

    def turn(self, times: TurnTimes) -> None:
        """Take the times of a finished answer."""


@dataclass(frozen=True, slots=True)
class CallObservers:
    """Makes the observers of a call.

    settings: what may be logged, and how much a call may cost.
    states: states of the services, which calls report.
    prices: prices of the services.
    recogniser: server and model of the recogniser, for the limit of the cost.
    webhooks, traces, metrics, kept, live, spans, outcomes: None for none.
    process: names this process in the records.
    """

    settings: Settings
    states: ServiceStates
    prices: Prices
    recogniser: tuple[str, str]
    webhooks: Webhooks | None = None
    traces: CallTraces | None = None
    metrics: CallsMetrics | None = None
    kept: KeptCalls | None = None
    live: LiveCalls | None = None
    spans: OpenTelemetry | None = None
    outcomes: "Outcomes | None" = None
    process: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")

    def __call__(self, caller: Caller, line: Line) -> tuple[Observer, ...]:
        settings = self.settings
        # First: others read the summary when the call ends.
        summary = CallSummary(self.prices)
        log = CallLog(summary, transcripts=settings.log_transcripts)
        # Before the log and the records, which name the trace.
        traced = [] if self.spans is None else [self.spans.observer(caller, summary.columns)]
        turns: list[TurnObserver] = [summary, *traced, CallRecords(line), log]
        if (kept := self.kept) is not None:
            add, process = kept.writer.add, self.process
            turns.append(CallRecorder(add, caller, kept.level, summary.columns, process))
        if self.metrics is not None:
            turns.append(self.metrics.observer(summary))
        times = TurnTimesObserver(*(one.turn for one in turns))
        found: list[Observer] = [summary, times, *turns[1:], ServiceWatch(self.states)]
        if settings.max_cost:
            found.append(CostLimit(self.prices, settings.max_cost, self.recogniser))
        if self.webhooks is not None:
            found.append(CallWebhooks(self.webhooks, caller.uuid, summary))
        if self.outcomes is not None:
            found.append(self.outcomes.observer(caller, summary))
        if self.traces is not None:
            found.append(self.traces.trace(caller))
        if self.live is not None:
            found.append(LiveObserver(self.live, caller, summary.columns))
        return tuple(found)
