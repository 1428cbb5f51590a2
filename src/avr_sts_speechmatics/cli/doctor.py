"""The `doctor` command: find out what is wrong, and what to do."""

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
        "servers, the webhook and the instructions' web service, where they are set. Each service "
        "is asked for a word or half a second, which your accounts may count; no call is touched "
        "and no event is posted. Without keys no cloud is contacted. Takes up to 15 seconds; a "
        "service that is running may go on running."
    )
    parser.epilog = "Exit status: 0 when no check failed (a warning is no failure), otherwise 1."
    parser.add_argument("--json", action="store_true", help="print the checks as a JSON list")


def run(given: argparse.Namespace) -> int:
    """Check and print; returns 0 when no check failed, otherwise 1."""
    from avr_sts_speechmatics.doctor import examine, summary

    logging.disable(logging.WARNING)  # the checks say the same, and what to do
    checks = run_on_uvloop(examine())
    if given.json:
        print(msgspec.json.encode([asdict(check) for check in checks]).decode())
    else:
        print(summary(checks))
    return 1 if any(check.state == "failed" for check in checks) else 0
