"""What the commands share: a fast event loop, and a log without secrets."""

import asyncio
import subprocess
import sys

import pytest

from avr_sts_speechmatics.cli.common import run_on_uvloop


def test_a_commands_work_runs_on_uvloop_and_its_result_comes_back() -> None:
    async def work() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run_on_uvloop(work()).startswith("uvloop")


def test_an_error_comes_through_and_no_task_outlives_the_command() -> None:
    cancelled = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def work() -> None:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        raise LookupError(task.get_name())

    with pytest.raises(LookupError):
        run_on_uvloop(work())
    assert cancelled == [True]


LOGS = """
import logging
from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.cli.common import set_up_log
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.values import Secret

set_up_log(Settings(log_level="warning", openai_api_key=Secret("a-key-of-mine")))
log = logging.getLogger("avr_sts_speechmatics.anything")
log.info("not to be seen")
current_call.set("0b7f6a52-8f8e")
log.warning("a-key-of-mine was refused")
"""


def test_the_log_has_the_level_of_the_settings_the_call_and_no_key() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGS], capture_output=True, text=True, timeout=30, check=True
    )
    (line,) = done.stderr.splitlines()
    assert line.endswith("warning [0b7f6a52] *** was refused")
    assert done.stdout == ""
