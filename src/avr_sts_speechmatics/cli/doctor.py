"""The `doctor` command: check everything that a call needs, and say what to do."""

import argparse
import logging
from dataclasses import asdict

import msgspec

from avr_sts_speechmatics.cli.common import run_on_uvloop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Check what a call needs: settings, agents, tools, free ports, whether STT, TTS and LLM "
        "answer with the keys that are set, and how fast; then the PBX (avr-ami or AMI), MCP "
        "servers, the webhook and the web service for instructions, if they are set. Each cloud "
        "service does a word or half a second of work, which your accounts may count; no call is "
        "touched and no event is posted. Without keys no cloud is contacted. Takes up to 15 "
        "seconds; a running service need not be stopped."
    )
    parser.epilog = "Exit status: 0 if no check failed (a warning is no failure), otherwise 1."
    parser.add_argument("--json", action="store_true", help="print the checks as a JSON list")


def run(given: argparse.Namespace) -> int:
    """Run the checks and print the results; returns 0 if no check failed, otherwise 1."""
    from avr_sts_speechmatics.doctor import examine, summary

    logging.disable(logging.WARNING)  # the checks report the same, with advice
    checks = run_on_uvloop(examine())
    if given.json:
        print(msgspec.json.encode([asdict(check) for check in checks]).decode())
    else:
        print(summary(checks))
    return 1 if any(check.state == "failed" for check in checks) else 0
