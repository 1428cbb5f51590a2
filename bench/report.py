"""The report on a run: the figures beside their budgets, as a table or as a JSON document."""

from dataclasses import asdict, dataclass
from typing import Any

from bench.figures import Integrity, Spending, Spread, Timings

# A load generator that is later (ms), or busier (part of a core), measures itself, not the service.
_LAG_MS = 5.0
_LOAD_CPU = 0.9
# If the service waits longer for its core (part of the time), other programs distort the timings.
_WAITED = 0.05
_FAULTS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a run. Times are in seconds, for the measurement with all calls up.

    preemptive: the service's setting PREEMPTIVE, "on" or "off".
    calls: number of calls.
    seconds: length of the measurement.
    core: number of the service's core.
    load_core: number of the core of callers and synthetic services.
    ready: time from the start of the service until it was ready.
    service_cpu: CPU time of the service.
    load_cpu: CPU time of callers and synthetic services.
    service_waited: time in which the service waited for its core.
    load_waited: time in which callers and synthetic services waited for their core.
    idle_memory: of the service after the warm-up call, bytes.
    busy_memory: of the service with all calls, bytes.
    lags: lateness of each tick of the callers' clock.
    """

    preemptive: str
    calls: int
    seconds: float
    core: int
    load_core: int
    ready: float
    service_cpu: float
    load_cpu: float
    service_waited: float
    load_waited: float
    idle_memory: int
    busy_memory: int
    lags: list[float]


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
        if lag > _LAG_MS:
            return f"the load was {lag:.1f} ms late (p99)"
        if busy > _LOAD_CPU:
            return f"the load needed {100 * busy:.0f} % of its core"
        if made.service_waited > _WAITED * made.seconds:
            return f"the service waited {waited:.0f} % of the time for a core in use by others"
        return ""

    def document(self) -> dict[str, Any]:
        """The report for a machine. Times are in ms, spreads have count, p50, p95, p99, worst."""
        made = self.conditions
        return {
            "preemptive": made.preemptive,
            "calls": made.calls,
            "seconds": made.seconds,
            "core": made.core,
            "load_core": made.load_core,
            "valid": not self.doubt,
            "doubt": self.doubt,
            "added_latency_ms": asdict(self._ms(self.timings.added)),
            "voice_to_voice_ms": asdict(self._ms(self.timings.voice_to_voice)),
            "barge_in_ms": asdict(self._ms(self.timings.barge_in)),
            "session_open_ms": asdict(self._ms(self.timings.session_open)),
            "jitter_ms": asdict(self._ms(self.timings.jitter)),
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
        rows = [
            f"{made.calls} calls, measured for {made.seconds:.0f} s, PREEMPTIVE={made.preemptive}; "
            f"service on core {made.core}, "
            + (
                "and so is the load" if made.core == made.load_core else f"load on {made.load_core}"
            ),
            "",
            f"{'':34}{'p50':>9}{'p95':>9}{'p99':>9}{'worst':>9}   budget",
            _row("added latency of a turn, ms", self._ms(timings.added), p50=5, p99=20),
            _row("barge-in to last frame, ms", self._ms(timings.barge_in), p99=20),
            _row("STT session open, ms", self._ms(timings.session_open), p99=50),
            _row("frame jitter, ms", self._ms(timings.jitter)),
            _row("voice to voice, ms", self._ms(timings.voice_to_voice)),
            "",
            _figure("CPU, ms per second of call", self._cpu_ms(), 2),
            _figure("memory, MB per call", self._memory_mb(), 0.3),
            _figure("ready, s", made.ready, 1),
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


def _row(name: str, spread: Spread, p50: float | None = None, p99: float | None = None) -> str:
    if not spread.count:
        return f"{name:34}{'-':>9}{'-':>9}{'-':>9}{'-':>9}"
    shown = "".join(f"{value:9.2f}" for value in (spread.p50, spread.p95, spread.p99, spread.worst))
    limits = {"p50": (spread.p50, p50), "p99": (spread.p99, p99)}
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
