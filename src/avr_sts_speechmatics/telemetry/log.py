"""The log: one line an event, for people or for machines, with the call it belongs to.

What callers and agents say is not logged, nor is any key: should a library put one into a text of
its own, it is masked here, in all of a line's text.
"""

import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import msgspec

MASK = "***"


class _Lines(logging.Formatter, ABC):
    """Shared by both forms: the call's name, and no secrets.

    call: gives the name of the call the running code belongs to, or nothing.
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
        # Before the line is made: there a quote within a key would be escaped, and a short key
        # could be a part of the form.
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        # File names may be no text at all; JSON would refuse the whole line.
        text = text.encode("utf-8", "backslashreplace").decode()
        return self.line(record, text, self._call())

    @abstractmethod
    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        """The record in this form; `text` is its message with the traceback, if there is one."""


class ConsoleLines(_Lines):
    """`12:00:00.123 info  [call] text`, local time."""

    def line(self, record: logging.LogRecord, text: str, call: str) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        where = f"[{call[:8]}] " if call else ""
        return f"{clock}.{int(record.msecs):03d} {record.levelname.lower():7} {where}{text}"


class JsonLines(_Lines):
    """One JSON object a line: time (UTC, ISO 8601), level, logger, call, message, and the times
    of a turn where the line is about one."""

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

    level, form: the settings LOG_LEVEL and LOG_FORMAT. secrets: texts that are masked.
    call: gives the name of the call the running code belongs to, or nothing.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines(secrets, call) if form == "json" else ConsoleLines(secrets, call)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # They log whole requests, and requests hold what callers said.
    for name in ("openai", "httpx", "httpx2", "httpcore2", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The MCP SDK logs messages that it cannot use, whole, also as errors; its client's logger is
    # named so. What matters of a server is told by whoever connects to it.
    for name in ("mcp", "client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # It reports each connection; whoever owns one says what matters about it.
    logging.getLogger("picows").setLevel(logging.ERROR)
