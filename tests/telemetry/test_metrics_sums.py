"""Sums over processes: counters never go back, whatever becomes of the processes."""

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.telemetry.metrics_memory import (
    Counter,
    Family,
    Gauge,
    Histogram,
    Over,
    SeriesMemory,
    SeriesReader,
)
from avr_sts_speechmatics.telemetry.metrics_sums import Sums, Totals

CALLS = Family("calls_total", "counter", "Calls.", ("agent",))
WAITS = Family("wait_seconds", "histogram", "Waits.", bounds=(0.5, 1.0, 2.0))


class Process:
    """A process that counts."""

    def __init__(self) -> None:
        self.memory = SeriesMemory()
        self.reader = SeriesReader(self.memory.buffer)
        self._calls: dict[str, Counter] = {}
        self._waits: Histogram | None = None

    def call(self, agent: str) -> None:
        if agent not in self._calls:
            at = self.memory.add(CALLS, {"agent": agent})
            self._calls[agent] = Counter(self.memory.values, at)
        self._calls[agent].add()

    def wait(self, took_s: float) -> None:
        if self._waits is None:
            at = self.memory.add(WAITS, {})
            self._waits = Histogram(self.memory.values, at, WAITS.bounds)
        self._waits.observe(took_s)


def flat(sums: dict[str, Sums]) -> dict[object, float]:
    return {
        (name, labels, at): value
        for name, one in sums.items()
        for labels, values in one.values.items()
        for at, value in enumerate(values)
    }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 2), st.sampled_from(["a", "b"])),
        st.tuples(st.just("wait"), st.integers(0, 2), st.sampled_from([0.1, 0.7, 9.0])),
        st.tuples(st.just("dies"), st.integers(0, 2), st.none()),
        st.tuples(st.just("scrape"), st.just(0), st.none()),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_no_sum_goes_back_and_none_is_lost(steps: list[tuple[str, int, object]]) -> None:
    totals, processes = Totals(), [Process() for _ in range(3)]
    before: dict[object, float] = {}
    calls = waits = 0
    for what, who, about in [*steps, ("scrape", 0, None)]:
        if what == "call":
            processes[who].call(str(about))
            calls += 1
        elif what == "wait":
            assert isinstance(about, float)
            processes[who].wait(about)
            waits += 1
        elif what == "dies":
            totals.retire(processes[who].reader.series())
            processes[who] = Process()
        else:
            after = flat(totals.of_all([one.reader.series() for one in processes]))
            assert all(after[key] >= value for key, value in before.items())
            before = after
    found = totals.of_all([one.reader.series() for one in processes])
    counted = sum(sum(values) for values in found["calls_total"].values.values()) if calls else 0
    assert counted == calls
    if waits:
        assert sum(found["wait_seconds"].values[()][1:]) == waits


def gauges(over: Over, *values: float) -> float:
    family = Family("g", "gauge", "G.", over=over)
    series = []
    for value in values:
        memory = SeriesMemory()
        Gauge(memory.values, memory.add(family, {})).set(value)
        series.append(SeriesReader(memory.buffer).series())
    (found,) = Totals().of_all(series)["g"].values.values()
    return found[0]


def test_gauges_of_several_processes_become_one() -> None:
    assert gauges("sum", 3, 1, 2) == 6
    assert gauges("max", 3, 1, 2) == 3
    assert gauges("min", 3, 1, 2) == 1


def test_gauges_of_a_process_that_has_ended_are_gone() -> None:
    memory = SeriesMemory()
    Gauge(memory.values, memory.add(Family("g", "gauge", "G."), {})).set(5)
    totals = Totals()
    totals.retire(SeriesReader(memory.buffer).series())
    assert totals.of_all([]) == {}


def histogram(bounds: tuple[float, ...], *values: float) -> SeriesReader:
    family = Family("wait_seconds", "histogram", "Waits.", bounds=bounds)
    memory = SeriesMemory()
    found = Histogram(memory.values, memory.add(family, {}), bounds)
    for value in values:
        found.observe(value)
    return SeriesReader(memory.buffer)


def test_a_newer_version_may_have_other_buckets() -> None:
    old, new = histogram((0.5, 1.0, 4.0), 0.2, 0.7, 3.0, 9.0), histogram((0.5, 2.0), 1.5)
    totals = Totals()
    totals.retire(old.series())
    found = totals.of_all([new.series()])["wait_seconds"]
    assert found.family.bounds == (0.5, 2.0)
    # 0.7 was known to be at most 1.0; 3.0 at most 4.0, which is above the last bound now.
    assert found.values[()] == [0.2 + 0.7 + 3.0 + 9.0 + 1.5, 1.0, 2.0, 2.0]


def test_a_newer_version_may_change_the_kind_of_a_metric() -> None:
    old, new = SeriesMemory(), SeriesMemory()
    old.values[old.add(Family("x", "counter", "X."), {})] = 7
    new.values[new.add(Family("x", "gauge", "X."), {})] = 2
    readers = [SeriesReader(one.buffer).series() for one in (old, new)]
    found = Totals().of_all(readers)["x"]
    assert (found.family.kind, found.values) == ("gauge", {(): [2.0]})
