"""The log: one line for each event, for people or for machines, with the name of the call.

What callers and agents say is not logged. Keys are not logged either: if the text of a library
contains a key, the key is masked here, everywhere in the line.
"""

import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import msgspec

from avr_sts_speechmatics.call_in_log import MASK as MASK
from avr_sts_speechmatics.call_in_log import CallName
from avr_sts_speechmatics.telemetry.background_writer import BackgroundStream, BackgroundWriter


class _Lines(logging.Formatter, ABC):
    """Base of both forms: adds the call's name and masks secrets.

    secrets: texts that are masked.
    call: function that returns the name of the call that the running code serves; "" outside calls.
    callers: True if lines may contain numbers and names of callers.
    worker: number of this process, if lines name the process.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        call: Callable[[], str],
        *,
        callers: bool = False,
        worker: int | None = None,
    ) -> None:
        super().__init__()
        self.worker = worker
        self._callers = callers
        # The longest first: one key may contain another.
        self._secrets = sorted((s for s in secrets if s), key=len, reverse=True)
        self._call = call

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        # Masked before the line is built: building escapes a quote within a key, and a short key
        # could be equal to a part of the line's form.
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        # Code that runs outside of any call may name the call in the record.
        call: str = getattr(record, "call", None) or self._call()
        if isinstance(call, CallName) and not self._callers:
            for private, shown in call.private.items():
                text = text.replace(private, shown)
        # A file name may be invalid UTF-8; JSON encoding would reject the whole line.
        text = text.encode("utf-8", "backslashreplace").decode()
        return self.line(record, text, call)

    @abstractmethod
    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        """Build the line.

        text: message of the record, with the traceback if there is one.
        call: name of the call, which may be a CallName; or "".
        """


class ConsoleLines(_Lines):
    """`2026-12-01 12:00:00.123 info    [call] text`, local time."""

    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        where = "" if self.worker is None else f"worker {self.worker} "
        where += f"[{call[:8]}] " if call else ""
        return f"{clock}.{int(record.msecs):03d} {record.levelname.lower():7} {where}{text}"


class JsonLines(_Lines):
    """One JSON object a line: time (UTC, ISO 8601), level, logger, message, call and trace.

    A line about a turn has the times of the turn as well, and the last line of a call how the call
    ended.
    """

    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": text,
        }
        if self.worker is not None:
            entry["worker"] = self.worker
        if call:
            entry["call"] = str(call)
        if isinstance(call, CallName) and call.span is not None:
            entry["trace_id"] = call.span.trace_id
            entry["span_id"] = call.span.span_id
        for what in ("turn", "ended"):
            if (details := getattr(record, what, None)) is not None:
                entry[what] = details
        return msgspec.json.encode(entry).decode()


class _Handler(logging.Handler):
    """Formats on the event loop, where the running call is known, and writes in a thread."""

    def __init__(self, lines: _Lines, writer: BackgroundWriter) -> None:
        super().__init__()
        self.setFormatter(lines)
        self.writer = writer
        writer.lost = self._lost

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.writer.write(self.format(record) + "\n")
        except Exception as error:  # the arguments of a library's record may not fit its text
            self.writer.write(f"a log line of {record.name} cannot be formatted: {error!r}\n")

    def flush(self) -> None:
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
        super().close()

    def _lost(self, lines: int, why: str) -> str:
        text = f"log lines were lost: {lines} ({why})"
        record = logging.LogRecord(__name__, logging.WARNING, "", 0, text, (), None)
        return self.format(record) + "\n"


def set_up(
    level: str,
    form: str,
    secrets: Iterable[str],
    call: Callable[[], str],
    *,
    callers: bool = False,
    worker: int | None = None,
) -> None:
    """Send the log of the process to standard error; through its thread if it has one.

    level: value of LOG_LEVEL.
    form: value of LOG_FORMAT.
    secrets: texts that are masked.
    call: function that returns the name of the call that the running code serves; "" outside calls.
    callers: True if the log may contain numbers and names of callers.
    worker: number of this process, if lines name the process.
    """
    kind = JsonLines if form == "json" else ConsoleLines
    lines = kind(secrets, call, callers=callers, worker=worker)
    handler: logging.Handler
    if isinstance(sys.stderr, BackgroundStream):
        handler = _Handler(lines, sys.stderr.writer)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(lines)
    root = logging.getLogger()
    for before in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(before)  # not closed: the new handler has the same writer
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These libraries log whole requests, and requests contain what callers said.
    for name in ("openai", "httpx", "httpx2", "httpcore2", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The MCP SDK logs unusable messages with their whole text, even as errors; "client" is the
    # name of its client's logger. Our MCP code logs the problems of a server itself.
    for name in ("mcp", "client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # picows logs each connection; our transports log the problems of a connection themselves.
    logging.getLogger("picows").setLevel(logging.ERROR)


def lines_lost() -> int:
    """How many lines of the log could not be written so far."""
    handlers = logging.getLogger().handlers
    return sum(one.writer.lines_lost for one in handlers if isinstance(one, _Handler))
