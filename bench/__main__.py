"""The command line of the benchmark, `python -m bench`. It prints a table or a JSON document.

By default the same load runs twice: with PREEMPTIVE=off, for all figures and their budgets, and
with PREEMPTIVE=on, for what answering ahead saves and costs.
"""

import argparse
import json
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from bench.comparison import Comparison
from bench.frames import FRAME_SECONDS
from bench.ledger import Delays
from bench.ratios import BesideBare
from bench.report import Report
from bench.run import BARE_COMMAND, DEFAULT_COMMAND, MOST_CALLS, Plan, run
from bench.service import BenchError


def main() -> int:
    """Run the benchmark. Returns 0 if all audio was complete, 1 if not, 2 if the run failed.

    Missed budgets do not change the exit code, because timings depend on the machine.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Hold many calls with the service in real time, against synthetic STT, LLM and "
        "TTS services with fixed delays, and measure latency, CPU and memory of the service.",
    )
    cores = sorted(os.sched_getaffinity(0))
    add = parser.add_argument
    add("--calls", type=int, default=100, help="simultaneous calls (default: %(default)s)")
    add(
        "--seconds",
        type=float,
        default=20.0,
        help="time to measure while all calls are up, s (default: %(default)g)",
    )
    add(
        "--barge-in",
        type=float,
        default=0.0,
        metavar="PART",
        help="part of the answers that callers interrupt, 0 to 1 (default: %(default)g)",
    )
    add(
        "--preemptive",
        choices=("off", "on", "both"),
        default="both",
        help="the service's setting PREEMPTIVE (answering ahead). both: one run after the other. "
        "The figures are those of off, because the added latency of an answer that begins before "
        "the end of its turn is not defined; a second table compares on with off "
        "(default: %(default)s)",
    )
    add(
        "--goes-on",
        type=float,
        default=0.1,
        metavar="PART",
        help="part of the questions in which callers pause and then go on, 0 to 1; the pause is "
        "long enough for the words to be settled (default: %(default)g)",
    )
    add(
        "--json", metavar="FILE", help="write the figures as JSON; - is stdout instead of the table"
    )
    add(
        "--stt-ms",
        type=int,
        default=300,
        help="silence after which the STT sends the final segment and directly after it the end "
        "of the turn, ms (default: %(default)s)",
    )
    add(
        "--settled-ms",
        type=int,
        help="silence after which the STT repeats its last partial unchanged, ms: the words are "
        "settled, and a service may begin to answer. The first of the two partials comes at half "
        "of this time (default: half of --stt-ms, as real services need 0.6 to 0.9 s to end a "
        "turn and send a partial every 0.3 s)",
    )
    add(
        "--speech-end-ms",
        type=int,
        help="silence after which the STT sends SpeechEnded, ms (default: --stt-ms, between the "
        "final segment and the end of the turn, which is the documented order). The time of a real "
        "service is not documented, and the cost of answering ahead depends on it: with less than "
        "half of --settled-ms, SpeechEnded comes while the last word is still incomplete",
    )
    add(
        "--llm-ms",
        type=int,
        default=250,
        help="time to the first words of the model, ms (default: %(default)s)",
    )
    add(
        "--tts-ms",
        type=int,
        default=150,
        help="time to the first audio of the TTS, ms (default: %(default)s)",
    )
    add("--core", type=int, default=cores[0], help="core of the service (default: %(default)s)")
    add(
        "--load-core",
        type=int,
        default=cores[-1],
        help="core of the callers and the synthetic services (default: %(default)s)",
    )
    add(
        "--command",
        help="command to start instead of the project's service. The command runs in an empty "
        "folder with the settings in its environment; its child processes are not measured",
    )
    add(
        "--bare",
        choices=("on", "off"),
        default="on",
        help="measure the bare service (bench/bare.py) as well, after the service and under the "
        "same load, and print the figures of both with their ratios (default: %(default)s)",
    )
    add(
        "--rounds",
        type=int,
        default=1,
        metavar="N",
        help="runs of the service and of the bare service, in turn; the ratios are those of the "
        "medians, which evens out the noise of a shared machine (default: %(default)s)",
    )
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds: give 1 or more")
    if not 1 <= args.calls <= MOST_CALLS:
        parser.error(f"--calls: give 1 to {MOST_CALLS}")
    if args.seconds <= 0:
        parser.error("--seconds: give more than 0")
    if not {args.core, args.load_core} <= set(cores):
        parser.error(f"--core, --load-core: give one of the available cores: {cores}")

    speech_end_ms = args.stt_ms if args.speech_end_ms is None else args.speech_end_ms
    silence = round(args.stt_ms / 1000 / FRAME_SECONDS)
    settled_ms = args.stt_ms / 2 if args.settled_ms is None else args.settled_ms
    settled = max(2, round(settled_ms / 1000 / FRAME_SECONDS))
    if args.settled_ms is not None and settled >= silence:
        parser.error("--settled-ms: give less than --stt-ms")

    plan = Plan(
        calls=args.calls,
        seconds=args.seconds,
        delays=Delays(
            settled * FRAME_SECONDS,
            speech_end_ms / 1000,
            args.stt_ms / 1000,
            args.llm_ms / 1000,
            args.tts_ms / 1000,
        ),
        barge_in=args.barge_in,
        goes_on=args.goes_on,
        preemptive="on" if args.preemptive == "on" else "off",
        core=args.core,
        load_core=args.load_core,
        command=tuple(shlex.split(args.command)) if args.command else DEFAULT_COMMAND,
    )
    try:
        report = uvloop.run(run(plan))
        beside = None
        if args.bare == "on":
            unadorned = replace(plan, command=BARE_COMMAND, preemptive="off")
            mine = [report] if plan.preemptive == "off" else []
            bare: list[Report] = []
            while len(bare) < args.rounds:
                if len(mine) == len(bare):
                    mine.append(uvloop.run(run(replace(plan, preemptive="off"))))
                bare.append(uvloop.run(run(unadorned)))
            beside = BesideBare(mine, bare)
        comparison = None
        if args.preemptive == "both":
            ahead = uvloop.run(run(replace(plan, preemptive="on")))
            comparison = Comparison(plan.delays, plan.goes_on, report, ahead)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    document, table, whole = report.document(), report.table(), report.whole
    if beside:
        document["beside_bare"] = beside.document()
        table += "\n\n" + beside.table()
        whole = whole and beside.whole
    if comparison:
        document["answering_ahead"] = comparison.document()
        table += "\n\n" + comparison.table()
        whole = whole and comparison.on.whole
    if args.json == "-":
        print(json.dumps(document, indent=2))
    else:
        print(table)
        if args.json:
            Path(args.json).write_text(json.dumps(document, indent=2) + "\n")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
