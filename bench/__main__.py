"""The command line of the benchmark, `python -m bench`. It prints tables or a JSON document.

For each number of calls the service runs first, then the bare service under the same load. For one
number of calls a second run of the service with PREEMPTIVE=on says what answering ahead saves and
costs.
"""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from bench.arguments import first_audio_plan, parsed, planned
from bench.capacity import machine
from bench.comparison import Comparison
from bench.first_audio import FirstAudio
from bench.ramp import Ramp, Step, climb, judged
from bench.ratios import BesideBare, figures, side_by_side
from bench.report import Report
from bench.run import BARE_COMMAND, MOST_CALLS, Plan, run
from bench.service import BenchError
from bench.tables import overview


class Output:
    """What was measured so far: a document for a machine, and tables for a person."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.document: dict[str, Any] = {"machine": machine(), "runs": self.runs}
        self.tables: list[str] = []
        self.whole = True


def main(words: list[str] | None = None) -> int:
    """Run the benchmark. Returns 0 if all audio was complete, 1 if not, 2 if the run failed.

    words: the arguments; None for those of this process.

    Missed budgets do not change the exit code, because timings depend on the machine.
    """
    arguments = parsed(words)
    output = Output()
    try:
        if arguments.ramp:
            _climb(arguments, output)
        else:
            for calls in arguments.calls:
                _measure(arguments, calls, output)
            if len(output.runs) > 1:
                output.tables.append(overview(output.runs))
        if arguments.first_audio == "on":
            plan = first_audio_plan(arguments)
            _say(f"first audio, {plan.calls} calls")
            first = FirstAudio(plan.delays, uvloop.run(run(plan)))
            output.document["first_audio"] = first.document()
            output.tables.append(first.table())
            output.whole = output.whole and first.report.whole
        if arguments.compare:
            _compare(Path(arguments.compare), output)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json == "-":
        print(json.dumps(output.document, indent=2))
    else:
        print("\n\n".join(output.tables))
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(output.document, indent=2) + "\n")
    return 0 if output.whole else 1


def _measure(arguments: Namespace, calls: int, output: Output) -> None:
    plan = planned(arguments, calls)
    _say(f"service, {calls} calls")
    report = uvloop.run(run(plan))
    document, table, whole = report.document(), report.table(), report.whole
    if arguments.bare == "on" and plan.offered == 100:
        beside = _beside_bare(plan, report, arguments.rounds)
        document["beside_bare"] = beside.document()
        table += "\n\n" + beside.table()
        whole = whole and beside.whole
    if arguments.preemptive == "both":
        _say(f"service with PREEMPTIVE=on, {calls} calls")
        ahead = uvloop.run(run(replace(plan, preemptive="on")))
        comparison = Comparison(plan.delays, plan.goes_on, report, ahead)
        document["answering_ahead"] = comparison.document()
        table += "\n\n" + comparison.table()
        whole = whole and ahead.whole
    output.runs.append(document)
    output.tables.append(table)
    output.whole = output.whole and whole


def _beside_bare(plan: Plan, first: Report, rounds: int) -> BesideBare:
    """Run the bare service and the service in turn, as many rounds as asked for."""
    plan = replace(plan, preemptive="off")
    mine = [first] if first.conditions.preemptive == "off" else []
    bare: list[Report] = []
    while len(bare) < rounds:
        if len(mine) == len(bare):
            _say(f"service, {plan.calls} calls, round {len(mine) + 1}")
            mine.append(uvloop.run(run(plan)))
        _say(f"bare service, {plan.calls} calls")
        bare.append(uvloop.run(run(_bare(plan))))
    return BesideBare(mine, bare, tls=plan.tls)


def _bare(plan: Plan) -> Plan:
    # The bare service is one process, whatever WORKERS says.
    return replace(plan, command=BARE_COMMAND, workers=1, preemptive="off")


def _climb(arguments: Namespace, output: Output) -> None:
    names = {"service": planned(arguments, 1)}
    if arguments.bare == "on":
        names["bare service"] = _bare(names["service"])
    for name, plan in names.items():
        ramp = uvloop.run(_ramp(name, plan, arguments.calls[0]))
        output.document.setdefault("ramp", {})[name] = ramp.document()
        output.tables.append(f"{name}: {ramp.table()}")


async def _ramp(name: str, plan: Plan, first: int) -> Ramp:
    async def attempt(calls: int) -> Step:
        _say(f"{name}, {calls} calls")
        step = judged(calls, await run(replace(plan, calls=calls)))
        _say(f"  p99 {step.p99:.1f} ms; {step.doubt or step.fault or 'carried'}")
        return step

    return await climb(first, MOST_CALLS, attempt)


def _compare(path: Path, output: Output) -> None:
    """Compare each run with the earlier run of as many calls. Raises BenchError."""
    try:
        earlier = json.loads(path.read_text())
        runs = earlier.get("runs", [earlier])
        before = {document["calls"]: figures(document) for document in runs}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BenchError(f"--compare {path}: not the figures of a run: {error!r}.") from error
    compared: dict[str, dict[str, float]] = {}
    for document in output.runs:
        calls = document["calls"]
        if calls in before:
            now, then = figures(document), before[calls]
            title = f"{calls} calls, {path.name}"
            output.tables.append(side_by_side(title, ("now", "before"), now, then))
            compared[str(calls)] = {
                name: value / then[name] for name, value in now.items() if then.get(name, 0) > 0
            }
        else:
            output.tables.append(f"{path.name} has no run of {calls} calls.")
    output.document["compared"] = {"file": str(path), "ratio": compared}


def _say(what: str) -> None:
    """Say on stderr what is being done: a long run shows nothing else for minutes."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
