"""Waits for a peer do not count the time in which this process stood still."""

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from tests import virtual_time
from tests.support import ROOT

from avr_sts_speechmatics.network import running_time

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def run_on(loop: Callable[[], asyncio.AbstractEventLoop], main: Awaitable[None]) -> None:
    async def awaiting() -> None:
        await main

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(awaiting())


PROGRAM = """
import asyncio, subprocess, sys, uvloop
from avr_sts_speechmatics.network import running_time

async def main():
    answer = "import time; print('stop me', flush=True); time.sleep(0.7); print('yes', flush=True)"
    peer = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", answer, stdout=-1)
    await peer.stdout.readline()
    print("stop me", flush=True)
    try:
        async with {module}.timeout(1.5):
            print((await peer.stdout.readline()).decode().strip(), flush=True)
    except TimeoutError:
        print("blamed", flush=True)
    await peer.wait()

with asyncio.Runner(loop_factory={loop}) as runner:
    runner.run(main())
"""


def what_is_read_after_a_stop(module: str, loop: str) -> str:
    """Run PROGRAM and hold it with SIGSTOP until its deadline is past; returns its last word.

    module: whose `timeout` the program uses.
    """
    program = PROGRAM.format(module=module, loop=loop)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stop me\n"
        time.sleep(0.2)  # the program waits in its poll
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(process.pid, signal.SIGCONT)
        return process.stdout.readline().strip()


