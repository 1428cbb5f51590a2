"""One run of the benchmark: start the synthetic services and the service, make calls, measure."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass
from pathlib import Path

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
BARE_COMMAND = (sys.executable, str(Path(__file__).with_name("bare.py")))

MOST_CALLS = LIMIT - 1
"""Largest number of calls; one number is reserved for the warm-up call."""

# A turn takes about this long (s): callers who dial evenly over a turn keep the load even.
_DIALLING_SECONDS = 7.0
_SETTLING_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
# After a hangup a service sends the recogniser the audio that it has not sent yet (s).
_CLOSING_SECONDS = 0.25
# The longest time a caller needs to end its turn, beyond its patience (s).
_LEAVING_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run.

    calls: number of simultaneous calls.
    seconds: time to measure while all calls are up.
    delays: of the synthetic services.
    barge_in: part of the answers that callers interrupt, 0 to 1.
    goes_on: part of the questions in which callers pause and then go on, 0 to 1.
    preemptive: the service's setting PREEMPTIVE, "on" or "off".
    core: number of the service's core.
    load_core: number of the core of callers and synthetic services.
    command: starts the service.
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
    """Readings of the clocks, s.

    time: wall clock.
    service: CPU time of the service.
    load: CPU time of this process.
    service_waited: time in which the service waited for its core.
    load_waited: time in which this process waited for its core.
    """

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
    """Make one run. Raises BenchError if the service cannot be started or ends too early.

    A run takes about 25 s longer than `plan.seconds`, for the warm-up call, for dialling and for
    the last turns. The service's process is always stopped.
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
    """Run the synthetic services. Yields the port of the STT, and the port of LLM and TTS."""
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
    # The longest pause that does not end a turn: the words settle, then the caller goes on.
    pause = plan.delays.stt - FRAME_SECONDS
    manners = Manners(plan.barge_in, patience, plan.goes_on, pause)
    metronome = Metronome(ledger.lags)
    # The ledger is never garbage; collecting garbage would make this process late.
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
        # Either the metronome or the run failed, and the other was cancelled.
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
        call.complaint = f"the service did not take the call: {error}"
        caller.done.set()
    return caller


async def _take_leave(callers: list[Caller], patience: float) -> None:
    """Let each caller finish its current (or first) turn and hang up, within a time limit."""
    for caller in callers:
        caller.leave()
    try:
        async with asyncio.timeout(patience + _LEAVING_SECONDS):
            for caller in callers:
                await caller.done.wait()
    except TimeoutError:
        # These callers hang up within a turn, which the evaluation reports as a fault.
        pass
    await asyncio.gather(*(caller.hang_up() for caller in callers))
    await asyncio.sleep(_CLOSING_SECONDS)


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
        # No prompts and fillers: all audio must be answers.
        "NO_INPUT_S": "0",
        "FILLER_AFTER_MS": "0",
        # A trial would be among what the calls asked of the clouds.
        "TRY_SERVICES": "false",
        "LOG_LEVEL": "warning",
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
