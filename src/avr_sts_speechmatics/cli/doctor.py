"""The `doctor` command: find out what is wrong, and what to do."""

import argparse
import logging

from avr_sts_speechmatics.cli.run import run_on_uvloop


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
    from avr_sts_speechmatics import doctor

    logging.disable(logging.WARNING)  # what it finds is printed, and better explained
    return run_on_uvloop(doctor.run(as_json=given.json))
