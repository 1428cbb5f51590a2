"""Reports of made-up runs, for the tests of what is derived from reports."""

from typing import Any

from bench.figures import Integrity, Spending, Timings, Tokens
from bench.report import Conditions, Report

NO_TOKENS = Tokens(0, 0, 0)


def conditions(**changes: Any) -> Conditions:
    """The conditions of a good run, with changes."""
    made: dict[str, Any] = {
        "preemptive": "off",
        "calls": 100,
        "seconds": 20.0,
        "cores": (0,),
        "load_cores": (1,),
        "ready": 0.6,
        "service_cpu": 3.0,
        "load_cpu": 8.0,
        "service_waited": 0.1,
        "load_waited": 0.1,
        "idle_memory": 50_000_000,
        "busy_memory": 70_000_000,
        "lags": [0.001],
    }
    return Conditions(**(made | changes))


def report(
    timings: Timings | None = None, integrity: Integrity | None = None, **changes: Any
) -> Report:
    """A report of a good run.

    timings: None for an added latency of 4 ms.
    integrity: None for ten whole answers.
    changes: of the conditions.
    """
    return Report(
        conditions(**changes),
        timings or Timings(added=[0.004] * 3),
        integrity or Integrity(answers=10),
        Spending(10, Tokens(10, 1000, 500), NO_TOKENS),
    )
