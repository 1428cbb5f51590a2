"""One run: synthetic services up, the service started, calls made, measured, and ended."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass

from picows import WSError, ws_create_server

from bench.callers import Caller, Manners, Metronome
from bench.codewords import LIMIT
from bench.figures import Spending, judge
from bench.frames import FRAME_SECONDS
from bench.ledger import Call, Delays, Ledger
from bench.report import Conditions, Report
from bench.service import Service, waited_seconds
from bench.stt import SttStream
from bench.web import Web

DEFAULT_COMMAND = (sys.executable, "-m", "avr_sts_speechmatics", "serve")

MOST_CALLS = LIMIT - 1
"""One number is kept for the warm-up call."""

# A turn takes about this long: callers who dial evenly over it keep the load even.
_DIALLING_SECONDS = 7.0
_SETTLING_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
# The longest a caller needs to end the turn it is in, beyond its patience.
_LEAVING_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    barge_in, goes_on: which part of the answers is interrupted, and of the questions goes on after
    a pause, 0 to 1. preemptive: the service's setting, "on" or "off".
    """

    calls: int
    seconds: float
    delays: Delays
    barge_in: float
    goes_on: float
    preemptive: str
    core: int
    load_core: int
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the clocks show, in seconds: the wall's, CPU of both processes, waiting of both."""

    time: float
    service: float
    load: float
    service_waited: float
    load_waited: float

    @classmethod
    def now(cls, service: Service) -> "Clocks":
        return cls(
            time.perf_counter(),
            service.cpu_seconds(),
            time.process_time(),
            service.waited_seconds(),
            waited_seconds(os.getpid()),
        )

    def __sub__(self, before: "Clocks") -> "Clocks":
        mine, theirs = astuple(self), astuple(before)
        return Clocks(*(now - then for now, then in zip(mine, theirs, strict=True)))


async def run(plan: Plan) -> Report:
    """Make one run. Raises BenchError when it cannot be made.

    Takes the warm-up call, dialling, `plan.seconds` and the last turns: about 25 s more than
    those seconds. The child process is always ended.
    """
    os.sched_setaffinity(0, {plan.load_core})
    ledger = Ledger()
    async with cloud(ledger, plan.delays) as (stt_port, web_port):
        port = _free_port()
        environment = _environment(plan, port, stt_port, web_port)
        service = Service(list(plan.command), environment, plan.core)
        try:
            await service.wait_until_ready()
            return await _measure(plan, ledger, service, f"ws://127.0.0.1:{port}")
        finally:
            service.stop()


@contextlib.asynccontextmanager
async def cloud(ledger: Ledger, delays: Delays) -> AsyncIterator[tuple[int, int]]:
    """The synthetic services, up: gives the recogniser's port, and that of model and voice."""
    stt = await ws_create_server(
        lambda request: SttStream.answer(request, ledger, delays), "127.0.0.1", 0
    )
    loop = asyncio.get_running_loop()
    web = await loop.create_server(lambda: Web(ledger, delays), "127.0.0.1", 0)
    try:
        yield stt.sockets[0].getsockname()[1], web.sockets[0].getsockname()[1]
    finally:
        stt.close()
        web.close()


async def _measure(plan: Plan, ledger: Ledger, service: Service, url: str) -> Report:
    patience = _PATIENCE_SECONDS + plan.delays.stt + plan.delays.llm + plan.delays.voice
    # The longest pause that does not end a turn: words are settled in it, and then there are more.
    pause = plan.delays.stt - FRAME_SECONDS
    manners = Manners(plan.barge_in, patience, plan.goes_on, pause)
    metronome = Metronome(ledger.lags)
    # What is written down is never garbage; looking for garbage in it would make this process late.
    gc.collect()
    gc.disable()
    try:
        async with asyncio.TaskGroup() as load:
            ticking = load.create_task(metronome.run())
            await _take_leave([await _dial(plan.calls, ledger, manners, metronome, url)], patience)
            idle_memory = service.memory_bytes()

            callers = []
            for number in range(plan.calls):
                callers.append(await _dial(number, ledger, manners, metronome, url))
                await asyncio.sleep(_DIALLING_SECONDS / plan.calls)
            await asyncio.sleep(_SETTLING_SECONDS)

            ledger.lags.clear()
            before = Clocks.now(service)
            await asyncio.sleep(plan.seconds)
            after = Clocks.now(service)
            lags = list(ledger.lags)
            busy_memory = service.memory_bytes()
            await _take_leave(callers, patience)
            ticking.cancel()
    except ExceptionGroup as group:
        # Of the metronome and the run, one failed and the other was stopped for it.
        raise group.exceptions[0] from group
    finally:
        gc.enable()

    used = after - before
    conditions = Conditions(
        preemptive=plan.preemptive,
        calls=plan.calls,
        seconds=used.time,
        core=plan.core,
        load_core=plan.load_core,
        ready=service.ready_seconds,
        service_cpu=used.service,
        load_cpu=used.load,
        service_waited=used.service_waited,
        load_waited=used.load_waited,
        idle_memory=idle_memory,
        busy_memory=busy_memory,
        lags=lags,
    )
    timings, integrity = judge(ledger, before.time, after.time)
    return Report(conditions, timings, integrity, Spending.of(ledger))


async def _dial(
    number: int, ledger: Ledger, manners: Manners, metronome: Metronome, url: str
) -> Caller:
    call = Call(number)
    ledger.calls.append(call)
    caller = Caller(call, manners)
    try:
        await caller.dial(url)
        metronome.add(caller.tick)
    except (OSError, WSError) as error:
        call.complaint = f"the service did not take it: {error}"
        caller.done.set()
    return caller


async def _take_leave(callers: list[Caller], patience: float) -> None:
    """Let each caller end its turn, its first if it had none yet, and hang up; within a bound."""
    for caller in callers:
        caller.leave()
    try:
        async with asyncio.timeout(patience + _LEAVING_SECONDS):
            for caller in callers:
                await caller.done.wait()
    except TimeoutError:
        # They hang up in the middle of a turn: the ledger will tell.
        pass
    await asyncio.gather(*(caller.hang_up() for caller in callers))


def _environment(plan: Plan, port: int, stt_port: int, web_port: int) -> dict[str, str]:
    return {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "EXTRA_PORTS": "",
        "AUDIOSOCKET_PORT": "0",
        "HTTP_PORT": "0",
        "PREEMPTIVE": plan.preemptive,
        "SPEECHMATICS_API_KEY": "bench-key",
        "SPEECHMATICS_RT_URL": f"ws://127.0.0.1:{stt_port}/v2",
        "SPEECHMATICS_TTS_URL": f"http://127.0.0.1:{web_port}",
        "OPENAI_API_KEY": "bench-key",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{web_port}/v1",
        "SPEECHMATICS_WELCOME_MESSAGE": "",
        # Whatever is heard shall be an answer.
        "NO_INPUT_S": "0",
        "FILLER_AFTER_MS": "0",
        "LOG_LEVEL": "warning",
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
