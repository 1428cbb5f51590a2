"""Running time: waits for a peer, without the time in which this process stood still.

A process can stand still: the host is busy, a virtual machine is moved, SIGSTOP holds the process,
or a tool blocks the event loop. Afterwards all timers are overdue at once, and the event loop runs
them before it has read its sockets. A time-out that is judged then blames the peer for our own
stop, although the peer's answer waits in the socket.

Waits for a peer are therefore measured in running time: the time of the event loop without its
standstills. A beat every BEAT_S notices a standstill by its own delay. Afterwards running time
stands still for GRACE_S more, in which the sockets are read.

    while the process ...    | running time
    -------------------------+-------------------------------------------------------------
    runs, or is late < LAG_S | goes on like the loop's time
    stands still             | stands still
    has just gone on         | stands still for GRACE_S more, then goes on

Time that is heard (playout, pauses of speech in audio) is real time: it passes for the caller too.
The clock beats only while a wait in running time is pending.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any, TypeVar

BEAT_S = 0.1
"""Time between two looks for a standstill (s)."""

LAG_S = 0.15
"""Longest delay of a beat that counts as running (s)."""

GRACE_S = 0.3
"""Time that does not count after a standstill (s), so that sockets are read first."""

TELL_S = 1.0
"""Shortest standstill that is logged (s)."""

QUIET_S = 10.0
"""After a log line, shorter standstills are counted for this long instead of logged (s)."""

_F = TypeVar("_F", bound=asyncio.Future[Any])

_log = logging.getLogger(__name__)


def now() -> float:
    """Return the running time of this event loop (s).

    Standstills are noticed only while a wait in running time is pending.
    """
    return _clock().now()


def call_later(delay: float, callback: Callable[..., object], *args: Any) -> "Timer":
    """Call `callback` after `delay` seconds of running time, like `loop.call_later`."""
    return Timer(_clock(), delay, callback, args)


async def sleep(delay: float) -> None:
    """Sleep for `delay` seconds of running time."""
    over = asyncio.get_running_loop().create_future()
    timer = call_later(delay, _resolve, over)
    try:
        await over
    finally:
        timer.cancel()


async def wait(
    futures: Iterable[_F], *, timeout: float, return_when: str = asyncio.ALL_COMPLETED
) -> tuple[set[_F], set[_F]]:
    """Wait for futures, like `asyncio.wait`, for `timeout` seconds of running time at most."""
    futures = set(futures)
    try:
        async with _timeout(timeout):
            await asyncio.wait(futures, return_when=return_when)
    except TimeoutError:
        pass
    done = {future for future in futures if future.done()}
    return done, futures - done


class timeout:
    """Bounds a block, like `asyncio.timeout`: TimeoutError after `delay` s of running time.

    delay: None for no bound.
    """

    __slots__ = ("_delay", "_inner", "_timer")

    def __init__(self, delay: float | None) -> None:
        self._delay = delay
        self._inner = asyncio.timeout(None)
        self._timer: Timer | None = None

    async def __aenter__(self) -> "timeout":
        await self._inner.__aenter__()
        self.restart(self._delay)
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.restart(None)
        inner = self._inner
        del self._inner  # has the task, whose CancelledError refers to the frame that has this
        await inner.__aexit__(*error)  # raises TimeoutError in place of CancelledError

    def restart(self, delay: float | None) -> None:
        """Replace the bound: `delay` s from now. Only inside of the block."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay is None else call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._inner.reschedule(asyncio.get_running_loop().time())


_timeout = timeout  # for `wait`, whose parameter has the same name


