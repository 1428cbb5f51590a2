"""The command `avr-sts-speechmatics`: its subcommands are modules of this package.

A subcommand prints what a newcomer needs next. Whatever goes wrong is one sentence that names the
setting to change, never a traceback. Exit status 2: the command cannot do what was asked for.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.errors import SettingsError

COMMANDS = {
    "serve": "answer calls",
    "sandbox": "run only the local stand-ins for the clouds",
    "call": "play the part of a caller",
    "tools": "list the agent's tools, or run one by hand",
    "doctor": "find out what is wrong, and what to do",
}
"""Each subcommand and its line in `--help`.

The module `cli.<name>` has the functions `add_arguments` and `run`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status.

    arguments: the words after the program's name; default: those of this process.
    """
    # One core is one event loop's: threads of numpy's linear algebra would only spin beside it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        words = sys.argv[1:] if arguments is None else arguments
        given = make_parser(words).parse_args(words)
        status: int = given.run(given)
    except SettingsError as error:
        print(f"avr-sts-speechmatics: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def make_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command line of these words.

    Only the modules of subcommands among `words` are imported: each takes up to a second.
    """
    parser = argparse.ArgumentParser(
        prog="avr-sts-speechmatics",
        description="A speech-to-speech service for Agent Voice Response (AVR) and for Asterisk "
        "itself: takes a caller's audio, answers with an agent's. Hears and speaks with "
        "Speechmatics, thinks with an OpenAI model; without keys it does all three offline.",
        epilog="Settings are environment variables, also read from a file .env; "
        "docs/settings.md has the table.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about)
        if name in words:
            module = import_module(f"avr_sts_speechmatics.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
