"""Ten minutes of calls that come and go, and what the service holds on to: `make soak-calls`.

A service that keeps a little of every call works for a day and fails in the night. Callers of every
kind call the service again and again against the synthetic services: some stay for an answer, some
interrupt, some hang up in the middle of a sentence or before they have said anything. After the
first minute, and at the end, all of them hang up; what the process then holds is compared: memory,
open files, tasks and threads.

The service runs in this process, because its tasks can be counted only here; callers and synthetic
services run in a process of their own.

    python -m bench.soak --seconds 600 --calls 20
"""

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

import uvloop
from picows import WSError

from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import Secret
from bench.callers import Caller, Manners, Metronome
from bench.certificates import HOST
from bench.codewords import LIMIT
from bench.ledger import Call, Delays, Ledger
from bench.load import cloud, longest_pause, received
from bench.service import BenchError, memory_bytes

DELAYS = Delays(settled=0.14, speech_end=0.3, stt=0.3, llm=0.25, voice=0.15)

# What may remain of hundreds of calls: caches that fill, connections that are kept for the next
# call. A leak is a part of every call, so it outgrows these soon.
MEMORY_MB = 8.0
FILES = 20
TASKS = 5
THREADS = 2

_REST_SECONDS = 2.0
_REST_LIMIT_SECONDS = 30.0
_LONGEST_TURN_SECONDS = 25.0


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds while there is no call.

    calls: calls that have ended so far.
    memory_mb: anonymous memory.
    files: open file descriptors.
    tasks: tasks of the event loop.
    threads: threads of the process.
    """

    calls: int
    memory_mb: float
    files: int
    tasks: int
    threads: int

    @classmethod
    def now(cls, calls: int) -> "Held":
        gc.collect()
        return cls(
            calls,
            memory_bytes(os.getpid()) / 1e6,
            len(os.listdir("/proc/self/fd")),
            len(asyncio.all_tasks()),
            threading.active_count(),
        )


def grown(first: Held, last: Held, memory_mb: float = MEMORY_MB) -> list[str]:
    """What has grown beyond its allowance, one sentence each; empty if nothing has.

    first: after the first minute.
    last: at the end.
    memory_mb: allowance for memory.
    """
    limits = {"memory_mb": memory_mb, "files": FILES, "tasks": TASKS, "threads": THREADS}
    found = []
    for name, allowed in limits.items():
        before, after = getattr(first, name), getattr(last, name)
        if after - before > allowed:
            found.append(f"{name} grew from {before:g} to {after:g}; {allowed:g} more are allowed")
    return found


def table(first: Held, last: Held) -> str:
    """Both measurements for a person."""
    rows = [f"{'held without a call':24}{'first':>10}{'end':>10}{'more':>10}"]
    names = {
        "calls": "calls so far",
        "memory_mb": "memory, MB",
        "files": "open files",
        "tasks": "tasks",
        "threads": "threads",
    }
    for name, shown in names.items():
        before, after = getattr(first, name), getattr(last, name)
        rows.append(f"{shown:24}{before:10.4g}{after:10.4g}{after - before:10.4g}")
    return "\n".join(rows)


# --- callers and synthetic services, in their own process -----------------------------------------


@dataclass(frozen=True, slots=True)
class Churn:
    """An order to the callers.

    url: of the service.
    calls: number of callers at once.
    seconds: how long they call.
    """

    url: str
    calls: int
    seconds: float


@dataclass(slots=True)
class Done:
    """What became of the calls of one order.

    calls: that were made.
    answers: that were heard.
    faults: descriptions of what went wrong.
    """

    calls: int
    answers: int
    faults: list[str]


class _Callers:
    """Callers of every kind, each of whom calls again as soon as a call is over."""

    def __init__(self, ledger: Ledger, metronome: Metronome) -> None:
        self._ledger = ledger
        self._metronome = metronome
        self._numbers = count()

    async def call(self, order: Churn) -> Done:
        """Make calls for a time; all are over at the end."""
        done = Done(0, 0, [])
        until = time.perf_counter() + order.seconds
        async with asyncio.TaskGroup() as calling:
            for _ in range(order.calls):
                calling.create_task(self._again_and_again(order.url, until, done))
        # The record of a run is for its evaluation; here it would only grow.
        self._ledger.sessions.clear()
        self._ledger.llm.clear()
        self._ledger.speaking.clear()
        self._ledger.usage.clear()
        self._ledger.lags.clear()
        done.faults += self._ledger.protocol_errors
        self._ledger.protocol_errors.clear()
        return done

    async def _again_and_again(self, url: str, until: float, done: Done) -> None:
        while time.perf_counter() < until:
            number = next(self._numbers)
            call = Call(number % LIMIT)
            kind = _KINDS[number % len(_KINDS)]
            caller = Caller(call, kind.manners)
            done.calls += 1
            try:
                await caller.dial(url)
            except (OSError, WSError) as error:
                done.faults.append(f"call {number} was not taken: {error}")
                await asyncio.sleep(1)
                continue
            self._metronome.add(caller.tick)
            if kind.turns_are_whole:
                caller.leave()
            # The caller hangs up after this time, wherever the call is by then.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(kind.stays):
                    await caller.done.wait()
            self._metronome.remove(caller.tick)
            await caller.hang_up()
            heard = any(b'audio"' in message[:32] for _, message in call.arrived)
            done.answers += heard
            if call.complaint:
                done.faults.append(f"call {number}: {call.complaint}")
            elif kind.turns_are_whole and not heard:
                done.faults.append(f"call {number} got no answer")


@dataclass(frozen=True, slots=True)
class _Kind:
    stays: float
    manners: Manners
    turns_are_whole: bool = False


def _manners(barge_in: float = 0.0) -> Manners:
    return Manners(barge_in=barge_in, patience=8.0, goes_on=0.2, pause=longest_pause(DELAYS))


_KINDS = (
    _Kind(_LONGEST_TURN_SECONDS, _manners(), turns_are_whole=True),
    _Kind(0.0, _manners()),  # hangs up at once
    _Kind(4.0, _manners()),  # in the middle of an answer
    _Kind(8.0, _manners(barge_in=1.0)),
    _Kind(1.3, _manners()),  # in the middle of a question
)


def _load(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, BrokenPipeError):
        uvloop.run(_carry_out(pipe))


async def _carry_out(pipe: Connection) -> None:
    ledger = Ledger()
    metronome = Metronome(ledger.lags)
    callers = _Callers(ledger, metronome)
    async with cloud(ledger, DELAYS) as ports:
        ticking = asyncio.create_task(metronome.run())
        try:
            pipe.send(ports)
            while True:
                order = await received(pipe)
                pipe.send(await callers.call(order))
        finally:
            ticking.cancel()


# --- the service, in this process -----------------------------------------------------------------


async def soak(calls: int, seconds: float, first: float) -> tuple[Held, Held, Done]:
    """Let calls come and go. Raises BenchError if the process of the load ends.

    calls: number of callers at once.
    seconds: whole time of the calls, s.
    first: time after which the first measurement is made, s.

    Returns what was held after the first part and at the end, and what became of all calls.
    """
    pipe, other = multiprocessing.get_context("spawn").Pipe()
    load = multiprocessing.get_context("spawn").Process(target=_load, args=(other,), daemon=True)
    load.start()
    other.close()
    try:
        stt_port, web_port = await _answer(pipe)
        server = Server(_settings(stt_port, web_port, calls))
        await server.start()
        try:
            await _reached("phrases_missing", server)
            url = f"ws://{HOST}:{server.addresses[0][1]}"
            held, total = [], Done(0, 0, [])
            for part in (first, seconds - first):
                pipe.send(Churn(url, calls, part))
                done: Done = await _answer(pipe)
                total.calls += done.calls
                total.answers += done.answers
                total.faults += done.faults
                await _reached("calls", server)
                await asyncio.sleep(_REST_SECONDS)
                held.append(Held.now(total.calls))
            return held[0], held[1], total
        finally:
            await server.stop()
    finally:
        load.terminate()
        load.join()
        pipe.close()


async def _answer(pipe: Connection) -> Any:
    try:
        return await received(pipe)
    except (EOFError, OSError) as error:
        raise BenchError("The process of the load ended in the middle of the run.") from error


async def _reached(what: str, server: Server) -> None:
    """Wait until a number in /health is zero. Raises BenchError if that takes too long."""
    until = time.perf_counter() + _REST_LIMIT_SECONDS
    while left := server.health()[what]:
        if time.perf_counter() > until:
            raise BenchError(f"{left} {what} after {_REST_LIMIT_SECONDS:.0f} s without a caller.")
        await asyncio.sleep(0.1)


def _settings(stt_port: int, web_port: int, calls: int) -> Settings:
    return Settings(
        host=HOST,
        port=0,
        extra_ports=(),
        audiosocket_port=None,
        http_port=None,
        max_calls=2 * calls,
        speechmatics_api_key=Secret("bench-key"),
        speechmatics_rt_url=f"ws://{HOST}:{stt_port}/v2",
        speechmatics_tts_url=f"http://{HOST}:{web_port}",
        openai_api_key=Secret("bench-key"),
        openai_base_url=f"http://{HOST}:{web_port}/v1",
        speechmatics_welcome_message="",
        disclosure="",
    )


def main(words: list[str] | None = None) -> int:
    """Run the soak. Returns 0 if nothing grew and every call was taken, 1 if not, 2 if it failed.

    words: the arguments; None for those of this process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak",
        description="Let calls come and go for a long time; fail if the service holds more at the "
        "end than after the first minute.",
    )
    add = parser.add_argument
    add("--seconds", type=float, default=600.0, help="whole time, s (default: %(default)g)")
    add("--first", type=float, default=60.0, help="first measurement after, s (%(default)g)")
    add("--calls", type=int, default=20, help="callers at once (default: %(default)s)")
    add(
        "--memory-mb",
        type=float,
        default=MEMORY_MB,
        help="memory that may remain, for caches that fill (default: %(default)g)",
    )
    arguments = parser.parse_args(words)
    if not 0 < arguments.first < arguments.seconds:
        parser.error("--first: give more than 0 and less than --seconds")
    if arguments.calls < 1:
        parser.error("--calls: give 1 or more")
    try:
        first, last, done = uvloop.run(soak(arguments.calls, arguments.seconds, arguments.first))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(first, last))
    print(f"\n{done.calls} calls, {done.answers} with an answer, {len(done.faults)} faults")
    problems = [*grown(first, last, arguments.memory_mb), *done.faults[:10]]
    if not done.answers:
        problems.append("no call got an answer")
    print("\n".join(problems) if problems else "nothing grew")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
