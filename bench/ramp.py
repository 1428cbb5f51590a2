"""The ramp: how many calls the service carries.

A number of calls is carried when the added latency stays below a limit at p99 and every word of
every call is whole. The number is doubled until it is not carried, then the range is halved. A step
whose load was late says nothing of the service: it is repeated once, and then the load is the limit
that was found.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.report import Report

LIMIT_MS = 50.0
"""Most added latency at p99 (ms)."""

# The search ends when the range is smaller than this part of the number.
_PRECISION = 0.06


@dataclass(frozen=True, slots=True)
class Step:
    """One number of calls that was tried.

    calls: their number.
    p99: added latency, ms.
    doubt: why the step says nothing; empty if it does.
    fault: why the calls were not carried; empty if they were.
    """

    calls: int
    p99: float
    doubt: str
    fault: str


@dataclass(slots=True)
class Ramp:
    """The result of a ramp.

    steps: in the order in which they were tried.
    limited_by_load: the load generator, not the service, was the limit.
    """

    steps: list[Step] = field(default_factory=list)
    limited_by_load: bool = False

    @property
    def most(self) -> int:
        """Most calls that were carried; 0 if none were."""
        return max((s.calls for s in self.steps if not s.fault and not s.doubt), default=0)

    def document(self) -> dict[str, Any]:
        """The result for a machine."""
        return {
            "most_calls": self.most,
            "limited_by_load": self.limited_by_load,
            "limit_ms": LIMIT_MS,
            "steps": [
                {"calls": s.calls, "p99_ms": s.p99, "doubt": s.doubt, "fault": s.fault}
                for s in self.steps
            ],
        }

    def table(self) -> str:
        """The result for a person."""
        rows = [f"ramp: most calls with added latency below {LIMIT_MS:g} ms (p99), all words whole"]
        for step in self.steps:
            verdict = f"no verdict: {step.doubt}" if step.doubt else step.fault or "carried"
            rows.append(f"{step.calls:6} calls{step.p99:9.2f} ms   {verdict}")
        end = f"most calls: {self.most}"
        if self.limited_by_load:
            end += "; the load was the limit, not the service: give it more cores (--load-core)"
        return "\n".join([*rows, end])


def judged(calls: int, report: Report) -> Step:
    """What a run says of a number of calls."""
    p99 = report.document()["added_latency_ms"]["p99"]
    if not report.whole:
        faults = report.integrity.faults
        reason = faults[0] if faults else "no answer was heard"
        return Step(calls, p99, report.doubt, f"not whole: {len(faults)} faults, first: {reason}")
    return Step(calls, p99, report.doubt, "" if p99 < LIMIT_MS else "too late")


async def climb(first: int, most: int, attempt: Callable[[int], Awaitable[Step]]) -> Ramp:
    """Find the most calls that are carried.

    first: number of calls to begin with.
    most: largest number to try.
    attempt: makes one step.
    """
    ramp = Ramp()

    async def carried(calls: int) -> bool:
        for _ in range(2):
            step = await attempt(calls)
            ramp.steps.append(step)
            if not step.doubt:
                return not step.fault
        ramp.limited_by_load = True
        return False

    low, high, calls = 0, most + 1, min(first, most)
    while low < most and high - low > max(1, _PRECISION * low):
        if await carried(calls):
            low = calls
            # A load that was the limit of more calls does not matter once all of `most` are held.
            calls = min(2 * low, most) if high > most else (low + high) // 2
        else:
            high = calls
            calls = (low + high) // 2
        if calls <= low:
            break
    ramp.limited_by_load = any(s.doubt and s.calls == high for s in ramp.steps) and not any(
        s.fault and not s.doubt and s.calls == high for s in ramp.steps
    )
    return ramp
