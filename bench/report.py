"""The report on a run: the figures beside their budgets, as a table or as a JSON document."""

from dataclasses import asdict, dataclass, field
from typing import Any

from bench.figures import Integrity, Spending, Spread, Timings

# A load generator that is later (ms), or busier (part of a core), measures itself, not the service.
_LAG_MS = 5.0
# Where both share their cores, the load cannot be that punctual, and the service always waits.
_LAG_SHARED_MS = 20.0
_LOAD_CPU = 0.9
# If the service waits longer for its core (part of the time), other programs distort the timings.
_WAITED = 0.05
_FAULTS_SHOWN = 10

ADDED_MS = 30
"""Budget of the added latency at p99 (ms), the wait for the token after a sentence included."""

STOP_MS = 10
"""Budget of the longest stop of the event loop (ms)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a run. Times are in seconds, for the measurement with all calls up.

    preemptive: the service's setting PREEMPTIVE, "on" or "off".
    calls: number of calls.
    seconds: length of the measurement.
    cores: numbers of the service's cores.
    load_cores: numbers of the cores of callers and synthetic services.
    ready: time from the start of the service until it was ready.
    service_cpu: CPU time of the service, all its processes.
    load_cpu: CPU time of the busiest process of callers and synthetic services.
    service_waited: time in which the service waited for its cores.
    load_waited: time in which a process of the load waited for its core, at most.
    idle_memory: of the service after the warm-up call, bytes.
    busy_memory: of the service with all calls, bytes.
    lags: lateness of each tick of the callers' clock.
    tls: TLS between the service and the synthetic services.
    workers: the service's setting WORKERS.
    processes: number of processes of the service.
    longest_stop: longest time in which the service answered no ping; None if it answers none.
    collector: figures of the cycle collector in /health, by name.
    offered: calls offered during the measurement, in percent of those that the service may take.
    refusals: time until each refused caller knew it.
    """

    preemptive: str
    calls: int
    seconds: float
    cores: tuple[int, ...]
    load_cores: tuple[int, ...]
    ready: float
    service_cpu: float
    load_cpu: float
    service_waited: float
    load_waited: float
    idle_memory: int
    busy_memory: int
    lags: list[float]
    tls: bool = False
    workers: int = 1
    processes: int = 1
    longest_stop: float | None = None
    collector: dict[str, float] = field(default_factory=dict)
    offered: int = 100
    refusals: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluated run."""

    conditions: Conditions
    timings: Timings
    integrity: Integrity
    spending: Spending

    @property
    def whole(self) -> bool:
        """Whether the audio of all calls was complete and correct, with at least one answer."""
        return not self.integrity.faults and self.integrity.answers > 0

    @property
    def doubt(self) -> str:
        """Why the timings are not valid; empty if they are."""
        made, lag, busy = self.conditions, self._lag().p99, self._load_share()
        waited = 100 * made.service_waited / made.seconds
        if lag > (_LAG_SHARED_MS if self._shared else _LAG_MS):
            return f"the load was {lag:.1f} ms late (p99)"
        if busy > _LOAD_CPU:
            return f"the load needed {100 * busy:.0f} % of its core"
        if not self._shared and made.service_waited > _WAITED * made.seconds * len(made.cores):
            return f"the service waited {waited:.0f} % of the time for a core in use by others"
        return ""

    def document(self) -> dict[str, Any]:
        """The report for a machine. Times are in ms, spreads have count, p50, p95, p99, worst."""
        made = self.conditions
        return {
            "preemptive": made.preemptive,
            "calls": made.calls,
            "seconds": made.seconds,
            "tls": made.tls,
            "workers": made.workers,
            "processes": made.processes,
            "cores": made.cores,
            "load_cores": made.load_cores,
            "valid": not self.doubt,
            "doubt": self.doubt,
            "added_latency_ms": asdict(self._ms(self.timings.added)),
            "first_audio_ms": asdict(self._ms(self.timings.first_audio)),
            "voice_to_voice_ms": asdict(self._ms(self.timings.voice_to_voice)),
            "barge_in_ms": asdict(self._ms(self.timings.barge_in)),
            "session_open_ms": asdict(self._ms(self.timings.session_open)),
            "jitter_ms": asdict(self._ms(self.timings.jitter)),
            "longest_stop_ms": None if made.longest_stop is None else 1000 * made.longest_stop,
            "collector": made.collector,
            "offered_percent": made.offered,
            "refusal_ms": asdict(self._ms(made.refusals)),
            "gaps": self.timings.gaps,
            "cpu_ms_per_call_second": self._cpu_ms(),
            "memory_mb_per_call": self._memory_mb(),
            "memory_mb_idle": made.idle_memory / 1e6,
            "ready_seconds": made.ready,
            "model": asdict(self.spending),
            "integrity": asdict(self.integrity),
            "whole": self.whole,
            "load": {"cpu": self._load_share(), "lag_ms": asdict(self._lag())},
            "waited_for_core": {
                "service": made.service_waited / made.seconds,
                "load": made.load_waited / made.seconds,
            },
        }

    def table(self) -> str:
        """The report for a person."""
        made, timings = self.conditions, self.timings
        load = "the load too" if self._shared else f"load on {_cores(made.load_cores)}"
        workers = f" with {made.workers} workers" if made.workers > 1 else ""
        title = (
            f"{made.calls} calls, measured for {made.seconds:.0f} s, PREEMPTIVE={made.preemptive}, "
            f"{'TLS' if made.tls else 'no TLS'}; "
            f"service{workers} on core {_cores(made.cores)}, {load}"
        )
        rows = [
            title,
            "",
            f"{'':34}{'p50':>9}{'p95':>9}{'p99':>9}{'worst':>9}   budget",
            _row("added latency of a turn, ms", self._ms(timings.added), p99=ADDED_MS),
            _row("barge-in to last frame, ms", self._ms(timings.barge_in), p99=20),
            _row("STT session open, ms", self._ms(timings.session_open), p99=50),
            _row("frame jitter, ms", self._ms(timings.jitter)),
            _row("voice to voice, ms", self._ms(timings.voice_to_voice)),
        ]
        if made.offered > 100:
            rows.append(
                _row("refusal of a caller too many, ms", self._ms(made.refusals), worst=1000)
            )
        memory = 0.4 if made.tls else 0.3
        rows += [
            "",
            f"{'CPU, ms per second of call':34}{self._cpu_ms():9.2f}",
            _figure("memory, MB per call", self._memory_mb(), memory),
            _figure("ready, s", made.ready, 1),
            f"{'longest stop of the loop, ms':34}{'-':>9}"
            if made.longest_stop is None
            else _figure("longest stop of the loop, ms", 1000 * made.longest_stop, STOP_MS),
            *(f"{f'  collector: {name}':34}{value:9.2f}" for name, value in made.collector.items()),
            f"{'gaps in the agent voice (> 40 ms)':34}{timings.gaps:9}",
            "",
            *self.trust(),
        ]
        return "\n".join(rows)

    def trust(self) -> list[str]:
        """Lines for a person: whether the audio was complete and whether the timings are valid."""
        made, heard = self.conditions, self.integrity
        busy = 100 * self._load_share()
        waited = [100 * each / made.seconds for each in (made.service_waited, made.load_waited)]
        return [
            f"audio: {heard.answers} answers, {heard.interruptions} interruptions and "
            f"{heard.caller_frames} caller frames checked: "
            + (
                "whole" if self.whole else f"{len(heard.faults)} FAULTS" if heard.faults else "NONE"
            ),
            *(f"  {fault}" for fault in heard.faults[:_FAULTS_SHOWN]),
            f"load: {busy:.0f} % of its core, {self._lag().p99:.1f} ms late (p99)",
            f"waited for a core in use: service {waited[0]:.1f} %, load {waited[1]:.1f} %",
            f"timings NOT VALID: {self.doubt}; take fewer calls, or stop other programs"
            if self.doubt
            else "timings valid",
        ]

    @property
    def _shared(self) -> bool:
        return not set(self.conditions.cores).isdisjoint(self.conditions.load_cores)

    def _ms(self, seconds: list[float]) -> Spread:
        return Spread.of(seconds, 1000)

    def _lag(self) -> Spread:
        return self._ms(self.conditions.lags)

    def _cpu_ms(self) -> float:
        made = self.conditions
        return 1000 * made.service_cpu / (made.calls * made.seconds)

    def _memory_mb(self) -> float:
        made = self.conditions
        return (made.busy_memory - made.idle_memory) / made.calls / 1e6

    def _load_share(self) -> float:
        return self.conditions.load_cpu / self.conditions.seconds


def _cores(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def _row(name: str, spread: Spread, p99: float | None = None, worst: float | None = None) -> str:
    if not spread.count:
        return f"{name:34}{'-':>9}{'-':>9}{'-':>9}{'-':>9}"
    shown = "".join(f"{value:9.2f}" for value in (spread.p50, spread.p95, spread.p99, spread.worst))
    limits = {"p99": (spread.p99, p99), "worst": (spread.worst, worst)}
    budget = ", ".join(
        f"{at} < {limit:g}: {_verdict(value, limit)}"
        for at, (value, limit) in limits.items()
        if limit is not None
    )
    return f"{name:34}{shown}   {budget}".rstrip()


def _figure(name: str, value: float, limit: float) -> str:
    return f"{name:34}{value:9.2f}{'':30}< {limit:g}: {_verdict(value, limit)}"


def _verdict(value: float, limit: float) -> str:
    return "met" if value < limit else "MISSED"
