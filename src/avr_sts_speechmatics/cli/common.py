"""Functions that the commands share: running on uvloop and setting up the log."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from avr_sts_speechmatics.settings import Settings

_Result = TypeVar("_Result")


def run_on_uvloop(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a command's coroutine to its end and return its result."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


NO_READER = 141
"""Exit status of a command whose output nobody reads any more, as a shell reports SIGPIPE."""


def abandon_stdout() -> None:
    """Send the rest of stdout nowhere: its reader, such as `head`, has gone."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def set_up_log(chosen: Settings, worker: int | None = None) -> None:
    """Set up logging to stderr by the settings: secrets are masked, lines name their call.

    worker: number of this process, if lines name the process.
    """
    from avr_sts_speechmatics.call_in_log import current_call
    from avr_sts_speechmatics.telemetry import log

    log.set_up(
        chosen.log_level,
        chosen.log_format,
        chosen.secrets(),
        current_call.get,
        callers=chosen.log_transcripts,
        worker=worker,
    )
