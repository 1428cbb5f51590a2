"""`python -m bench`: arguments in, a table or a document out."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

import uvloop

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
        "--json", metavar="FILE", help="write the figures as JSON; - is stdout instead of the table"
    )
    add(
        "--hearing-ms",
        type=int,
        default=300,
        help="silence after which the recogniser ends a turn (default: %(default)s)",
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

    plan = Plan(
        calls=args.calls,
        seconds=args.seconds,
        delays=Delays(args.hearing_ms / 1000, args.thinking_ms / 1000, args.voice_ms / 1000),
        barge_in=args.barge_in,
        core=args.core,
        load_core=args.load_core,
        command=tuple(shlex.split(args.command)) if args.command else DEFAULT_COMMAND,
    )
    try:
        report = uvloop.run(run(plan))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    document = json.dumps(report.document(), indent=2)
    if args.json == "-":
        print(document)
    else:
        print(report.table())
        if args.json:
            Path(args.json).write_text(document + "\n")
    return 0 if report.whole else 1


if __name__ == "__main__":
    sys.exit(main())
