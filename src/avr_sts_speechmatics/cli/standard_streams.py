"""Standard input, output and error of the process, whatever the operator connected them to.

They may be closed (`>&-`), a full disk, a pipe that nobody reads, or a terminal that is gone. None
of this may stop the service or one of its calls.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO

from avr_sts_speechmatics.telemetry.background_writer import BackgroundStream, BackgroundWriter

_NAMES = ("standard input", "standard output", "standard error")

_were_closed: list[str] = []


def open_closed() -> None:
    """Connect closed standard streams to the null device.

    Otherwise the first sockets of the process would get the numbers of the closed streams: printed
    text would go into a call, and libuv aborts the process when it closes such a socket.
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

    Everything that prints in this process is covered: tools of the operator, warnings of Python,
    tracebacks of threads. If one stream cannot be written, the failure is reported on the other.
    """
    out, err = BackgroundWriter(sys.stdout), BackgroundWriter(sys.stderr)
    out.failed = lambda why: err.write(_cannot("standard output", why))
    err.failed = lambda why: out.write(_cannot("the log (standard error)", why))
    sys.stdout = _replaced(sys.stdout, out)
    sys.stderr = _replaced(sys.stderr, err)


@contextmanager
def in_background() -> Iterator[None]:
    """Do `write_in_background` for as long as the context lasts."""
    before = sys.stdout, sys.stderr
    write_in_background()
    try:
        yield
    finally:
        flush()
        sys.stdout, sys.stderr = before


def end_process(status: int) -> NoReturn:
    """End the process now, without waiting for its threads.

    The interpreter's own end joins all threads, including threads that wait for a name server (up
    to 40 s) and threads of an operator's tool. No thread is worth the wait: a command has closed
    its parts when it ends, and log and output are flushed here.
    """
    if flush():
        logging.shutdown()  # which would wait again for a reader that is not there
    os._exit(status)


def flush() -> bool:
    """Write the queued output; the wait is bounded. Returns whether all is written."""
    written = True
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
        if isinstance(stream, BackgroundStream):
            written = stream.writer.flush() and written
    return written


def _opened(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _replaced(stream: TextIO, writer: BackgroundWriter) -> TextIO:
    return BackgroundStream(stream, writer)


def _cannot(what: str, why: str) -> str:
    return f"avr-sts-speechmatics: {what} cannot be written: {why}\n"
