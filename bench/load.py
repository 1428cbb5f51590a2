"""One process of the load: synthetic services, and the callers that are its share.

A load that needs more than one core has several such processes. The synthetic services of all
processes listen on the same ports, and the kernel spreads the service's connections over them; so a
call's session may be in another process than its caller. All clocks are the same (CLOCK_MONOTONIC).
The parent collects what the synthetic services saw and gives all of it to every process, and each
process then judges its own callers.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from picows import WSError, ws_create_server

from bench import certificates
from bench.callers import Caller, Manners, Metronome
from bench.figures import Integrity, Timings, judge
from bench.frames import FRAME_SECONDS
from bench.ledger import Call, Delays, Ledger
from bench.service import BenchError, waited_seconds
from bench.stt import SttStream
from bench.voiceprint import prepare
from bench.web import VOICE_RATE, Web

# The longest time a caller needs to end its turn, beyond its patience (s).
_LEAVING_SECONDS = 15.0
# After a hangup a service sends the recogniser the audio that it has not sent yet (s).
_CLOSING_SECONDS = 0.25
# A refused caller calls again after this time (s).
_AGAIN_SECONDS = 2.0
# A caller who is not refused within this time (s) has been taken.
_TAKEN_SECONDS = 3.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Start:
    """What a load process is started with.

    cores: numbers of the cores on which the process runs.
    stt_port: of the synthetic STT.
    web_port: of the synthetic LLM and TTS.
    delays: of the synthetic services.
    certificate: files of certificate and key; None for synthetic services without TLS.
    """

    cores: tuple[int, ...]
    stt_port: int
    web_port: int
    delays: Delays
    certificate: tuple[Path, Path] | None


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that a load process makes.

    url: of the service.
    manners: of the callers.
    dials: number and time of each call.
    applicants: numbers of further callers, who call again and again while they are refused.
    begin: start of the measurement.
    end: end of the measurement.

    Times are `time.perf_counter()`.
    """

    url: str
    manners: Manners
    dials: tuple[tuple[int, float], ...]
    applicants: tuple[int, ...]
    begin: float
    end: float


@dataclass(slots=True)
class Seen:
    """What a load process saw during its calls.

    ledger: without the calls, which stay in the process.
    cpu: CPU time of the process during the measurement, s.
    waited: time in which the process waited for its core during the measurement, s.
    taken: number of applicants that the service took.
    """

    ledger: Ledger = field(default_factory=Ledger)
    cpu: float = 0.0
    waited: float = 0.0
    taken: int = 0


@contextlib.asynccontextmanager
async def cloud(
    ledger: Ledger,
    delays: Delays,
    ports: tuple[int, int] = (0, 0),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[int, int]]:
    """Run the synthetic services. Yields the port of the STT, and the port of LLM and TTS.

    ledger: record of the run.
    delays: of the synthetic services.
    ports: to listen on, which other processes may listen on as well; 0 for any free port.
    tls: context of a server; None for no TLS.
    """
    stt = await ws_create_server(
        lambda request: SttStream.answer(request, ledger, delays),
        certificates.HOST,
        ports[0],
        ssl=tls,
        reuse_port=bool(ports[0]),
        backlog=1024,
    )
    loop = asyncio.get_running_loop()
    long: dict[Any, str] = {}
    web = await loop.create_server(
        lambda: Web(ledger, delays, long),
        certificates.HOST,
        ports[1],
        ssl=tls,
        reuse_port=bool(ports[1]),
        backlog=1024,
    )
    try:
        yield stt.sockets[0].getsockname()[1], web.sockets[0].getsockname()[1]
    finally:
        stt.close()
        web.close()


