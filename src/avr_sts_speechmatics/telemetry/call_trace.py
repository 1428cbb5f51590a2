"""Call traces: every event and command of a call, with its time, as JSON lines in one file a call.

A trace explains a strange call, and `tests/dialogue` replays it: the events go into a fresh
dialogue, whose commands must be the recorded ones.

    {"at": 0.0, "is": "TraceBegan", "version": 1, "words": false, "began": "2026-12-01T10:15:12Z"}
    {"at": 0.0, "is": "CallBegan", "caller": {...}, "agent": "default"}
    {"at": 2.41, "is": "SegmentHeard", "text": "wwww ww www wwwww?", "end": 2.1}

`at` is seconds since the trace began, `is` the class of an event, command or observation; the other
keys are its fields. The order is that of the call: a command follows the event that caused it.

A trace contains what was said only if LOG_TRANSCRIPTS allows it. Otherwise each letter becomes "w"
and each digit "0", which keeps the number and the length of the words. A replay then takes the
recorded path unless the path depended on the words themselves: a backchannel, a number in words, or
two guesses of equal shape.

The event loop only encodes and buffers. A thread writes in pieces, so the end of a trace is missing
if the process is killed. If the disk fails or is full, traces are lost and calls continue.
"""

import asyncio
import json
import logging
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

from avr_sts_speechmatics.call.observer import (
    CallEnded,
    CallerStopped,
    Observed,
    UtteranceHeard,
)
from avr_sts_speechmatics.conversation import Message, ToolCall, ToolResult
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.words import letter_like
from avr_sts_speechmatics.line import Caller

VERSION = 1

BUFFER_BYTES = 16_384
"""Size of a call's buffer (bytes) at which the buffer is passed to the writing thread."""

WAITING_MAX = 16 * 1024 * 1024
"""Most bytes of all calls that may wait for a slow disk; further lines are lost."""

CLOSE_S = 5.0
"""Longest wait for the disk at the end of the process (s)."""

_WORDS = frozenset(
    {
        *("text", "content", "arguments", "result", "refused", "digit", "facts"),
        *("recording_notice", "disclosure", "busy"),
        *("welcome", "sorry", "farewell", "wait", "goodbye", "transferring", "warning"),
        *("prompts", "fillers", "transferred_to"),
    }
)
"""Fields that contain what a caller or agent says or types, or facts of the call."""

_A_OR_I = re.compile(r"\b[ai]\b", re.IGNORECASE)
"""The words of one letter: any other single letter counts as part of a spelling."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TraceBegan:
    """The first line of a trace.

    words: True if the trace contains what caller and agent said; False if letters are masked.
    began: when the trace began, ISO 8601, UTC.
    """

    version: int
    words: bool
    began: str


Traced: TypeAlias = TraceBegan | Observed | ev.Command

_CLASSES: Mapping[str, Any] = {
    kind.__name__: kind
    for kind in (
        *get_args(Traced),
        *(Caller, Manners, Message, ToolCall, ToolResult, ev.ToolRequest),
    )
}


class CallTraces:
    """Writes the traces of all calls of the process.

    directory: an existing directory.
    words: True if traces contain what callers and agents say; False if letters are masked.
    """

    def __init__(self, directory: Path, *, words: bool) -> None:
        self.words = words
        self._directory = directory
        self._pool = ThreadPoolExecutor(1, "call traces")
        self._writing: set[asyncio.Future[None]] = set()
        self._waiting_bytes = 0
        self._failed = False

    def trace(self, caller: Caller) -> "CallTrace":
        """Make the observer that traces a new call."""
        began = datetime.now(UTC)
        uuid = re.sub(r"[^A-Za-z0-9-]", "_", caller.uuid)[:64]
        path = self._directory / f"{began:%Y%m%dT%H%M%S.%fZ}-{uuid}.jsonl"
        return CallTrace(self, path, began)

    def write(self, path: Path, lines: bytes, *, first: bool, last: bool = False) -> None:
        """Append lines to a file, in the background. Never blocks and never raises.

        path: file of the trace.
        lines: encoded lines, each with its line break.
        first: True if the file is new.
        last: True if the trace is complete; where it is, is logged.
        """
        if self._waiting_bytes + len(lines) > WAITING_MAX:
            self._lose("the disk is too slow")
            return
        loop = asyncio.get_running_loop()
        try:
            written = loop.run_in_executor(self._pool, _write, path, lines, first)
        except RuntimeError:
            self._lose("the service is ending")
            return
        self._waiting_bytes += len(lines)
        self._writing.add(written)
        written.add_done_callback(partial(self._written, len(lines), path if last else None))

    async def close(self) -> None:
        """Write the waiting lines, for at most CLOSE_S."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=CLOSE_S)
        self._pool.shutdown(wait=not self._writing)

    def _written(self, size: int, complete: Path | None, written: asyncio.Future[None]) -> None:
        self._writing.discard(written)
        self._waiting_bytes -= size
        if not written.cancelled() and (error := written.exception()) is not None:
            why = error.strerror if isinstance(error, OSError) else None
            self._lose(why or str(error))
        elif complete is not None:
            _log.info("trace of the call: %s", complete)

    def _lose(self, why: str) -> None:
        if not self._failed:
            self._failed = True
            _log.error("CALL_TRACE_DIR=%s: traces of calls are lost: %s", self._directory, why)


