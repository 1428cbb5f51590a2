"""Metrics of the process: what its parts count or know anyway, written once a second.

Counting where things happen would spread metrics over the house. So the parts keep their own plain
numbers, and `ProcessMetrics` copies them. A process that is killed loses the last second of these.
"""

import asyncio
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from pathlib import Path

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.admission.admission import Admission
from avr_sts_speechmatics.audio.playout import PlayoutClock
from avr_sts_speechmatics.runtime.collector import Collector
from avr_sts_speechmatics.speech.voices import Voices
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry.log import lines_lost
from avr_sts_speechmatics.telemetry.metrics_memory import SeriesMemory
from avr_sts_speechmatics.telemetry.service_states import ServiceStates
from avr_sts_speechmatics.telemetry.webhooks import Webhooks

SAMPLE_S = 1.0
"""Time between two samples (s)."""

_MEMORY = Path("/proc/self/statm")


class ProcessMetrics:
    """Copies the numbers of one process that takes calls.

    memory: where the process counts; None for memory of its own.
    admission, collector, clock: the parts of the process.
    refused: number of refused calls by reason.
    """

    def __init__(
        self,
        memory: SeriesMemory | None,
        admission: Admission,
        collector: Collector,
        clock: PlayoutClock,
        refused: Mapping[str, int],
    ) -> None:
        self.series = m.Metrics(memory or SeriesMemory())
        self._admission = admission
        self._clock = clock
        self._refused = refused
        self._webhooks: Webhooks | None = None
        self._voices: Voices | None = None
        self._states: ServiceStates | None = None
        self._records: Callable[[], Mapping[str, object]] | None = None
        admission.lag.noted = self.series.histogram(m.LAG).observe
        collector.noted = self.series.histogram(m.COLLECTOR).observe
        self._timer: asyncio.TimerHandle | None = None
        # No call's context: the log would attribute lines to the call that began meanwhile.
        self._context = Context()
        build = self.series.gauge(m.BUILD, __version__, platform.python_version())
        build.set(1)

    def start(
        self,
        webhooks: Webhooks | None,
        voices: Voices,
        states: ServiceStates,
        records: Callable[[], Mapping[str, object]] | None = None,
    ) -> None:
        """Sample now and once a second, these parts too. Needs a running event loop.

        records: returns the part of `/health` about records; None if no records are kept.
        """
        self._webhooks, self._voices, self._states = webhooks, voices, states
        self._records = records
        self._sample_again()

    def stop(self) -> None:
        """Sample for the last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.sample()

    def _sample_again(self) -> None:
        self.sample()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SAMPLE_S, self._sample_again, context=self._context)

    def sample(self) -> None:
        """Copy all numbers."""
        counter, gauge = self.series.counter, self.series.gauge
        admission, clock = self._admission, self._clock
        gauge(m.READY).set(admission.refusal() is None)
        if (limit := admission.calls_limit) is not None:
            gauge(m.CALLS_LIMIT).set(limit)
        for reason in m.REFUSED:
            counter(m.REFUSALS, reason).grow_to(self._refused.get(reason, 0))
        sessions = admission.sessions
        gauge(m.SESSIONS).set(sessions.open)
        counter(m.SESSIONS_REFUSED).grow_to(sessions.refusals)
        if sessions.limit is not None:
            gauge(m.SESSIONS_LIMIT).set(sessions.limit)
        counter(m.LATE).grow_to(clock.late)
        counter(m.GAPS).grow_to(clock.gaps)
        counter(m.STARVED).grow_to(clock.starved)
        gauge(m.DESCRIPTORS).set(admission.descriptors.room())
        self._sample_parts()
        sample_process(self.series)

    def _sample_parts(self) -> None:
        counter, gauge = self.series.counter, self.series.gauge
        counter(m.WEBHOOKS_LOST).grow_to(0 if self._webhooks is None else self._webhooks.dropped)
        if self._voices is not None:
            gauge(m.PHRASES).set(self._voices.missing)
        if self._states is not None:
            for name, state in self._states.all.items():
                if state.works is not None:
                    gauge(m.SERVICE_UP, name).set(state.works)
        records = {} if self._records is None else self._records()
        gauge(m.RECORDS_WAITING).set(_number(records.get("waiting")))
        gauge(m.RECORDS_SPOOLED).set(_number(records.get("spooled")))
        counter(m.RECORDS_LOST).grow_to(_number(records.get("lost")))


def sample_process(metrics: m.Metrics) -> None:
    """Copy what any process of the service has."""
    metrics.counter(m.CPU).grow_to(time.process_time())
    metrics.counter(m.LINES_LOST).grow_to(lines_lost())
    try:
        pages = int(_MEMORY.read_bytes().split()[1])
    except OSError:  # not on Linux
        return
    metrics.gauge(m.MEMORY).set(pages * os.sysconf("SC_PAGE_SIZE"))


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
