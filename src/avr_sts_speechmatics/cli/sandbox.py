"""The `sandbox` command: run only the local stand-ins for the clouds."""

import argparse

from avr_sts_speechmatics.cli import standard_streams
from avr_sts_speechmatics.cli.arguments import checked, file_path
from avr_sts_speechmatics.sandbox import main as sandbox
from avr_sts_speechmatics.settings import checks as check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to `parser`."""
    parser.description = (
        "Run local servers that speak the protocols of Speechmatics (STT, TTS) and OpenAI (LLM), "
        "with small local models. For trying and testing with one or two calls; no key and no "
        "network is needed."
    )
    parser.add_argument(
        "--host",
        type=checked(check.host),
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=checked(check.whole(0, 65535)),
        default=6080,
        help="port to listen on, 0 for any free port (default: %(default)s)",
    )
    parser.add_argument(
        "--max-calls",
        type=checked(check.whole(1, 100_000)),
        default=2,
        help="STT sessions at once (default: %(default)s)",
    )
    parser.add_argument(
        "--faq-file", type=file_path, help="FAQ of the scripted receptionist (YAML)"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    with standard_streams.in_background():
        status: int = sandbox.run(
            host=given.host,
            port=given.port,
            max_calls=given.max_calls,
            faq_file=given.faq_file,
            announce="json" if given.child else "text",
            watch_stdin=given.child,
        )
    return status
