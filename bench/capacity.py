"""The figures of docs/capacity.md, written from the JSON documents of runs.

    python -m bench.capacity build/capacity docs/capacity.md --measure

Each run that the page speaks of has a file of its own in the folder, see RUNS; `--measure` makes
those that are missing. A figure whose run is missing is shown as not measured: nothing on the page
is typed by hand.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

_CALLS = "100,200,300,400,500"

RUNS = {
    "tls": f"--calls {_CALLS} --rounds 2",
    "plain": f"--no-tls --calls {_CALLS} --rounds 2 --first-audio off",
    "ramp-tls": "--ramp --calls 200 --first-audio off",
    "ramp-plain": "--no-tls --ramp --calls 200 --first-audio off",
    "workers-1": "--workers 1 --core {cores} --load-core {cores} --ramp --calls 100 --bare off"
    " --first-audio off",
    "workers-2": "--workers 2 --core {cores} --load-core {cores} --ramp --calls 100 --bare off"
    " --first-audio off",
    "overload": "--calls {most} --offer 150 --seconds 60 --first-audio off",
}
"""Arguments of each run, by the name of its file. {cores}: the first two cores. {most}: the most
calls of the ramp with TLS."""

_MISSING = "not measured"
# With half as many callers more, the benchmark has no numbers for further calls.
_MOST_OFFERED = 450


def machine() -> dict[str, Any]:
    """What a figure depends on: day, processor, cores, Python."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "day": time.strftime("%Y-%m-%d"),
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def words_of(name: str, ramp: dict[str, Any]) -> list[str]:
    """The arguments of a run; empty if the run depends on a ramp that found nothing.

    name: of the run's file.
    ramp: document of the ramp with TLS; empty if there is none.
    """
    most = ramp.get("ramp", {}).get("service", {}).get("most_calls", 0)
    if "{most}" in RUNS[name] and not most:
        return []
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
    return RUNS[name].format(cores=cores, most=min(most, _MOST_OFFERED)).split()


def measure(folder: Path, bench: Callable[[list[str]], int]) -> list[str]:
    """Make the runs that are missing in a folder. Returns the names of those that failed.

    bench: the command of the benchmark; gets the arguments and returns the exit code.
    """
    failed = []
    folder.mkdir(parents=True, exist_ok=True)
    for name in RUNS:
        path = folder / f"{name}.json"
        words = words_of(name, _read(folder / "ramp-tls.json"))
        if path.exists() or not words:
            continue
        print(f"== {name}: {' '.join(words)}", file=sys.stderr, flush=True)
        bench([*words, "--json", str(path)])
        if not path.exists():
            failed.append(name)
    return failed


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return document


def section(found: dict[str, dict[str, Any]]) -> str:
    """The figures as Markdown, from the documents that were found, by name."""
    rows = []
    if found:
        made = next(iter(found.values())).get("machine", {})
        day, processor, cores, python = (
            made.get(name, "?") for name in ("day", "processor", "cores", "python")
        )
        rows += [f"Measured on {day}: {processor}, {cores} cores, Python {python}.", ""]
    for name, title in (("tls", "With TLS to the clouds"), ("plain", "Without TLS")):
        rows += [f"**{title}, one core**", "", *_calls(found.get(name)), ""]
    rows += ["**Limits**", "", "| what | figure |", "|---|---|"]
    for name, what in (("ramp-tls", "with TLS"), ("ramp-plain", "without TLS")):
        for program in ("service", "bare service"):
            rows.append(f"| most calls a core, {program}, {what} | {_most(found, name, program)} |")
    for count in (1, 2):
        name = f"workers-{count}"
        rows.append(
            f"| most calls with `WORKERS={count}` on two cores that carry the load too | "
            f"{_most(found, name, 'service')} |"
        )
    rows += [*_overload(found.get("overload")), *_first_audio(found.get("tls"))]
    return "\n".join(rows)