@pytest.mark.parametrize("loop", ["asyncio.new_event_loop", "uvloop.new_event_loop"])
def test_an_answer_that_came_while_the_process_was_stopped_is_in_time(loop: str) -> None:
    assert what_is_read_after_a_stop("running_time", loop) == "yes"


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_left_of_a_wait_is_waited_after_a_standstill(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def bounded() -> None:
        async with running_time.timeout(0.6):
            await asyncio.sleep(0.1)
            time.sleep(1)  # noqa: ASYNC251 - the loop stands still
            await asyncio.get_running_loop().create_future()

    async def main() -> None:
        begun, before = time.monotonic(), running_time.now()
        with pytest.raises(TimeoutError):
            await bounded()
        assert time.monotonic() - begun >= 1.5
        assert running_time.now() - before == pytest.approx(0.6, abs=0.25)

    run_on(loop, main())


async def test_a_time_out_without_a_standstill_is_on_time() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        async with running_time.timeout(0.2):
            await asyncio.get_running_loop().create_future()
    assert 0.19 <= time.monotonic() - begun < 1


async def test_a_block_that_ends_in_time_is_not_bounded_afterwards() -> None:
    async with running_time.timeout(0.05):
        pass
    await asyncio.sleep(0.1)


async def test_a_bound_of_nothing_expires_at_once() -> None:
    with pytest.raises(TimeoutError):
        async with running_time.timeout(-1):
            await asyncio.sleep(5)


async def test_a_bound_can_be_replaced() -> None:
    async with running_time.timeout(0.05) as limit:
        limit.restart(None)
        await asyncio.sleep(0.1)
        limit.restart(5)

    async def bounded_later() -> None:
        async with running_time.timeout(None) as limit:
            limit.restart(0.01)
            await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        await bounded_later()


async def test_a_cancelled_block_is_cancelled_and_not_timed_out() -> None:
    async def bounded() -> None:
        async with running_time.timeout(5):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(bounded())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_timer_does_not_call_back() -> None:
    called: list[int] = []
    timer = running_time.call_later(0.02, called.append, 1)
    running_time.call_later(0.02, called.append, 2)
    timer.cancel()
    timer.cancel()
    await running_time.sleep(0.1)
    assert called == [2]


async def test_wait_tells_what_is_done_and_what_is_not() -> None:
    loop = asyncio.get_running_loop()
    quick, slow = asyncio.create_task(asyncio.sleep(0)), loop.create_future()
    done, pending = await running_time.wait((quick, slow), timeout=0.1)
    assert (done, pending) == ({quick}, {slow})
    done, pending = await running_time.wait(
        (quick, slow), timeout=5, return_when=asyncio.FIRST_COMPLETED
    )
    assert done == {quick}
    assert not slow.cancelled()


async def test_a_standstill_is_logged_with_its_length_and_shorter_ones_after_it_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        timer = running_time.call_later(60, print)
        for length in (1.4, 1.1, 2.0):
            time.sleep(length)  # noqa: ASYNC251
            await running_time.sleep(0.01)
        timer.cancel()
    first, longer = [record.getMessage() for record in caplog.records]
    assert "this process stood still for 1." in first
    assert "(shorter ones before: 1, " in longer


async def test_a_short_delay_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    timer = running_time.call_later(60, print)
    time.sleep(0.3)  # noqa: ASYNC251
    await running_time.sleep(0.01)
    timer.cancel()
    assert not caplog.records


@given(delays=st.lists(st.floats(0, 20), min_size=1, max_size=8))
def test_without_standstills_running_time_is_the_time_of_the_loop(delays: list[float]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        rung: dict[int, float] = {}
        for number, delay in enumerate(delays):
            running_time.call_later(
                delay, lambda number=number: rung.__setitem__(number, loop.time() - begun)
            )
        await running_time.sleep(max(delays) + 0.01)
        for number, delay in enumerate(delays):
            assert rung[number] == pytest.approx(delay, abs=0.002)

    virtual_time.run(main())


@given(
    orders=st.lists(
        st.tuples(
            # So that no order comes in the very moment of a deadline.
            st.integers(0, 30).map(lambda tenths: tenths / 10 + 0.003),
            st.sampled_from(["set", "suspend", "stop"]),
            st.integers(0, 30).map(lambda tenths: tenths / 10),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_an_alarm_rings_once_at_its_last_deadline_unless_that_is_removed(
    orders: list[tuple[float, str, float]],
) -> None:
    async def main() -> None:
        alarm = running_time.Alarm()
        rung: list[float] = []
        due: float | None = None
        expected: list[float] = []
        loop = asyncio.get_running_loop()
        for pause, order, after in [*orders, (4.0, "stop", 0.0)]:
            await asyncio.sleep(pause)
            if due is not None and due <= loop.time():
                expected.append(due)
                due = None
            if order == "set":
                due = loop.time() + after
                alarm.set(after, lambda: rung.append(loop.time()))
            elif order == "suspend":
                due = None
                alarm.suspend()
            else:
                due = None
                alarm.stop()
        assert rung == pytest.approx(expected, abs=0.002)

    virtual_time.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_standstill_does_not_bring_an_alarm_nearer(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        alarm, rung = running_time.Alarm(), asyncio.Event()
        begun = time.monotonic()
        alarm.set(0.6, rung.set)
        await asyncio.sleep(0.1)
        time.sleep(1)  # noqa: ASYNC251 - the loop stands still
        await asyncio.wait_for(rung.wait(), 10)
        assert time.monotonic() - begun >= 1.5

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_an_alarm_that_is_set_again_and_again_needs_one_timer(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        alarm = running_time.Alarm()
        alarm.set(5, print)
        timer = alarm._handle
        for _ in range(100):
            alarm.suspend()
            assert alarm.has_timer
            assert not alarm.is_set
            alarm.set(5, print)
        assert alarm.is_set
        assert alarm._handle is timer
        alarm.stop()
        alarm.stop()
        assert not alarm.has_timer

    run_on(loop, main())


async def test_an_alarm_can_be_set_while_it_rings() -> None:
    alarm, rung = running_time.Alarm(), asyncio.Event()
    alarm.set(0.01, lambda: alarm.set(0.01, rung.set))
    await asyncio.wait_for(rung.wait(), 10)


async def test_a_stopped_alarm_leaves_nothing_beating() -> None:
    alarm = running_time.Alarm()
    alarm.set(60, print)
    alarm.stop()
    await asyncio.sleep(2 * running_time.BEAT_S)
    assert running_time._clock()._beat is None


async def test_nothing_beats_when_nobody_waits() -> None:
    await running_time.sleep(0.01)
    await asyncio.sleep(2 * running_time.BEAT_S)
    clock = running_time._clock()
    assert clock._beat is None


async def test_a_standstill_belongs_to_no_call() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[str] = []
    record = logging.LogRecord

    def noting(*args: Any, **kw: Any) -> logging.LogRecord:
        seen.append(name.get())
        return record(*args, **kw)

    async def wait_in_a_call() -> None:
        name.set("a call")
        await running_time.sleep(60)

    await asyncio.sleep(2 * running_time.BEAT_S)  # nobody waits, so the call is the first
    call = asyncio.create_task(wait_in_a_call())
    await asyncio.sleep(0.01)
    logging.setLogRecordFactory(noting)
    try:
        time.sleep(1.4)  # noqa: ASYNC251
        await asyncio.sleep(0.2)
    finally:
        logging.setLogRecordFactory(record)
        call.cancel()
        await asyncio.wait((call,))
    assert seen == ["nobody"]


ROOMS = ("agents", "call", "pbx", "services", "telemetry", "tools", "transports")
REAL_TIME = {
    # The wait is not for a peer, or passes for the caller too.
    "services/stt/reconnecting.py": "call_later(_PUMP_S",  # audio is sent at its own pace
    "services/announced_ends.py": "total=ASK_S",  # asked by doctor, which blames nobody
    "transports/limited_log.py": "call_later(",  # sums up log lines
    "call/busy.py": "asyncio.timeout(seconds(",  # the length of a sentence
    "transports/acceptor.py": "call_later(pause_s",  # gives way to another worker
    "transports/port_gate.py": "call_later(LOOK_S",  # looks at this process itself
    "telemetry/metrics_sampled.py": "call_later(SAMPLE_S",  # counts of this process itself
}


def test_waits_for_peers_are_measured_in_running_time() -> None:
    """A time-out of asyncio or of a library blames the peer for a standstill of this process."""
    source = ROOT / "src" / "avr_sts_speechmatics"
    real = re.compile(
        r"asyncio\.timeout(_at)?\(|wait_for\(|(?<!running_time\.)call_(later|at)\(|"
        r"ClientTimeout\((?!total=None)"
    )
    found = {
        f"{path.relative_to(source)}: {line.strip()}"
        for room in ROOMS
        for path in (source / room).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if real.search(line)
        and REAL_TIME.get(str(path.relative_to(source)), "\n") not in line
        and "sock_connect=" not in line  # a connect that failed is tried again
    }
    assert not found
