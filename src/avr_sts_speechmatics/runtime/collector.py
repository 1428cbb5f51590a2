"""When Python's cycle collector runs: never for long while calls are in progress.

A collection stops the audio of all calls. Reference cycles are avoided, so a collection of the
service finds next to nothing, and its time goes into visiting objects that live:

    objects that live              | visited
    -------------------------------+-------------------------------------------------------------
    from the start of the process  | never (frozen): the libraries make half a million
    young: of the last LOOK_S      | every LOOK_S, and earlier if there are YOUNG of them
    older: of calls in progress    | when no call is in progress; during calls, HELD_S after the
                                   | last time

So memory is bounded: what a cycle keeps is freed in the next quiet moment, and after HELD_S at the
latest. A call has 200 to 400 objects, so that visiting 300 calls takes 3 to 8 ms.

Python by itself would let young objects gather: it counts new objects minus freed ones, and while
old calls end and new calls begin, the count stays low.

The rule holds for every Python. Up to 3.13, and again from 3.14.5, a young collection is all that
happens by itself with these thresholds. In 3.14.0 to 3.14.4 each young collection also visits a
part of the older objects, whose size follows the second threshold.
"""

import asyncio
import gc
import time
from collections.abc import Callable

YOUNG = 10_000
"""Number of new objects after which they are visited, which takes about 1 ms."""

LOOK_S = 1.0
"""Time between two collections: of young objects, or in a quiet moment of all (s)."""

HELD_S = 600.0
"""Longest time for which older objects are not visited while there are calls (s)."""

_NEVER = 1_000_000


class Collector:
    """The schedule of the collector, and its stops. One for a process.

    calls: returns the number of calls in progress.
    look_s: see LOOK_S (s).
    held_s: see HELD_S (s).

    stops: number of collections since `start`.
    longest_stop_s: the longest of them while a call was in progress (s).
    noted: called with the length of each collection (s).
    """

    def __init__(
        self, calls: Callable[[], int], *, look_s: float = LOOK_S, held_s: float = HELD_S
    ) -> None:
        self._calls = calls
        self._look_s = look_s
        self._held_s = held_s
        self.stops = 0
        self.longest_stop_s = 0.0
        self.noted: Callable[[float], None] | None = None
        self._began = 0.0
        self._visited_at = time.monotonic()
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Set the schedule for this process and begin to count. Needs a running event loop."""
        self.exclude_present_objects()
        gc.set_threshold(YOUNG, _NEVER, _NEVER)
        gc.callbacks.append(self._note)
        self._wait()

    def stop(self) -> None:
        """End the schedule and the count."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            gc.callbacks.remove(self._note)

    def exclude_present_objects(self) -> None:
        """Exclude all present objects from every collection.

        No collection is done before, because it would take as long as those that are avoided:
        about 80 ms, which is four frames of every call.
        """
        gc.freeze()

    def shown(self) -> dict[str, float]:
        """Return the stops for `/health`."""
        return {
            "gc_stops": self.stops,
            "gc_longest_stop_ms": round(1000 * self.longest_stop_s, 1),
        }

    def _wait(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._look_s, self._look)

    def _look(self) -> None:
        if not self._calls() or time.monotonic() - self._visited_at > self._held_s:
            gc.collect()
            self._visited_at = time.monotonic()
        else:
            gc.collect(0)
        self._wait()

    def _note(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._began = now
            return
        self.stops += 1
        took_s = now - self._began
        if self.noted is not None:
            self.noted(took_s)
        if took_s > self.longest_stop_s and self._calls():
            self.longest_stop_s = took_s
