"""The `call` command in this process, with a voice that always asks the same."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.phone.simple_agent import QUESTION

from avr_sts_speechmatics.cli.call import add_arguments, run_call

Printed = Callable[[], tuple[str, str]]
"""What the command has printed since the last time: stdout, stderr."""


async def say(text: str) -> bytes:
    return QUESTION


async def call(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    quick = ["--welcome-wait", "0.1", "--answer-timeout", "1"]
    return await run_call(parser.parse_args([*quick, *map(str, arguments)]), say)


async def report(printed: Printed, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    status = await call("--json", *arguments)
    return status, json.loads(printed()[0])
