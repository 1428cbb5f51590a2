"""A task group that leaves nothing to the cycle collector, however the group ends.

When a block of `asyncio.TaskGroup` ends by an exception, the frame of `__aexit__` keeps that
exception in a local variable, and the traceback of the exception keeps the frame:

    exception -> traceback -> frame of __aexit__ -> exception

The cycle keeps alive whatever the frames of the traceback refer to: for an answer that was begun
ahead and cancelled, about 50 objects, with the answer's history. CPython cured this in 3.12.8 and
3.13.1 (gh-124958). Answers are cancelled in most turns, and Python 3.11 is supported, so the cycle
is broken here.

A group can also be ended without an error. `asyncio.TaskGroup` has no such method before 3.15, and
an exception raised for that purpose becomes an ExceptionGroup with a cycle of its own.
"""

import asyncio
import asyncio.taskgroups
from types import TracebackType
from typing import Self

_SOURCE = asyncio.taskgroups.__file__


class TaskGroup(asyncio.TaskGroup):
    """Like `asyncio.TaskGroup`, without reference cycles, and with `end`."""

    def end(self) -> None:
        """Cancel all tasks of the group. The block then ends without an error."""
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except BaseException as raised:
            _clear_frames_of_asyncio(raised)
            raise
        finally:
            self._parent_task = None  # the task's exception refers to frames that have the group
            del kind, error, trace  # this frame is part of the traceback as well


def _clear_frames_of_asyncio(error: BaseException) -> None:
    """Drop the local variables of `asyncio.TaskGroup.__aexit__` in the traceback of an error."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _SOURCE:
            trace.tb_frame.clear()
        trace = trace.tb_next
