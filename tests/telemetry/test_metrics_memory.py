"""Series in memory that two processes share."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.telemetry import metrics_memory
from avr_sts_speechmatics.telemetry.metrics_memory import (
    Counter,
    Family,
    Gauge,
    Histogram,
    SeriesMemory,
    SeriesReader,
    new_file,
)

ENDED = Family("ended_total", "counter", "Calls.", ("reason", "agent"))
OPEN = Family("open", "gauge", "Sessions.", over="max")
WAITS = Family("wait_seconds", "histogram", "Waits.", ("agent",), bounds=(0.5, 1.0))


@pytest.fixture
def file() -> Iterator[int]:
    descriptor = new_file()
    yield descriptor
    os.close(descriptor)


def test_a_reader_sees_what_was_counted_with_its_description(file: int) -> None:
    reader = SeriesReader(file)
    assert reader.series() == []
    memory = SeriesMemory(file)
    ended = Counter(memory.values, memory.add(ENDED, {"reason": "caller", "agent": 'Ä "b"\n'}))
    ended.add()
    ended.add(2.5)
    (one,) = reader.series()
    assert (one.family.name, one.family.kind, one.family.help) == (
        "ended_total",
        "counter",
        "Calls.",
    )
    assert one.labels == {"reason": "caller", "agent": 'Ä "b"\n'}
    assert one.values == [3.5]
    sessions = Gauge(memory.values, memory.add(OPEN, {}))
    sessions.set(4)
    sessions.add(-1)
    waits = Histogram(memory.values, memory.add(WAITS, {"agent": "a"}), WAITS.bounds)
    for wait in (0.1, 0.5, 0.7, 9.0):
        waits.observe(wait)
    again = {one.family.name: one for one in reader.series()}
    assert again["open"].values == [3.0]
    assert again["open"].family.over == "max"
    assert again["wait_seconds"].values == [pytest.approx(10.3), 2.0, 1.0, 1.0]
    assert again["wait_seconds"].family.bounds == (0.5, 1.0)


def test_nothing_is_lost_when_the_writer_is_killed(file: int) -> None:
    child = os.fork()
    if child == 0:
        memory = SeriesMemory(file)
        counter = Counter(memory.values, memory.add(ENDED, {"reason": "caller", "agent": "a"}))
        for _ in range(1000):
            counter.add()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (one,) = SeriesReader(file).series()
    assert one.values == [1000.0]


def test_memory_of_another_layout_is_left_alone(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_memory, "LAYOUT", 99)
    memory = SeriesMemory(file)
    memory.add(OPEN, {})
    monkeypatch.undo()
    assert SeriesReader(file).series() == []


def test_a_total_from_elsewhere_never_goes_back() -> None:
    memory = SeriesMemory()
    counter = Counter(memory.values, memory.add(ENDED, {}))
    for total in (5, 3, 6):
        counter.grow_to(total)
    (one,) = SeriesReader(memory.buffer).series()
    assert one.values == [6.0]


def test_series_beyond_the_room_are_counted_nowhere_and_hurt_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = SeriesMemory()
    first = Counter(memory.values, memory.add(ENDED, {"agent": "first"}))
    first.add()
    for number in range(30_000):
        Counter(memory.values, memory.add(ENDED, {"agent": f"agent {number}"})).add()
    wide = Family("wide_seconds", "histogram", "W.", bounds=tuple(map(float, range(50))))
    Histogram(memory.values, memory.add(wide, {}), wide.bounds).observe(1e9)
    series = SeriesReader(memory.buffer).series()
    assert 10_000 < len(series) < 30_000
    assert all(one.values == [1.0] for one in series)
    assert [record.message for record in caplog.records] == [
        "there are too many series of metrics; further ones are not shown"
    ]


@given(values=st.lists(st.floats(0, 100), max_size=30))
def test_every_observation_is_in_the_bucket_of_its_size(values: list[float]) -> None:
    memory = SeriesMemory()
    histogram = Histogram(memory.values, memory.add(WAITS, {"agent": "a"}), WAITS.bounds)
    for value in values:
        histogram.observe(value)
    (one,) = SeriesReader(memory.buffer).series()
    assert one.values[0] == pytest.approx(sum(values))
    assert one.values[1] == sum(value <= 0.5 for value in values)
    assert one.values[2] == sum(0.5 < value <= 1.0 for value in values)
    assert one.values[3] == sum(value > 1.0 for value in values)
