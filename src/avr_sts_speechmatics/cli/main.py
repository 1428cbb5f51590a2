"""The command `avr-sts-speechmatics`, whose subcommands are modules of this package.

A subcommand prints what a new user needs next. A wrong setting is reported in one sentence that
names the setting, never as a traceback, and gives exit status 2.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.cli import standard_streams
from avr_sts_speechmatics.errors import SettingsError

COMMANDS = {
    "serve": "answer calls",
    "sandbox": "run only the local stand-ins for the clouds",
    "call": "call the service as a test caller",
    "calls": "list, show, export or delete what is kept of calls",
    "tools": "list the agent's tools, or run one by hand",
    "doctor": "check that calls will work, and say what to do if not",
    "conformance": "check an AVR service, this one or another, against the protocol",
}
"""Each subcommand and its line in `--help`.

The module `cli.<name>` of a subcommand has the functions `add_arguments` and `run`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    arguments: the words after the program's name; None for the words of this process, which then
        ends here: a thread that waits for a name server would delay its end.
    """
    standard_streams.open_closed()
    # The event loop uses one core; threads of numpy's linear algebra would only compete with it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        words = sys.argv[1:] if arguments is None else arguments
        try:
            given = make_parser(words).parse_args(words)
            status: int = given.run(given)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where its failure can be handled
    except BrokenPipeError:
        from avr_sts_speechmatics.cli.common import NO_READER, abandon_stdout

        abandon_stdout()
        return NO_READER
    except SettingsError as error:
        print(f"avr-sts-speechmatics: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        # Python 3.11 wraps a Ctrl-C that comes while an import defines a class.
        if isinstance(error.__cause__, KeyboardInterrupt):
            return 130
        raise
    if arguments is None:
        standard_streams.end_process(status)
    return status


def make_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Make the parser for a command line.

    words: the command line. Only the modules of subcommands among the words are imported, because
        each import takes up to a second.
    """
    parser = argparse.ArgumentParser(
        prog="avr-sts-speechmatics",
        description="A speech-to-speech service for Agent Voice Response (AVR) and for Asterisk "
        "itself: takes a caller's audio and answers with an agent's audio. Uses Speechmatics for "
        "STT and TTS and an OpenAI model as LLM; without keys all three run offline.",
        epilog="Settings are environment variables, also read from a file .env; "
        "docs/settings.md has the table.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Command)
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about)
        if name in words:
            module = import_module(f"avr_sts_speechmatics.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


class _Command(argparse.ArgumentParser):
    """The parser of a subcommand: a wrong option is one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help shows all options)\n")