class Timer:
    """Calls back once, after some running time."""

    __slots__ = ("_args", "_callback", "_cancelled", "_clock", "_due", "_handle")

    def __init__(
        self, clock: "_Clock", delay: float, callback: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self._clock = clock
        self._callback = callback
        self._args = args
        self._cancelled = False
        clock.hold()
        self._due = clock.now() + delay
        self._handle: asyncio.TimerHandle | None = clock.loop.call_later(
            max(0.0, delay), self._ring
        )

    def cancel(self) -> None:
        """Do not call back. May be called more than once."""
        self._cancelled = True
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self._clock.release()

    def cancelled(self) -> bool:
        """Whether the timer was cancelled, in time or too late."""
        return self._cancelled

    def _ring(self) -> None:
        left = self._due - self._clock.now()
        if left > 1e-6:
            # uvloop counts in milliseconds and may be early by half of one.
            self._handle = self._clock.loop.call_later(max(left, 0.001), self._ring)
            return
        self._handle = None
        self._clock.release()
        self._callback(*self._args)


class Alarm:
    """A deadline that is replaced again and again, such as the time of a peer for its next data.

    Replacing the deadline by a later one costs little: the timer of the loop stays, and when it
    rings, it is set to what is left. No task is bound to an alarm.
    """

    __slots__ = ("_clock", "_due", "_handle", "_rings_at", "_then")

    def __init__(self) -> None:
        self._clock: _Clock | None = None  # known when the alarm is first set
        self._then: Callable[[], object] | None = None  # None: no deadline
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._rings_at = 0.0  # running time for which `_handle` is set

    @property
    def is_set(self) -> bool:
        """Whether there is a deadline."""
        return self._then is not None

    @property
    def has_timer(self) -> bool:
        """Whether the loop has a timer of this alarm; after `suspend` without a deadline."""
        return self._handle is not None

    def set(self, after: float, then: Callable[[], object]) -> None:
        """Replace the deadline.

        after: seconds of running time from now.
        then: called once at the deadline.
        """
        clock = self._clock
        if clock is None:
            clock = self._clock = _clock()
        if self._handle is None:
            clock.hold()
        self._then = then
        due = self._due = clock.now() + after
        if self._handle is None or due < self._rings_at:
            if self._handle is not None:
                self._handle.cancel()
            self._wait(clock, after)

    def suspend(self) -> None:
        """Remove the deadline; a new one will follow soon. The timer of the loop stays."""
        self._then = None

    def stop(self) -> None:
        """Remove the deadline and the timer of the loop. May be called more than once."""
        self._then = None
        if self._handle is not None and self._clock is not None:
            self._handle.cancel()
            self._handle = None
            self._clock.release()

    def _wait(self, clock: "_Clock", seconds: float) -> None:
        self._rings_at = self._due
        self._handle = clock.loop.call_later(max(0.0, seconds), self._ring)

    def _ring(self) -> None:
        clock, then = self._clock, self._then
        assert clock is not None
        if then is not None and (left := self._due - clock.now()) > 1e-6:
            self._wait(clock, max(left, 0.001))
            return
        self._handle = self._then = None
        clock.release()
        if then is not None:
            then()


class _Clock:
    """The running time of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._context = Context()  # a standstill belongs to no call, whoever was the first to wait
        self._waits = 0
        self._beat: asyncio.TimerHandle | None = None
        self._due = 0.0  # of the next beat
        self._lost = 0.0  # standstills so far, each with its GRACE_S
        self._last = 0.0  # running time never goes back
        self._quiet_until = 0.0
        self._told_s = 0.0  # the last one that was logged
        self._untold = 0
        self._untold_s = 0.0

    def now(self) -> float:
        at = self.loop.time()
        if self._beat is not None and at - self._due > LAG_S:
            at = self._due  # a standstill that the next beat will notice
        self._last = max(self._last, at - self._lost)
        return self._last

    def hold(self) -> None:
        self._waits += 1
        if self._beat is None:
            self._beat = self.loop.call_later(BEAT_S, self._look, context=self._context)
            # After the timer was set: that brings uvloop's cached time up to date.
            self._due = self.loop.time() + BEAT_S

    def release(self) -> None:
        self._waits -= 1

    def _look(self) -> None:
        at = self.loop.time()
        late = at - self._due
        if late > LAG_S:
            self._last = max(self._last, self._due - self._lost)
            self._lost += late + GRACE_S
            self._tell(at, late)
        self._last = max(self._last, at - self._lost)
        if self._waits:
            self._beat = self.loop.call_later(BEAT_S, self._look, context=self._context)
            self._due = self.loop.time() + BEAT_S
        else:
            self._beat = None

    def _tell(self, at: float, late: float) -> None:
        if late < TELL_S:
            return
        if at < self._quiet_until and late <= self._told_s:
            self._untold += 1
            self._untold_s += late
            return
        before = ""
        if self._untold:
            before = f" (shorter ones before: {self._untold}, {self._untold_s:.1f} s in all)"
            self._untold, self._untold_s = 0, 0.0
        self._quiet_until, self._told_s = at + QUIET_S, late
        _log.warning(
            "this process stood still for %.1f s%s: it was stopped, the machine is overloaded, or "
            "a tool blocks; no service or peer is blamed for that time",
            late,
            before,
        )


class _Current(threading.local):
    """The clock of a thread's event loop; a thread has one loop at a time."""

    clock: _Clock | None = None


_current = _Current()


def _clock() -> _Clock:
    loop = asyncio.get_running_loop()
    clock = _current.clock
    if clock is None or clock.loop is not loop:
        clock = _current.clock = _Clock(loop)
    return clock


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
