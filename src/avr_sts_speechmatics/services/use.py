"""Use: what vendors charge for, reported where it is sent.

A server and its model name what is used, for a price table. The code of a call names a function for
the reports within its context; use without such a context (trials, kept phrases) belongs to no call
and is not reported.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class AudioSent:
    """A session with a recogniser is over.

    server: host, and port if it is not the usual one.
    model: name of the model; empty if the server has no choice.
    seconds: audio that the session was sent, silence and repeated audio included (s).
    """

    server: str
    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TextSent:
    """A voice accepted a request, or the request was dropped before the answer.

    Requests that the server refused are not reported.

    server: host, and port if it is not the usual one.
    model: name of the model; empty if the server has no choice.
    characters: length of the text.
    """

    server: str
    model: str
    characters: int


@dataclass(frozen=True, slots=True)
class Retried:
    """A request or a session is tried once more, because the one before failed or is late.

    service: "stt", "llm" or "tts".
    """

    service: str


Use: TypeAlias = AudioSent | TextSent | Retried
Report: TypeAlias = Callable[[Use], None]

_reports: ContextVar[Report | None] = ContextVar("use_reports", default=None)


def report_to(function: Report) -> None:
    """Report use to a function, from now on in this context: of the task that calls, in general."""
    _reports.set(function)


def report(used: Use) -> None:
    """Report use, if the running code belongs to a call."""
    if (function := _reports.get()) is not None:
        function(used)


def server_of(url: str) -> str:
    """Return how reports name the server at an address."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    return host if parts.port is None else f"{host}:{parts.port}"
