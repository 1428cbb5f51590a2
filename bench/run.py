"""One run of the benchmark: start the synthetic services and the service, make calls, measure."""

import asyncio
import math
import os
import resource
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from bench import certificates
from bench.callers import Manners
from bench.codewords import LIMIT
from bench.figures import Integrity, Spending, Timings
from bench.ledger import Delays, Ledger
from bench.load import Calls, LoadProcess, Seen, Start, longest_pause
from bench.report import Conditions, Report
from bench.service import Service
from bench.stops import Prober

DEFAULT_COMMAND = (sys.executable, "-m", "avr_sts_speechmatics", "serve")
BARE_COMMAND = (sys.executable, str(Path(__file__).with_name("bare.py")))

MOST_CALLS = LIMIT - 1
"""Largest number of calls; one number is reserved for the warm-up call."""

_SETTLING_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run.

    calls: number of simultaneous calls.
    seconds: time to measure while all calls are up.
    delays: of the synthetic services.
    barge_in: part of the answers that callers interrupt, 0 to 1.
    goes_on: part of the questions in which callers pause and then go on, 0 to 1.
    preemptive: the service's setting PREEMPTIVE, "on" or "off".
    cores: numbers of the service's cores.
    load_cores: numbers of the cores of callers and synthetic services.
    command: starts the service.
    tls: TLS between the service and the synthetic services.
    workers: the service's setting WORKERS.
    settings: further settings of the service.
    offered: calls that are offered during the measurement, in percent of `calls`. Beyond 100, the
        service's limit is MAX_CALLS=`calls`, and further callers call again and again.
    dialling: time over which the calls begin, s. A turn takes about twice as long: callers who dial
        evenly over a part of a turn keep the load even enough.
    calls_a_process: calls that one process of the load carries, if the load has several cores.
    """

    calls: int
    seconds: float
    delays: Delays
    barge_in: float
    goes_on: float
    preemptive: str
    cores: tuple[int, ...]
    load_cores: tuple[int, ...]
    command: tuple[str, ...]
    tls: bool = False
    workers: int = 1
    settings: tuple[tuple[str, str], ...] = ()
    offered: int = 100
    dialling: float = 7.0
    calls_a_process: int = 200

    @property
    def applicants(self) -> int:
        """Number of callers beyond the limit."""
        return math.ceil(self.calls * (self.offered - 100) / 100)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Readings of the service's clocks, s.

    time: wall clock.
    service: CPU time of the service.
    service_waited: time in which the service waited for its cores.
    """

    time: float
    service: float
    service_waited: float

    @classmethod
    def now(cls, service: Service) -> "Clocks":
        return cls(time.perf_counter(), service.cpu_seconds(), service.waited_seconds())

    def __sub__(self, before: "Clocks") -> "Clocks":
        mine, theirs = astuple(self), astuple(before)
        return Clocks(*(now - then for now, then in zip(mine, theirs, strict=True)))


async def run(plan: Plan) -> Report:
    """Make one run. Raises BenchError if the service cannot be started or ends too early.

    A run takes about 25 s longer than `plan.seconds`, for the warm-up call, for dialling and for
    the last turns. The processes of service and load are always stopped.
    """
    os.sched_setaffinity(0, plan.load_cores)
    _allow_files()
    with ExitStack() as open_:
        ports = [open_.enter_context(_Reserved()).port for _ in range(2)]
        certificate = None
        if plan.tls:
            folder = open_.enter_context(tempfile.TemporaryDirectory(prefix="bench-tls-"))
            certificate = certificates.make(Path(folder))
        start = Start(plan.load_cores, ports[0], ports[1], plan.delays, certificate)
        load = []
        for cores in _processes(plan):
            process = LoadProcess(replace(start, cores=cores))
            open_.callback(process.stop)
            load.append(process)
        for process in load:
            await process.listening()
        port = _free_port()
        environment = _environment(plan, port, ports[0], ports[1])
        if certificate:
            environment["SSL_CERT_FILE"] = str(certificate[0])
        service = Service(list(plan.command), environment, plan.cores)
        open_.callback(service.stop)
        await service.wait_until_ready()
        try:
            return await _measure(plan, load, service, port)
        except ExceptionGroup as group:
            # One process failed, and the others were cancelled.
            raise group.exceptions[0] from group


def _processes(plan: Plan) -> list[tuple[int, ...]]:
    """The cores of each process of the load."""
    count = min(len(plan.load_cores), math.ceil(plan.calls / plan.calls_a_process))
    if count == 1:
        return [plan.load_cores]
    return [(core,) for core in plan.load_cores[:count]]


