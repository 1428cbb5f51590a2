"""What the commands share: the event loop and the log."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from avr_sts_speechmatics.settings import Settings


def run_on_uvloop(work: Coroutine[Any, Any, int]) -> int:
    """Run a command's coroutine to its end; returns the command's exit status."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def set_up_log(chosen: Settings) -> None:
    from avr_sts_speechmatics.call.call import current_call
    from avr_sts_speechmatics.telemetry import log

    log.set_up(chosen.log_level, chosen.log_format, chosen.secrets(), current_call.get)
