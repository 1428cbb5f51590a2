"""The schedule of the cycle collector: old cycles are freed in quiet moments, stops are counted."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from tests.support import until

from avr_sts_speechmatics.runtime.collector import YOUNG, Collector


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    assert gc.callbacks == callbacks


class Knot:
    """A reference cycle."""

    def __init__(self) -> None:
        self.knot = self


def old_knot() -> weakref.ref[Knot]:
    """Return a reference to a cycle that has outlived a young collection and is dropped now."""
    knot = Knot()
    gone = weakref.ref(knot)
    gc.collect(0)
    gc.collect(1)
    return gone


async def test_an_old_cycle_is_freed_as_soon_as_no_call_is_in_progress() -> None:
    calls = 1
    collector = Collector(lambda: calls, look_s=0.01)
    collector.start()
    gone = old_knot()
    looked = asyncio.get_running_loop().time() + 0.1
    await until(lambda: asyncio.get_running_loop().time() > looked)
    assert gone() is not None, "a call is in progress"
    calls = 0
    await until(lambda: gone() is None)
    collector.stop()


async def test_an_old_cycle_is_freed_during_calls_if_they_never_end() -> None:
    collector = Collector(lambda: 300, look_s=0.01, held_s=0.05)
    collector.start()
    gone = old_knot()
    await until(lambda: gone() is None)
    collector.stop()


async def test_young_cycles_are_freed_at_any_time() -> None:
    collector = Collector(lambda: 300)
    collector.start()
    gone = weakref.ref(Knot())
    kept = [[number] for number in range(2 * YOUNG)]
    assert gone() is None
    assert len(kept) == 2 * YOUNG
    collector.stop()


async def test_young_cycles_are_freed_soon_although_few_objects_are_made() -> None:
    collector = Collector(lambda: 300, look_s=0.01)
    collector.start()
    gone = weakref.ref(Knot())
    await until(lambda: gone() is None)
    collector.stop()


async def test_objects_from_before_the_start_are_not_visited() -> None:
    knot = Knot()
    gone = weakref.ref(knot)
    collector = Collector(lambda: 0)
    collector.start()
    del knot
    gc.collect()
    assert gone() is not None
    collector.stop()


async def test_the_stops_during_calls_are_counted_and_the_longest_is_kept() -> None:
    calls = 0
    collector = Collector(lambda: calls)
    collector.start()
    gc.collect()
    assert collector.stops == 1
    assert collector.longest_stop_s == 0, "no call was in progress"
    calls = 1
    gc.collect()
    longest = collector.longest_stop_s
    assert collector.stops == 2
    assert longest > 0
    assert collector.shown() == {"gc_stops": 2, "gc_longest_stop_ms": round(1000 * longest, 1)}
    gc.collect()
    assert collector.longest_stop_s >= longest
    collector.stop()
    gc.collect()
    assert collector.stops == 3, "not counted after the end"
