"""One line at a terminal that is drawn again and again, below the lines that stay."""

import asyncio
import shutil
from collections.abc import Callable
from typing import TextIO

STEP_S = 0.1
_WHEEL = "|/-\\"
_CLEAR = "\r\x1b[K"


class MovingLine:
    """A moving line. Nothing is shown if the stream is not a terminal.

    stream: where the line is written.
    text: returns the text of the line; empty for no line.

    Belongs to the running event loop, which redraws the line every STEP_S seconds.
    """

    def __init__(self, stream: TextIO, text: Callable[[], str]) -> None:
        self._stream = stream if stream.isatty() else None
        self._text = text
        self._turned = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Draw the line from now on."""
        if self._stream is not None and self._timer is None:
            self._draw()

    def clear(self) -> None:
        """Remove the line until it is drawn again, to make room for a line that stays."""
        if self._timer is not None and self._stream is not None:
            self._stream.write(_CLEAR)
            self._stream.flush()

    def close(self) -> None:
        """Remove the line for good."""
        self.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _draw(self) -> None:
        assert self._stream is not None
        self._turned += 1
        text = self._text()
        line = f"{_WHEEL[self._turned % len(_WHEEL)]} {text}" if text else ""
        # The last column stays free: some terminals begin a new line there.
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(_CLEAR + line[:width])
        self._stream.flush()
        self._timer = asyncio.get_running_loop().call_later(STEP_S, self._draw)
