"""`serve` whose output goes to a full disk, a pipe that nobody reads, or nowhere at all."""

import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.avr_core import dial
from tests.cli.commands import CLOUDS, Started, serving
from tests.support import full_pipe

needs_dev_full = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="this system has no /dev/full"
)


def health(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
        return json.load(answer)


async def take_calls(port: int, calls: int = 3) -> None:
    """Calls one after another; each uses sockets, and each is logged."""
    for _ in range(calls):
        async with dial(f"ws://127.0.0.1:{port}/") as core:
            await core.init()
            await core.until(lambda heard: bool(heard.frames) or heard.close_code is not None)


async def test_a_log_that_nobody_reads_freezes_nothing(tmp_path: Path) -> None:
    with (
        full_pipe() as (_, pipe),
        serving(tmp_path, Started(stderr=pipe.fileno()), **CLOUDS) as (
            process,
            port,
        ),
    ):
        await take_calls(port)
        assert health(port)["ready"]
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert process.wait(timeout=6) == 0
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
async def test_closed_output_does_not_harm_calls(redirected: str, tmp_path: Path) -> None:
    with serving(tmp_path, Started(redirected), **CLOUDS) as (process, port):
        await take_calls(port)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=6)
        assert process.returncode == 0
    if "2>&-" not in redirected:
        assert "standard output was closed" in err
    elif not redirected.startswith((">", "<")):
        assert "standard error is closed: there is no log" in out


@needs_dev_full
@pytest.mark.parametrize("redirected", [">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"])
async def test_a_full_disk_does_not_harm_calls(redirected: str, tmp_path: Path) -> None:
    with serving(tmp_path, Started(redirected), **CLOUDS) as (process, port):
        await take_calls(port)
        lost = health(port)["log_lines_lost"]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=6)
        assert process.returncode == 0
    assert bool(lost) == ("2>" in redirected)
    if redirected == ">/dev/full":
        assert "standard output cannot be written: no space left on device" in err
        assert "Traceback" not in err
    if redirected == "2>/dev/full":
        assert "the log (standard error) cannot be written: no space left on device" in out
