"""Whole runs: processes of the load, a service, TLS, and more callers than the service may take."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from bench.ledger import Delays
from bench.run import BARE_COMMAND, DEFAULT_COMMAND, Plan, run
from bench.service import BenchError

CORES = tuple(sorted(os.sched_getaffinity(0)))
PLAN = Plan(
    calls=2,
    seconds=2.0,
    delays=Delays(settled=0.14, speech_end=0.3, stt=0.3, llm=0.05, voice=0.05),
    barge_in=0.0,
    goes_on=0.0,
    preemptive="off",
    cores=CORES[:1],
    load_cores=CORES[-1:],
    command=DEFAULT_COMMAND,
    dialling=0.2,
)


@pytest.fixture(autouse=True)
def all_cores_again() -> Iterator[None]:
    yield
    os.sched_setaffinity(0, CORES)


@pytest.mark.timeout(240)
async def test_callers_beyond_the_limit_are_refused_and_those_inside_stay_whole() -> None:
    report = await run(replace(PLAN, offered=150, tls=True))
    assert report.integrity.faults == []
    # One answer of the warm-up call, at least one of each call.
    assert report.integrity.answers >= 3
    assert report.conditions.calls == 2
    assert report.conditions.refusals
    assert max(report.conditions.refusals) < 10
    assert report.conditions.longest_stop is not None
    assert report.conditions.processes >= 1
    assert report.document()["cpu_ms_per_call_second"] > 0


@pytest.mark.timeout(240)
async def test_two_processes_of_the_load_judge_their_own_calls_by_what_both_heard() -> None:
    if len(CORES) < 2:
        pytest.skip("needs two cores")
    plan = replace(PLAN, command=BARE_COMMAND, load_cores=CORES[:2], calls_a_process=1)
    report = await run(plan)
    assert report.integrity.faults == []
    assert report.integrity.answers >= 3


async def test_a_command_that_ends_is_told() -> None:
    with pytest.raises(BenchError, match="ended with status 1"):
        await run(replace(PLAN, command=("/bin/false",)))