class CallTrace:
    """Traces one call."""

    def __init__(self, traces: CallTraces, path: Path, began: datetime) -> None:
        self._traces = traces
        self._path = path
        self._first = True
        self._zero: float | None = None
        self._buffer = bytearray()
        stamp = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._add(0.0, TraceBegan(VERSION, traces.words, stamp))

    def event(self, at: float, event: Observed) -> None:
        zero = self._begin(at)
        # Times inside an event are converted to the clock of the trace.
        if isinstance(event, CallerStopped):
            event = replace(event, stopped=round(event.stopped - zero, 4))
        elif isinstance(event, UtteranceHeard) and event.first_sent is not None:
            event = replace(event, first_sent=round(event.first_sent - zero, 4))
        self._add(at - zero, event)
        if isinstance(event, CallEnded):
            self._hand_over(last=True)
        elif len(self._buffer) >= BUFFER_BYTES:
            self._hand_over()

    def command(self, at: float, command: ev.Command) -> None:
        self._add(at - self._begin(at), command)

    def _begin(self, at: float) -> float:
        if self._zero is None:
            self._zero = at
        return self._zero

    def _add(self, at: float, what: Traced) -> None:
        self._buffer += encode(at, what, words=self._traces.words)

    def _hand_over(self, *, last: bool = False) -> None:
        self._traces.write(self._path, bytes(self._buffer), first=self._first, last=last)
        self._first = False
        self._buffer.clear()


def encode(at: float, what: Traced, *, words: bool) -> bytes:
    """Encode one line of a trace.

    at: seconds since the trace began.
    what: the event, command or observation.
    words: True if the line contains what callers and agents say; False if letters are masked.
    """
    line = {"at": round(at, 4), **_plain(what, "", hide=not words)}
    # Callers' text may hold half a surrogate pair: escaped it is still JSON.
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def decode(line: str | bytes) -> tuple[float, Traced]:
    """Decode one line of a trace. Sequences become tuples.

    Returns the time in seconds since the trace began, and the event, command or observation.
    Raises ValueError if the line is not a line of a trace.
    """
    try:
        raw = json.loads(line)
        return float(raw.pop("at")), _value(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a line of a trace: {line!r:.80}") from error


def read(path: Path) -> Iterator[tuple[float, Traced]]:
    """Decode all lines of a trace, in order. Raises ValueError for another version or format."""
    with path.open(encoding="ascii") as lines:
        for number, line in enumerate(lines):
            at, what = decode(line)
            if number == 0 and not (isinstance(what, TraceBegan) and what.version == VERSION):
                raise ValueError(f"{path} is not a trace of version {VERSION}")
            yield at, what


def without_words(text: str) -> str:
    """The shape of a text: each letter a "w" ("a" for the words "a" and "I"), each digit a "0".

    Letters of scripts without spaces between words become one letter of their script.
    """
    shape = [_shape(character) for character in text]
    for word in _A_OR_I.finditer(text):
        shape[word.start()] = "a"
    return "".join(shape)


def _shape(character: str) -> str:
    if character.isdigit():
        return "0"
    return character if unicodedata.category(character)[0] in "PSZC" else letter_like(character)


def _plain(value: Any, name: str, *, hide: bool) -> Any:
    """Convert a value to JSON's types.

    name: name of the field that holds the value.
    hide: True if words must be masked.
    """
    if is_dataclass(value):
        traced = [f.name for f in fields(value) if f.metadata.get("traced", True)]
        plain = {name: _plain(getattr(value, name), name, hide=hide) for name in traced}
        return {"is": type(value).__name__, **plain}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {key: _plain(item, name, hide=hide) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item, name, hide=hide) for item in value]
    return without_words(value) if hide and isinstance(value, str) and name in _WORDS else value


def _value(raw: Any) -> Any:
    if isinstance(raw, list):
        return tuple(map(_value, raw))
    if isinstance(raw, dict):
        kind = _CLASSES[raw.pop("is")]
        return kind(**{name: _field(name, value) for name, value in raw.items()})
    return raw


def _field(name: str, raw: Any) -> Any:
    if name == "timer":
        return ev.Timer[raw]
    return raw if name == "facts" else _value(raw)


def _write(path: Path, lines: bytes, first: bool) -> None:
    # Only the operator may read a trace. A file without its beginning is never created.
    flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if first else 0)
    with open(os.open(path, flags, 0o600), "ab") as file:
        file.write(lines)
