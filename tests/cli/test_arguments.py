"""Wrong values of options: one sentence and status 2, whatever the option and the value."""

import argparse
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import CLOUDS, COMMAND

from avr_sts_speechmatics.cli import main as cli
from avr_sts_speechmatics.cli.arguments import checked, plain_text, words
from avr_sts_speechmatics.settings import checks

ODD = ["", " ", "-1", "x", "99999", "nan", "inf", "1e999", "..", "/", "/no/such", "\udcff", "a b"]
ODD += [
    "ws://",
    "ws://[",
    "ws://h:99999",
    "ws://h:x",
    "ws:// h",
    "http://\udcff",
    "ftp://h",
    "\x7f",
]

NOBODY = "ws://127.0.0.1:9"
"""An address where nobody takes calls."""


def options(command: str) -> Iterator[str]:
    """The options of a command that take a value."""
    (subparsers,) = (
        action
        for action in cli.make_parser([command])._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for action in subparsers.choices[command]._actions:
        if action.option_strings and action.nargs != 0:
            yield action.option_strings[0]


@pytest.mark.parametrize(
    "option", [(command, one) for command in ("call", "sandbox") for one in options(command)]
)
def test_an_odd_value_of_an_option_is_no_traceback(
    option: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    command, name = option
    monkeypatch.chdir(tmp_path)
    for variable, value in CLOUDS.items():
        monkeypatch.setenv(variable, value)
    if command == "sandbox":  # what passes the parser would run until it is stopped
        monkeypatch.setattr("avr_sts_speechmatics.sandbox.main.run", lambda **given: 0)
    rest = [] if name == "--url" or command == "sandbox" else ["--url", NOBODY]
    for value in ODD:
        try:
            status = cli.main([command, f"{name}={value}", *rest])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        said = capsys.readouterr().err
        assert status in (0, 2), (value, said)
        sentences = [
            line for line in said.splitlines() if not re.match(r"\d{4}-\d\d-\d\d ", line)
        ]  # of the log
        assert len(sentences) == (1 if status else 0), (value, said)


def test_a_port_that_is_none_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["sandbox", "--port", "99999"])
    assert (
        "argument --port: '99999': give a whole number from 0 to 65535" in capsys.readouterr().err
    )


def test_the_types_return_what_they_were_given() -> None:
    assert words("Hello?") == plain_text("Hello?") == "Hello?"
    assert checked(checks.port)("6040") == 6040


@pytest.mark.parametrize(
    ("convert", "text"), [(words, ""), (words, "..."), (plain_text, "\udcff"), (words, "\udcff")]
)
def test_the_types_reject_what_cannot_be_said(convert: object, text: str) -> None:
    assert callable(convert)
    with pytest.raises(argparse.ArgumentTypeError):
        convert(text)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["doctor", "--json"], ["call", "--help"], ["tools"]]
)
def test_output_that_nobody_reads_ends_the_command_without_a_traceback(
    arguments: list[str], tmp_path: Path
) -> None:
    environment = os.environ | CLOUDS | {"PYTHONUNBUFFERED": ""}
    reader, writer = os.pipe()
    os.close(reader)  # as `head` does when it has its lines
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""
