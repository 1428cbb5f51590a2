"""The timers of a dialogue."""

import asyncio

from avr_sts_speechmatics.call.timers import Timers
from avr_sts_speechmatics.dialogue.events import Timer, TimerFired


class Told:
    """Timers that fired, in order; `fired` is set by the timer FAREWELL."""

    def __init__(self) -> None:
        self.events: list[TimerFired] = []
        self.fired = asyncio.Event()
        self.timers = Timers(self._tell)

    def _tell(self, event: TimerFired) -> None:
        self.events.append(event)
        if event.timer is Timer.FAREWELL:
            self.fired.set()


async def test_timers_fire_once_each_at_their_time() -> None:
    told = Told()
    told.timers.set(Timer.FAREWELL, 0.03)
    told.timers.set(Timer.CONFIRM, 0.01)
    await asyncio.wait_for(told.fired.wait(), 2)
    assert told.events == [TimerFired(Timer.CONFIRM), TimerFired(Timer.FAREWELL)]


async def test_a_timer_that_is_set_anew_fires_at_the_later_time_only() -> None:
    told = Told()
    told.timers.set(Timer.CONFIRM, 0.0)
    told.timers.set(Timer.CONFIRM, 0.02)
    told.timers.set(Timer.FILLER, 0.01)
    told.timers.set(Timer.FAREWELL, 0.04)
    await asyncio.wait_for(told.fired.wait(), 2)
    assert [event.timer for event in told.events] == [
        *(Timer.FILLER, Timer.CONFIRM, Timer.FAREWELL)
    ]


async def test_cancelled_timers_do_not_fire_and_others_do() -> None:
    told = Told()
    told.timers.set(Timer.CONFIRM, 0.0)
    told.timers.set(Timer.FAREWELL, 0.02)
    told.timers.cancel(Timer.CONFIRM)
    told.timers.cancel(Timer.KEYS)  # does not run
    await asyncio.wait_for(told.fired.wait(), 2)
    assert told.events == [TimerFired(Timer.FAREWELL)]
    told.timers.set(Timer.CONFIRM, 0.0)
    told.timers.set(Timer.KEYS, 0.0)
    told.timers.cancel_all()
    await asyncio.sleep(0.01)
    assert len(told.events) == 1


async def test_a_timer_may_be_set_again_by_what_it_causes() -> None:
    told = Told()
    times: list[Timer] = []

    def again(event: TimerFired) -> None:
        times.append(event.timer)
        if len(times) < 3:
            timers.set(Timer.CONFIRM, 0.0)
        else:
            told.fired.set()

    timers = Timers(again)
    timers.set(Timer.CONFIRM, 0.0)
    await asyncio.wait_for(told.fired.wait(), 2)
    assert times == [Timer.CONFIRM] * 3