async def _measure(plan: Plan, load: list[LoadProcess], service: Service, port: int) -> Report:
    url = f"ws://{certificates.HOST}:{port}"
    patience = _PATIENCE_SECONDS + plan.delays.stt + plan.delays.llm + plan.delays.voice
    manners = Manners(
        plan.barge_in,
        patience,
        plan.goes_on,
        longest_pause(plan.delays),
        plan.delays.first_words,
    )
    now = time.perf_counter()
    await load[0].make(Calls(url, manners, ((plan.calls + plan.applicants, now),), (), now, now))
    idle_memory = service.memory_bytes()

    first = time.perf_counter() + 0.1
    dials = [(number, first + plan.dialling * number / plan.calls) for number in range(plan.calls)]
    applicants = range(plan.calls, plan.calls + plan.applicants)
    begin = first + plan.dialling + _SETTLING_SECONDS
    end = begin + plan.seconds
    count = len(load)
    prober = Prober(port, 4 * plan.workers if plan.workers > 1 else 1, pages=plan.offered > 100)
    async with asyncio.TaskGroup() as calling:
        made = [
            calling.create_task(
                process.make(
                    Calls(
                        url,
                        manners,
                        tuple(dials[at::count]),
                        tuple(applicants[at::count]),
                        begin,
                        end,
                    )
                )
            )
            for at, process in enumerate(load)
        ]
        await asyncio.sleep(begin - time.perf_counter())
        before = Clocks.now(service)
        prober.start()
        await asyncio.sleep(end - time.perf_counter())
        after = Clocks.now(service)
        stops = await asyncio.to_thread(prober.stop)
        busy_memory = service.memory_bytes()
        collector = _collector(await service.health())
        processes = service.processes

    seen = [task.result() for task in made]
    timings, integrity, ledger = await _judge(load, seen, before.time, after.time)
    used = after - before
    conditions = Conditions(
        preemptive=plan.preemptive,
        calls=plan.calls + sum(each.taken for each in seen),
        seconds=used.time,
        cores=plan.cores,
        load_cores=plan.load_cores,
        ready=service.ready_seconds,
        service_cpu=used.service,
        load_cpu=max(each.cpu for each in seen),
        service_waited=used.service_waited,
        load_waited=max(each.waited for each in seen),
        idle_memory=idle_memory,
        busy_memory=busy_memory,
        lags=[lag for each in seen for lag in each.ledger.lags],
        tls=plan.tls,
        workers=plan.workers,
        processes=processes,
        longest_stop=stops.longest,
        collector=collector,
        offered=plan.offered,
        refusals=ledger.refusals,
    )
    return Report(conditions, timings, integrity, Spending.of(ledger))


async def _judge(
    load: list[LoadProcess], seen: list[Seen], begin: float, end: float
) -> tuple[Timings, Integrity, Ledger]:
    """Judge all calls, each in the process of its caller. Returns the ledger of the clouds, too."""
    whole = Ledger(first_words=seen[0].ledger.first_words)
    for each in seen:
        for name in ("sessions", "llm", "speaking", "usage", "protocol_errors", "refusals"):
            getattr(whole, name).extend(getattr(each.ledger, name))
    # Faults that belong to no call are found once.
    rest = replace(
        whole,
        protocol_errors=[],
        speaking=[request for request in whole.speaking if request.turn is not None],
    )
    timings, integrity = Timings(), Integrity()
    judged = await asyncio.gather(
        *(process.judged(rest if at else whole, begin, end) for at, process in enumerate(load))
    )
    for found, checked in judged:
        timings.add(found)
        integrity.add(checked)
    return timings, integrity, whole


def _collector(health: dict[str, object]) -> dict[str, float]:
    """The figures of the cycle collector in /health, by name; empty if there are none."""
    found: dict[str, float] = {}
    for name, value in health.items():
        if "gc" in name.split("_") or "collector" in name:
            inner = value if isinstance(value, dict) else {name: value}
            found |= {
                str(key): float(number)
                for key, number in inner.items()
                if isinstance(number, int | float) and not isinstance(number, bool)
            }
    return found


def _environment(plan: Plan, port: int, stt_port: int, web_port: int) -> dict[str, str]:
    s = "s" if plan.tls else ""
    # Enough for every call, unless the limit is what is being measured.
    limit = {"MAX_CALLS": str(plan.calls)} if plan.offered > 100 else {"OVERLOAD_LAG_MS": "0"}
    return {
        "HOST": certificates.HOST,
        "PORT": str(port),
        "EXTRA_PORTS": "",
        "AUDIOSOCKET_PORT": "0",
        "HTTP_PORT": "0",
        "PREEMPTIVE": plan.preemptive,
        "WORKERS": str(plan.workers),
        "SPEECHMATICS_API_KEY": "bench-key",
        "SPEECHMATICS_RT_URL": f"ws{s}://{certificates.HOST}:{stt_port}/v2",
        "SPEECHMATICS_TTS_URL": f"http{s}://{certificates.HOST}:{web_port}",
        "OPENAI_API_KEY": "bench-key",
        "OPENAI_BASE_URL": f"http{s}://{certificates.HOST}:{web_port}/v1",
        "SPEECHMATICS_WELCOME_MESSAGE": "",
        "DISCLOSURE": "off",
        # No prompts and fillers: all audio must be answers.
        "NO_INPUT_S": "0",
        "FILLER_AFTER_MS": "0",
        # A trial would be among what the calls asked of the clouds.
        "TRY_SERVICES": "false",
        "LOG_LEVEL": "warning",
        **limit,
        **dict(plan.settings),
    }


def _allow_files() -> None:
    """Allow this process and its children as many open files as the system permits.

    A call has up to three connections in the service, and each of them has its end in the load.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Reserved:
    """A port that several processes will share: nobody else gets the port meanwhile."""

    def __enter__(self) -> "_Reserved":
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Bound and not listening: the kernel gives this socket no connection.
        self._socket.bind((certificates.HOST, 0))
        self.port = int(self._socket.getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _free_port() -> int:
    with socket.create_server((certificates.HOST, 0)) as listener:
        return int(listener.getsockname()[1])
