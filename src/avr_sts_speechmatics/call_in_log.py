"""The call that the running code belongs to, for the log: its name, its trace, what the log masks.

Everything that runs for a call runs in a context with `current_call` set: the tasks of the call,
the callbacks of its connection, its timers, and the ticks of its playout. The log reads the
variable for each line, so a library or an operator's tool that logs within a call is attributed
too.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar

from avr_sts_speechmatics.network.trace_context import TraceContext

MASK = "***"

SHOWN_FACTS = frozenset({"agent", "channel_id"})
"""Facts of a call whose values never describe a person. All other facts are masked in the log."""

_DIGITS = re.compile(r"\d+")
_NUMBER_DIGITS = 6
"""Fewest digits of a number that is masked in any line of its call: shorter numbers occur in
ordinary lines, for example as milliseconds."""

_PERSON = re.compile(r"name|from|caller|callerid|clid|user", re.IGNORECASE)
"""Names of facts that may hold the name of a person."""

_NAME_LETTERS = 4
"""Fewest letters of a name that is masked in any line of its call."""


class CallName(str):
    """Name of a call in the log.

    private: texts of the caller that the log masks, each with its replacement.
    span: the span that the running code belongs to; None if calls are not traced.
    request: the span of the request to a service that is made next, if that is another span.
    """

    __slots__ = ("private", "request", "span")

    private: Mapping[str, str]
    span: TraceContext | None
    request: TraceContext | None

    def within(self, span: TraceContext) -> "CallName":
        """Return the name for code that belongs to a part of the call.

        span: the span of that part.
        """
        name = CallName(self)
        name.private, name.span, name.request = self.private, span, None
        return name


def named(uuid: str, facts: Mapping[str, str]) -> CallName:
    """Return the name of a call for `current_call`.

    uuid: identifier of the call.
    facts: facts of the call; the caller's numbers and names among the facts become private.
    """
    name = CallName(uuid)
    name.span = name.request = None
    private: dict[str, str] = {}
    for fact, value in facts.items():
        if fact in SHOWN_FACTS:
            continue
        letters = sum(map(str.isalpha, value))
        if letters >= _NAME_LETTERS and _PERSON.search(fact):
            private[value] = masked(value)
        for digits in _DIGITS.findall(value):
            if len(digits) >= _NUMBER_DIGITS:
                private[digits] = masked(digits)
    # The longest first: one text may contain another.
    name.private = dict(sorted(private.items(), key=lambda item: -len(item[0])))
    return name


def masked(value: str) -> str:
    """Mask a number or a name. A number keeps its last two digits, to tell two calls apart."""
    digits = "".join(_DIGITS.findall(value))
    return MASK + (digits[-2:] if len(digits) > 3 else "")


current_call: ContextVar[str] = ContextVar("current_call", default="")
"""Name of the call that the running code belongs to; "" outside of calls."""


def current_trace_id() -> str:
    """Return the id of the trace of the running call; "" if the call is not recorded in a trace."""
    name = current_call.get()
    span = name.span if isinstance(name, CallName) else None
    return span.trace_id if span is not None and span.sampled else ""


def trace_headers() -> dict[str, str]:
    """Return the headers of a request that the running call makes; empty if there is no trace."""
    name = current_call.get()
    span = (name.request or name.span) if isinstance(name, CallName) else None
    return {} if span is None else span.headers()