class LoadProcess:
    """A load process, as its parent sees it.

    start: what the process is started with.
    """

    def __init__(self, start: Start) -> None:
        # Not forked: the parent has threads and an event loop.
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_main, args=(start, other), daemon=True)
        self._process.start()
        other.close()

    async def listening(self) -> None:
        """Wait until the synthetic services accept connections. Raises BenchError."""
        await self._answer()

    async def make(self, calls: Calls) -> Seen:
        """Make calls from their first dial to their last word. Raises BenchError."""
        self._send(calls)
        seen = await self._answer()
        assert isinstance(seen, Seen)
        return seen

    async def judged(self, ledger: Ledger, begin: float, end: float) -> tuple[Timings, Integrity]:
        """Judge the calls of this process by what all synthetic services saw. Raises BenchError."""
        self._send((ledger, begin, end))
        timings, integrity = await self._answer()
        return timings, integrity

    def stop(self) -> None:
        """End the process. It has nothing to save."""
        self._process.terminate()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def _send(self, order: object) -> None:
        try:
            self._pipe.send(order)
        except OSError as error:
            raise BenchError("A process of the load ended in the middle of the run.") from error

    async def _answer(self) -> Any:
        try:
            answer = await asyncio.to_thread(self._pipe.recv)
        except (EOFError, OSError) as error:
            raise BenchError("A process of the load ended in the middle of the run.") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _main(start: Start, pipe: Connection) -> None:
    # The parent ends this process, also when the whole group is interrupted.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, start.cores)
    prepare(VOICE_RATE)
    # The ledger is never garbage; collecting garbage would make this process late.
    gc.disable()
    # The parent has ended.
    with contextlib.suppress(EOFError, BrokenPipeError):
        uvloop.run(_serve(start, pipe))


async def _serve(start: Start, pipe: Connection) -> None:
    """Carry out orders until the parent closes the pipe."""
    ledger = Ledger(first_words=start.delays.first_words)
    metronome = Metronome(ledger.lags)
    tls = certificates.served(*start.certificate) if start.certificate else None
    ports = (start.stt_port, start.web_port)
    async with cloud(ledger, start.delays, ports, tls):
        ticking = asyncio.create_task(metronome.run())
        try:
            pipe.send("listening")
            while True:
                order = await received(pipe)
                if isinstance(order, Calls):
                    pipe.send(await make_calls(order, ledger, metronome))
                else:
                    others, begin, end = order
                    others.calls = ledger.calls
                    pipe.send(judge(others, begin, end))
        finally:
            ticking.cancel()


async def received(pipe: Connection) -> Any:
    """The next object from a pipe. Raises EOFError when the other end is closed."""
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(pipe.fileno(), came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(pipe.fileno())
    # The loop made the pipe non-blocking, and a large answer does not fit into it at once.
    os.set_blocking(pipe.fileno(), True)
    return pipe.recv()


async def make_calls(order: Calls, ledger: Ledger, metronome: Metronome) -> Seen:
    """Make calls from their first dial to their last word.

    order: the calls.
    ledger: record of this process.
    metronome: running clock of the callers.
    """
    callers = []
    for number, at in order.dials:
        await _until(at)
        callers.append(await _dial(number, ledger, order.manners, metronome, order.url))
    await _until(order.begin)
    first_lag = len(ledger.lags)
    before = time.process_time(), waited_seconds(os.getpid())
    async with asyncio.TaskGroup() as applying:
        applicants = [
            applying.create_task(_apply(number, order, ledger, metronome))
            for number in order.applicants
        ]
        await _until(order.end)
        after = time.process_time(), waited_seconds(os.getpid())
        lags = ledger.lags[first_lag:]
    taken = [caller for task in applicants if (caller := task.result())]
    await _take_leave([*callers, *taken], order.manners.patience)
    return Seen(
        replace(ledger, calls=[], lags=lags), after[0] - before[0], after[1] - before[1], len(taken)
    )


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.perf_counter()))


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


async def _apply(number: int, order: Calls, ledger: Ledger, metronome: Metronome) -> Caller | None:
    """Call again and again until the service takes the call or the measurement ends."""
    # Not all at the same moment.
    await asyncio.sleep(_AGAIN_SECONDS * (number % 20) / 20)
    while time.perf_counter() < order.end:
        call = Call(number)
        caller = Caller(call, order.manners)
        began = time.perf_counter()
        try:
            await caller.dial(order.url)
        except (OSError, WSError):
            ledger.refusals.append(time.perf_counter() - began)
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        metronome.add(caller.tick)
        try:
            async with asyncio.timeout(_TAKEN_SECONDS):
                await caller.done.wait()
        except TimeoutError:
            ledger.calls.append(call)
            return caller
        metronome.remove(caller.tick)
        ledger.refusals.append(time.perf_counter() - began)
        await asyncio.sleep(_AGAIN_SECONDS)
    return None


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


def longest_pause(delays: Delays) -> float:
    """The longest pause of a caller that does not end the turn: the words settle (s)."""
    return delays.stt - FRAME_SECONDS
