"""A progress line at a terminal, shown while models and services load."""

import asyncio
from typing import TextIO

WIDTH = 24
STEP_S = 0.1
_WHEEL = "|/-\\"


class Progress:
    """A progress line. Nothing is shown if the stream is not a terminal.

    stream: where the line is written.

    Belongs to the running event loop, which redraws the line every STEP_S seconds.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None
        self._text = ""
        self._turned = 0
        self._timer: asyncio.TimerHandle | None = None

    def show(self, part: str, done: int, of: int) -> None:
        """Show what is being loaded.

        part: name of the part that is loading.
        done: number of parts that are loaded.
        of: number of parts in all.
        """
        if self._stream is None:
            return
        filled = WIDTH * done // of if of else 0
        self._text = f"[{'#' * filled}{' ' * (WIDTH - filled)}] loading {part}"
        if self._timer is None:
            self._turn()

    def close(self) -> None:
        """Remove the line, if there is one."""
        if self._timer is not None and self._stream is not None:
            self._timer.cancel()
            self._timer = None
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _turn(self) -> None:
        if self._stream is None:
            return
        self._turned += 1
        self._stream.write(f"\r\x1b[K{_WHEEL[self._turned % len(_WHEEL)]} {self._text}")
        self._stream.flush()
        self._timer = asyncio.get_running_loop().call_later(STEP_S, self._turn)
