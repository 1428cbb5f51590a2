"""The sandbox as a process: start, output, end."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from avr_sts_speechmatics.sandbox.main import Announcer, run

READY_WITHIN_S = 5.0
END_WITHIN_S = 5.0


@contextmanager
def sandbox(*, before: str = "", **arguments: Any) -> Iterator[subprocess.Popen[str]]:
    """A sandbox process.

    before: Python code that runs first.
    """
    code = f"import sys\n{before}\nfrom avr_sts_speechmatics.sandbox.main import run\n"
    code += f"sys.exit(run(**{arguments!r}))"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def processor_seconds() -> float:
    """CPU time of child processes: unlike the clock, it does not depend on other processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def lines_until_ready(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    assert process.stdout is not None
    events: list[dict[str, Any]] = []
    while not events or events[-1]["event"] != "ready":
        events.append(json.loads(process.stdout.readline()))
    return events


@pytest.mark.models
def test_the_sandbox_reports_progress_to_its_parent_and_ends_with_the_parent() -> None:
    before = processor_seconds()
    with sandbox(announce="json", watch_stdin=True) as process:
        events = lines_until_ready(process)
        assert sorted(event["part"] for event in events[:-1]) == ["llm", "stt", "tts"]
        assert [(event["done"], event["of"]) for event in events[:-1]] == [(1, 3), (2, 3), (3, 3)]
        host, port = events[-1]["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))):
            pass
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=END_WITHIN_S) == 0
    assert processor_seconds() - before < READY_WITHIN_S


@pytest.mark.models
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_sandbox(number: signal.Signals) -> None:
    with sandbox(announce="json") as process:
        lines_until_ready(process)
        process.send_signal(number)
        assert process.wait(timeout=END_WITHIN_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_signal_during_loading_ends_the_sandbox() -> None:
    with sandbox(announce="json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=END_WITHIN_S) == 0


def test_a_person_is_told_that_the_sandbox_has_ended() -> None:
    with sandbox(announce="text") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=END_WITHIN_S) == 0
        assert process.stdout.read().endswith("The sandbox has ended.\n")


def test_a_busy_port_is_named_in_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(port=port, announce="text") == 1
        assert f"port {port}" in capsys.readouterr().err
        assert run(port=port, announce="json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["event"] == "failed"
    assert f"port {port}" in said["reason"]


def test_a_missing_extra_is_reported_in_one_sentence() -> None:
    with sandbox(before="sys.modules['ctranslate2'] = None") as process:
        _, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert err.count("\n") == 1
        assert "pip install 'avr-sts-speechmatics[sandbox]'" in err


def test_an_invalid_faq_is_reported_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faq = tmp_path / "faq.yaml"
    faq.write_text("company: 5\n")
    assert run(faq_file=faq) == 1
    assert str(faq) in capsys.readouterr().err


def test_the_settings_for_the_service_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    announcer = Announcer("text")
    announcer.loaded("stt")
    announcer.ready("127.0.0.1:8090", 2)
    said = capsys.readouterr().out
    assert "Loaded stt (1 of 3)." in said
    assert "SPEECHMATICS_RT_URL=ws://127.0.0.1:8090/v2\n" in said
    assert "SPEECHMATICS_TTS_URL=http://127.0.0.1:8090\n" in said
    assert "OPENAI_BASE_URL=http://127.0.0.1:8090/v1\n" in said
    assert "OPENAI_TTS_URL=http://127.0.0.1:8090/v1\n" in said


def test_the_sandbox_loads_only_receptionist_and_decoding_from_the_product() -> None:
    code = (
        "import sys, avr_sts_speechmatics.sandbox.main\n"
        "import avr_sts_speechmatics.sandbox.scripted_cloud\n"
        "print(*(m for m in sys.modules if m.startswith('avr_sts_speechmatics.')))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    ).stdout.split()
    allowed = tuple(
        f"avr_sts_speechmatics.{name}" for name in ("sandbox", "receptionist", "network")
    )
    strangers = [name for name in out if not name.startswith(allowed)]
    assert not strangers
