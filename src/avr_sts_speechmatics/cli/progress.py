"""A progress line at a terminal, shown while models and services load."""

from typing import TextIO

from avr_sts_speechmatics.cli.moving_line import MovingLine

WIDTH = 24


class Progress:
    """A progress line. Nothing is shown if the stream is not a terminal.

    stream: where the line is written.

    Belongs to the running event loop.
    """

    def __init__(self, stream: TextIO) -> None:
        self._text = ""
        self._line = MovingLine(stream, lambda: self._text)

    def show(self, part: str, done: int, of: int) -> None:
        """Show what is being loaded.

        part: name of the part that is loading.
        done: number of parts that are loaded.
        of: number of parts in all.
        """
        filled = WIDTH * done // of if of else 0
        self._text = f"[{'#' * filled}{' ' * (WIDTH - filled)}] loading {part}"
        self._line.start()

    def close(self) -> None:
        """Remove the line, if there is one."""
        self._line.close()
