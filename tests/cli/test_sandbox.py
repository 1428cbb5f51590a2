"""The `sandbox` command hands its arguments on, and says why it cannot run."""

import argparse
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import COMMAND, free_port
from tests.cli.commands import run as run_command

from avr_sts_speechmatics.cli import sandbox as command
from avr_sts_speechmatics.sandbox import main as sandbox


def handed_on(monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """What the sandbox is run with for these words."""
    given: dict[str, Any] = {}

    def run(**arguments: Any) -> int:
        given.update(arguments)
        return 7

    monkeypatch.setattr(sandbox, "run", run)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args(words)) == 7
    return given


def test_by_default_it_is_for_a_person_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert handed_on(monkeypatch) == {
        "host": "127.0.0.1",
        "port": 6080,
        "max_calls": 2,
        "faq_file": None,
        "announce": "text",
        "watch_stdin": False,
    }


def test_every_argument_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "--host 0.0.0.0 --port 0 --max-calls 5 --faq-file faq.yaml --child".split()
    assert handed_on(monkeypatch, *words) == {
        "host": "0.0.0.0",
        "port": 0,
        "max_calls": 5,
        "faq_file": Path("faq.yaml"),
        "announce": "json",
        "watch_stdin": True,
    }


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_command("sandbox", "--port", port, cwd=tmp_path)
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.models
@pytest.mark.parametrize("redirected", [">&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_sandbox_whose_output_goes_nowhere_serves(redirected: str, tmp_path: Path) -> None:
    port = free_port()
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh", *COMMAND, "sandbox", "--port", str(port)]
    process = subprocess.Popen(shell, cwd=tmp_path)
    try:
        deadline = time.monotonic() + 40
        while True:
            assert process.poll() is None
            assert time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
            except urllib.error.HTTPError:
                break  # it answers
            except OSError:
                time.sleep(0.1)  # another process: nothing here could be awaited
        process.terminate()
        assert process.wait(timeout=5) == 0
    finally:
        process.kill()
        process.wait()
