"""The observers of a call: log, times, records, webhooks and traces, as the settings want them."""

import os
import socket
from collections.abc import Callable

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
from avr_sts_speechmatics.telemetry.prices import Prices
from avr_sts_speechmatics.telemetry.service_states import ServiceStates, ServiceWatch
from avr_sts_speechmatics.telemetry.turn_times import TurnTimesObserver
from avr_sts_speechmatics.telemetry.webhooks import Webhooks


def observers_of(
    settings: Settings,
    webhooks: Webhooks | None,
    traces: CallTraces | None,
    states: ServiceStates,
    prices: Prices,
    recogniser: tuple[str, str],
    kept: KeptCalls | None = None,
    live: LiveCalls | None = None,
) -> Callable[[Caller, Line], tuple[Observer, ...]]:
    """Return a function that makes the observers of a new call, in the order of their reports.

    webhooks, traces, kept, live: None where there are none.
    states: learns whether services work.
    prices: of what the call uses.
    recogniser: whose price the audio has, see `CostLimit`.
    """
    service = f"{socket.gethostname()}:{os.getpid()}"

    def observers(caller: Caller, line: Line) -> tuple[Observer, ...]:
        summary = CallSummary(prices)  # first: the others read the summary
        log, records = CallLog(summary, transcripts=settings.log_transcripts), CallRecords(line)
        finished = [summary.turn, records.turn, log.turn]
        found: tuple[Observer, ...] = (summary, log, records, ServiceWatch(states))
        if kept is not None:
            add, level = kept.writer.add, kept.level
            recorder = CallRecorder(add, caller, level, summary.columns, service)
            finished.append(recorder.turn)
            found += (recorder,)
        found += (TurnTimesObserver(*finished),)
        if settings.max_cost:
            found += (CostLimit(prices, settings.max_cost, recogniser),)
        if webhooks is not None:
            found += (CallWebhooks(webhooks, caller.uuid, summary),)
        if traces is not None:
            found += (traces.trace(caller),)
        if live is not None:
            found += (LiveObserver(live, caller, summary.columns),)
        return found

    return observers
