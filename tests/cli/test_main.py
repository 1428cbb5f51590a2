"""The command line: its subcommands, and how a command ends that cannot do what was asked."""

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.commands import run

from avr_sts_speechmatics import __version__
from avr_sts_speechmatics.cli import main as cli
from avr_sts_speechmatics.errors import SettingsError


@pytest.mark.parametrize(
    "command", [(), ("serve",), ("sandbox",), ("call",), ("tools",), ("doctor",)]
)
def test_every_command_has_help(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "usage:" in done.stdout
    assert len(done.stdout.splitlines()) > 5


def test_the_version_is_told(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout.strip() == __version__


def ends(monkeypatch: pytest.MonkeyPatch, error: BaseException | None, status: int = 0) -> int:
    """The exit status of a command that raises `error`, or returns `status`."""

    def command(given: argparse.Namespace) -> int:
        if error is not None:
            raise error
        return status

    def parser_of(words: object) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser()
        parser.set_defaults(run=command)
        return parser

    monkeypatch.setattr(cli, "make_parser", parser_of)
    return cli.main([])


def test_the_exit_status_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, None, status=1) == 1


def test_a_wrong_setting_is_one_sentence_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(monkeypatch, SettingsError("PORT=x: not a port.")) == 2
    assert capsys.readouterr().err == "avr-sts-speechmatics: PORT=x: not a port.\n"


def test_ctrl_c_is_status_130_and_a_bug_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, KeyboardInterrupt()) == 130
    with pytest.raises(ZeroDivisionError):
        ends(monkeypatch, ZeroDivisionError())
    with pytest.raises(RuntimeError):
        ends(monkeypatch, RuntimeError())


def test_ctrl_c_while_an_import_defines_a_class_is_status_130(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = RuntimeError("Error calling __set_name__")
    error.__cause__ = KeyboardInterrupt()
    assert ends(monkeypatch, error) == 130


@pytest.mark.parametrize("words", [[], ["dance"]])
def test_what_is_no_command_is_answered_with_the_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(words)
    assert exit_.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_only_the_command_that_was_asked_for_is_imported(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []

    def importing(name: str) -> SimpleNamespace:
        imported.append(name)
        return SimpleNamespace(add_arguments=lambda parser: None, run=lambda given: 7)

    monkeypatch.setattr(cli, "import_module", importing)
    assert cli.main([command]) == 7
    assert imported == [f"avr_sts_speechmatics.cli.{command}"]


def test_every_command_is_a_module_of_the_package() -> None:
    modules = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    assert set(cli.COMMANDS) <= modules
    assert sys.modules["avr_sts_speechmatics.cli.main"] is cli
