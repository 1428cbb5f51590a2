"""A line that moves while something loads, for a person who waits at a terminal."""

import asyncio
from typing import TextIO

WIDTH = 24
STEP_S = 0.1
_WHEEL = "|/-\\"


class Progress:
    """Shown only on a terminal: in a log, a moving line is noise.

    stream: where to. Belongs to the running event loop, which turns the wheel.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None
        self._text = ""
        self._turned = 0
        self._timer: asyncio.TimerHandle | None = None

    def show(self, part: str, done: int, of: int) -> None:
        """Say what is being loaded, and how many of how many parts are there."""
        if self._stream is None:
            return
        filled = WIDTH * done // of if of else 0
        self._text = f"[{'#' * filled}{' ' * (WIDTH - filled)}] loading {part}"
        if self._timer is None:
            self._turn()

    def close(self) -> None:
        """Take the line away. Harmless if there is none."""
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
