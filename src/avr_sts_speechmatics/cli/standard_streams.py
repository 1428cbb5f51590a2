"""Standard input, output and error of the process, whatever the operator connected them to.

They may be closed (`>&-`), a full disk, a pipe that nobody reads, or a terminal that is gone. None
of this may stop the service or one of its calls.
"""

import os
import sys
from typing import TextIO

from avr_sts_speechmatics.telemetry.background_writer import BackgroundStream, BackgroundWriter

_NAMES = ("standard input", "standard output", "standard error")

_were_closed: list[str] = []


def open_closed() -> None:
    """Connect closed standard streams to the null device.

    The first sockets of the process would get the numbers of the closed streams otherwise: what is
    printed would go into a call, and libuv aborts the process when it closes such a socket.
    """
    for descriptor, name in enumerate(_NAMES):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is this one: the lower ones are open by now.
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
            os.set_inheritable(descriptor, True)
            _were_closed.append(name)
    # Python has no stream where the descriptor was closed, and libraries do not expect that.
    if sys.stdout is None:
        sys.stdout = _opened(1)
    if sys.stderr is None:
        sys.stderr = _opened(2)


def were_closed() -> tuple[str, ...]:
    """Names of the standard output streams that were closed when the process started."""
    return tuple(name for name in _were_closed if name != "standard input")


def write_in_background() -> None:
    """Replace standard output and error by streams that never block.

    Whatever prints in this process is covered: tools of the operator, warnings of Python,
    tracebacks of threads. If one stream cannot be written, the other one tells so.
    """
    out, err = BackgroundWriter(sys.stdout), BackgroundWriter(sys.stderr)
    out.failed = lambda why: err.write(_cannot("standard output", why))
    err.failed = lambda why: out.write(_cannot("the log (standard error)", why))
    sys.stdout = _replaced(sys.stdout, out)
    sys.stderr = _replaced(sys.stderr, err)


def flush() -> None:
    """Write what waits, for a bounded time."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, BackgroundStream):
            stream.flush()
            stream.writer.flush()


def _opened(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _replaced(stream: TextIO, writer: BackgroundWriter) -> TextIO:
    return BackgroundStream(stream, writer)


def _cannot(what: str, why: str) -> str:
    return f"avr-sts-speechmatics: {what} cannot be written: {why}\n"
