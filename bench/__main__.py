"""`python -m bench`: arguments in, a table or a document out.

Unless told otherwise the same load is played twice: without answering ahead, for all figures and
their budgets, and with it, for what that saves and costs.
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
from bench.run import DEFAULT_COMMAND, MOST_CALLS, Plan, run
from bench.service import BenchError


def main() -> int:
    """0 when all audio was whole, 1 when it was not, 2 when there was no run. Not for timings:
    they depend on the machine."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Hold many calls with the service in real time, against synthetic services "
        "that take no time of their own, and tell what the service itself costs.",
    )
    cores = sorted(os.sched_getaffinity(0))
    add = parser.add_argument
    add("--calls", type=int, default=100, help="calls at the same time (default: %(default)s)")
    add(
        "--seconds",
        type=float,
        default=20.0,
        help="how long to measure while all calls are up (default: %(default)g)",
    )
    add(
        "--barge-in",
        type=float,
        default=0.0,
        metavar="PART",
        help="which part of the answers callers interrupt, 0 to 1 (default: %(default)g)",
    )
    add(
        "--preemptive",
        choices=("off", "on", "both"),
        default="both",
        help="whether the service answers ahead: its setting PREEMPTIVE. both: one run after the "
        "other; the figures are those of off, because an answer begun before the end of its turn "
        "has no added latency, and what on saves and costs stands below (default: %(default)s)",
    )
    add(
        "--goes-on",
        type=float,
        default=0.1,
        metavar="PART",
        help="in which part of the questions callers pause, long enough for their words to be "
        "settled, and then go on, 0 to 1 (default: %(default)g)",
    )
    add(
        "--json", metavar="FILE", help="write the figures as JSON; - is stdout instead of the table"
    )
    add(
        "--hearing-ms",
        type=int,
        default=300,
        help="silence after which the recogniser sends the final segment and directly after it "
        "the end of the turn (default: %(default)s)",
    )
    add(
        "--settled-ms",
        type=int,
        help="silence after which its guess at the words comes for the second time unchanged: a "
        "service may begin to answer then; the first time is at half of that (default: half of "
        "--hearing-ms, as real services need 0.6 to 0.9 s to end a turn, and guess every 0.3 s)",
    )
    add(
        "--speech-end-ms",
        type=int,
        help="silence after which the recogniser says that the sound is over (default: "
        "--hearing-ms, between final segment and end of turn, which is the documented order; how "
        "long a real service takes is not documented, and what answering ahead costs depends on "
        "it: with less than half of --settled-ms it comes while the last word is half known)",
    )
    add(
        "--thinking-ms",
        type=int,
        default=250,
        help="what the model takes to its first words (default: %(default)s)",
    )
    add(
        "--voice-ms",
        type=int,
        default=150,
        help="what the voice takes to its first sound (default: %(default)s)",
    )
    add("--core", type=int, default=cores[0], help="the service's core (default: %(default)s)")
    add(
        "--load-core",
        type=int,
        default=cores[-1],
        help="the core of callers and synthetic services (default: %(default)s)",
    )
    add(
        "--command",
        help="start this instead of the project's service, in an empty folder, with its settings "
        "in the environment; only the process itself is measured, not its children",
    )
    args = parser.parse_args()
    if not 1 <= args.calls <= MOST_CALLS:
        parser.error(f"--calls: give 1 to {MOST_CALLS}")
    if args.seconds <= 0:
        parser.error("--seconds: give more than 0")
    if not {args.core, args.load_core} <= set(cores):
        parser.error(f"--core, --load-core: this machine lets us use {cores}")

    speech_end_ms = args.stt_ms if args.speech_end_ms is None else args.speech_end_ms
    silence = round(args.stt_ms / 1000 / FRAME_SECONDS)
    settled_ms = args.stt_ms / 2 if args.settled_ms is None else args.settled_ms
    settled = max(2, round(settled_ms / 1000 / FRAME_SECONDS))
    if args.settled_ms is not None and settled >= silence:
        parser.error("--settled-ms: give less than --hearing-ms")

    plan = Plan(
        calls=args.calls,
        seconds=args.seconds,
        delays=Delays(
            settled * FRAME_SECONDS,
            speech_end_ms / 1000,
            args.stt_ms / 1000,
            args.thinking_ms / 1000,
            args.voice_ms / 1000,
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
        comparison = None
        if args.preemptive == "both":
            ahead = uvloop.run(run(replace(plan, preemptive="on")))
            comparison = Comparison(plan.delays, plan.goes_on, report, ahead)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    document, table, whole = report.document(), report.table(), report.whole
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
