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

MASK = "***"


class _Lines(logging.Formatter, ABC):
    """Base of both forms: adds the call's name and masks secrets.

    secrets: texts that are masked.
    call: function that returns the name of the call that the running code serves; "" outside calls.
    """

    def __init__(self, secrets: Iterable[str], call: Callable[[], str]) -> None:
        super().__init__()
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
        # A file name may be invalid UTF-8; JSON encoding would reject the whole line.
        text = text.encode("utf-8", "backslashreplace").decode()
        return self.line(record, text, self._call())

    @abstractmethod
    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        """Build the line.

        text: message of the record, with the traceback if there is one.
        call: name of the call, or "".
        """


class ConsoleLines(_Lines):
    """`12:00:00.123 info  [call] text`, local time."""

    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        where = f"[{call[:8]}] " if call else ""
        return f"{clock}.{int(record.msecs):03d} {record.levelname.lower():7} {where}{text}"


class JsonLines(_Lines):
    """One JSON object a line: time (UTC, ISO 8601), level, logger, message and call.

    A line about a turn has the times of the turn as well.
    """

    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": text,
        }
        if call:
            entry["call"] = call
        if (turn := getattr(record, "turn", None)) is not None:
            entry["turn"] = turn
        return msgspec.json.encode(entry).decode()


def set_up(level: str, form: str, secrets: Iterable[str], call: Callable[[], str]) -> None:
    """Send the log of the process to standard error.

    level: value of LOG_LEVEL.
    form: value of LOG_FORMAT.
    secrets: texts that are masked.
    call: function that returns the name of the call that the running code serves; "" outside calls.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines(secrets, call) if form == "json" else ConsoleLines(secrets, call)
    )
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