def _calls(document: dict[str, Any] | None) -> list[str]:
    if not document:
        return [f"*{_MISSING}*"]
    names = (
        "calls",
        "added latency p50 / p95 / p99, ms",
        "of the bare service, p99",
        "longest stop, ms",
        "CPU, ms per call-second",
        "of the bare service",
        "memory, MB a call",
        "words",
    )
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for run in document["runs"]:
        added, stop = run["added_latency_ms"], run.get("longest_stop_ms")
        ratio = (run.get("beside_bare") or {}).get("ratio", {})
        late, cpu = (
            f"{ratio[name]:.2f}" if name in ratio else "-"
            for name in ("added latency p99, ms", "CPU, ms per second of call")
        )
        words = "whole" if run["whole"] else f"{len(run['integrity']['faults'])} faults"
        doubt = f" (not valid: {run['doubt']})" if run["doubt"] else ""
        rows.append(
            f"| {run['calls']}{doubt} | {added['p50']:.0f} / {added['p95']:.0f} / "
            f"{added['p99']:.0f} | {late} | {'-' if stop is None else f'{stop:.1f}'} | "
            f"{run['cpu_ms_per_call_second']:.2f} | {cpu} | {run['memory_mb_per_call']:.2f} | "
            f"{words} |"
        )
    return rows


def _most(found: dict[str, dict[str, Any]], name: str, program: str) -> str:
    ramp = found.get(name, {}).get("ramp", {}).get(program)
    if not ramp:
        return _MISSING
    at_least = "at least " if ramp["limited_by_load"] else ""
    note = " (the load generator was the limit)" if ramp["limited_by_load"] else ""
    return f"{at_least}{ramp['most_calls']}{note}"


def _overload(document: dict[str, Any] | None) -> list[str]:
    names = ("150 % offered: added latency p99", "150 % offered: longest wait for a refusal")
    if not document:
        return [f"| {name} | {_MISSING} |" for name in names]
    run = document["runs"][0]
    words = "every word whole" if run["whole"] else f"{len(run['integrity']['faults'])} faults"
    doubt = f"; not valid: {run['doubt']}" if run["doubt"] else ""
    refused = run["refusal_ms"]
    late = f"{run['added_latency_ms']['p99']:.0f} ms at {run['calls']} calls, {words}{doubt}"
    return [
        f"| {names[0]} | {late} |",
        f"| {names[1]} | {refused['worst']:.0f} ms of {refused['count']} refusals |",
    ]


def _first_audio(document: dict[str, Any] | None) -> list[str]:
    name = "end of turn to first audio, 75 tokens/s, first sentence of 25 words"
    told = (document or {}).get("first_audio")
    if not told:
        return [f"| {name} | {_MISSING} |"]
    spread = told["first_audio_ms"]
    doubt = f"; not valid: {told['doubt']}" if told["doubt"] else ""
    return [f"| {name} | {spread['p50']:.0f} ms (p50), {spread['p95']:.0f} ms (p95){doubt} |"]


def main(words: list[str] | None = None) -> int:
    """Write the figures into the page. Returns 0, or 1 if a run failed.

    words: the arguments; None for those of this process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.capacity",
        description="Write the figures of docs/capacity.md from the JSON documents of runs.",
    )
    parser.add_argument("folder", type=Path, help="with the JSON documents of the runs")
    parser.add_argument("page", type=Path, help="page that gets the figures")
    parser.add_argument("--measure", action="store_true", help="make the missing runs first")
    arguments = parser.parse_args(words)
    text = arguments.page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        parser.error(f"{arguments.page} has no place for the figures: {BEGIN} ... {END}")
    failed = []
    if arguments.measure:
        # Imported here: the command of the benchmark imports this module for `machine`.
        from bench.__main__ import main as bench

        failed = measure(arguments.folder, bench)
    found = {name: _read(arguments.folder / f"{name}.json") for name in RUNS}
    filled = section({name: document for name, document in found.items() if document})
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    arguments.page.write_text(f"{before}{BEGIN}\n{filled}\n{END}{after}")
    if failed:
        print(f"These runs failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
