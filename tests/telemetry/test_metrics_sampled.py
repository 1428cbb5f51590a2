"""Metrics of the process: the numbers of its parts, copied once a second."""

import asyncio
from collections import Counter

import pytest
from tests.support import Serve, until
from tests.telemetry.series import value

from avr_sts_speechmatics.admission.admission import Admission
from avr_sts_speechmatics.admission.call_count import LocalCount
from avr_sts_speechmatics.admission.descriptors import Descriptors
from avr_sts_speechmatics.admission.loop_lag import LoopLag
from avr_sts_speechmatics.admission.refusal import DRAINING, Refusal
from avr_sts_speechmatics.admission.vendor_sessions import VendorSessions
from avr_sts_speechmatics.audio.playout import PlayoutClock
from avr_sts_speechmatics.runtime.collector import Collector
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted
from avr_sts_speechmatics.telemetry import metrics as m
from avr_sts_speechmatics.telemetry import metrics_sampled
from avr_sts_speechmatics.telemetry.metrics_sampled import ProcessMetrics


class Parts:
    """The parts of a process, and its metrics."""

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.sessions = VendorSessions(LocalCount(7))
        self.lag = LoopLag(100)
        self.admission = Admission(
            lambda: self.refusal, LocalCount(5), self.sessions, self.lag, Descriptors(10_000)
        )
        self.collector = Collector(lambda: 0)
        self.clock = PlayoutClock()
        self.refused: Counter[str] = Counter()
        self.process = ProcessMetrics(
            None, self.admission, self.collector, self.clock, self.refused
        )
        self.series = self.process.series


async def test_numbers_are_copied() -> None:
    parts = Parts()
    parts.clock.late, parts.clock.gaps, parts.clock.starved = 3, 2, 1
    parts.refused.update(full=4, other=1)
    parts.sessions.started()
    parts.sessions.refused()
    parts.process.sample()
    series = parts.series
    assert value(series, m.CALLS_LIMIT) == 5
    assert value(series, m.SESSIONS_LIMIT) == 7
    assert value(series, m.SESSIONS) == 1
    assert value(series, m.SESSIONS_REFUSED) == 1
    assert value(series, m.REFUSALS, reason="full") == 4
    assert value(series, m.REFUSALS, reason="other") == 1
    assert value(series, m.REFUSALS, reason="draining") == 0
    assert value(series, m.LATE) == 3
    assert value(series, m.GAPS) == 2
    assert value(series, m.STARVED) == 1
    assert value(series, m.CPU) > 0
    assert value(series, m.MEMORY) > 1_000_000
    assert 0 < value(series, m.DESCRIPTORS) < 10_000
    assert value(series, m.BUILD) == 1


async def test_ready_follows_the_admission() -> None:
    parts = Parts()
    parts.process.sample()
    assert value(parts.series, m.READY) == 1
    parts.refusal = DRAINING
    parts.process.sample()
    assert value(parts.series, m.READY) == 0


async def test_lag_of_the_loop_and_stops_of_the_collector_are_measured() -> None:
    parts = Parts()
    parts.lag.start()
    parts.collector.start()
    try:
        await until(lambda: value(parts.series, m.LAG) > 1)
        await until(lambda: value(parts.series, m.COLLECTOR) > 0)
    finally:
        parts.lag.stop()
        parts.collector.stop()


async def test_a_service_samples_again_and_again_and_once_more_at_the_end(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_sampled, "SAMPLE_S", 0.01)
    async with running_sandbox(scripted()) as cloud, serve(cloud) as server:
        process = server._metrics
        await until(lambda: value(process.series, m.READY) == 1)
        server._reception.reasons["full"] += 1
        await until(lambda: value(process.series, m.REFUSALS, reason="full") == 1)
        assert value(process.series, m.PHRASES) == 0
        assert process._timer is not None
        process._timer.cancel()
        await asyncio.sleep(0)
        server._reception.reasons["full"] += 1
    assert value(process.series, m.REFUSALS, reason="full") == 2


async def test_records_are_shown_where_they_are_kept(serve: Serve) -> None:
    async with running_sandbox(scripted()) as cloud, serve(cloud) as server:
        process = server._metrics
        process._records = lambda: {"waiting": 4, "spooled": 3, "lost": 2, "away": True}
        process.sample()
        assert value(process.series, m.RECORDS_WAITING) == 4
        assert value(process.series, m.RECORDS_SPOOLED) == 3
        assert value(process.series, m.RECORDS_LOST) == 2
