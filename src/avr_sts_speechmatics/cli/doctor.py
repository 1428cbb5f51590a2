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
        "servers, the webhook and the web service for instructions, if they are set. Each service "
        "is asked as in a call: STT starts a session for each language and hears half a second, "
        "each voice says a word, each model gets instructions, welcome and tools and calls one "
        "tool, which does nothing. Your accounts may count that; no call is touched, no tool of "
        "yours is run and no event is posted. Proxies and announced ends of models are shown. "
        "Without keys no cloud is contacted. Takes up to 15 seconds; a running service need not "
        "be stopped."
    )
    parser.epilog = "Exit status: 0 if no check failed (a warning is no failure), otherwise 1."
    parser.add_argument("--json", action="store_true", help="print the checks as a JSON list")


def run(given: argparse.Namespace) -> int:
    """Run the checks and print the results; returns 0 if no check failed, otherwise 1."""
    from avr_sts_speechmatics.doctor import examine, summary

    # The checks report the same, with advice. The log is not disabled: checks read it.
    logging.getLogger().addHandler(logging.NullHandler())
    checks = run_on_uvloop(examine())
    if given.json:
        print(msgspec.json.encode([asdict(check) for check in checks]).decode())
    else:
        print(summary(checks))
    return 1 if any(check.state == "failed" for check in checks) else 0
