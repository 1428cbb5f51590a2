"""Announced calls: calls announced by `POST /call` that have not arrived yet, with their facts.

AudioSocket carries a uuid and no other fact. The dialplan announces the caller's number, the called
number and other facts in advance, under the same uuid. [AVR protocol, 6] The facts wait here until
the call arrives, for a bounded time.

The facts wait in a store. The store of one process is a dict, `AnnouncedHere`. Processes or
machines that take each other's calls share a store, which answers after a moment or not at all:
`Enquiry` lets a connection go on reading until the answer is there, and `AnnouncedCalls` bounds the
wait.

An announcement is valid for one call. Where only announced calls are accepted, the uuid admits a
call, and the uuid does not stay secret: Asterisk's log shows it and webhooks carry it. A dialplan
that dials again must announce again.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.network import running_time, trace_context
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.transports.limited_log import LimitedLog
from avr_sts_speechmatics.transports.untrusted_text import (
    FACT_NAME_MAX,
    FACT_VALUE_MAX,
    FACTS_MAX,
    clean,
)

LIVES_S = 120.0
"""How long an announcement is kept (s): the dialplan may first let a phone ring."""

ANNOUNCED_MAX = 5000
"""Announcements kept; with one more, the oldest is dropped."""

ANSWER_S = 0.3
"""Longest wait for a store's answer (s). Without an answer a call counts as not announced."""

Facts = Mapping[str, str]
"""The facts of a call. In a store, the headers of its trace context are among the facts."""

FactsFor = Callable[[str], Coroutine[Any, Any, Facts | None]]
"""Returns the facts with which a uuid was announced, once for each announcement; None if the call
must be rejected."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class Announcements(Protocol):
    """A store of announcements. Uuids are in small letters."""

    async def announce(self, uuid: str, facts: Facts) -> None:
        """Keep an announcement for LIVES_S. An earlier one under the same uuid is replaced.

        Raises StoreError if the announcement cannot reach everybody who may take the call.
        """

    async def amend(self, uuid: str, facts: Facts) -> None:
        """Replace the facts of a call that is still expected. Announces no call.

        The time of the announcement goes on. Raises StoreError.
        """

    async def facts_for(self, uuid: str) -> Facts | None:
        """Remove an announcement and return its facts; None if the uuid is not announced.

        Of several requests at once for one uuid, one receives the facts. Raises StoreError.
        Cancelling is safe; whether the announcement was used up is unknown then.
        """


class AnnouncedHere:
    """The announcements of one process.

    now: a clock that never goes back (s).
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        # Uuid to the end of its time and its facts, the oldest first.
        self._waiting: dict[str, tuple[float, Facts]] = {}

    def __len__(self) -> int:
        self._forget()
        return len(self._waiting)

    async def announce(self, uuid: str, facts: Facts) -> None:
        self._waiting.pop(uuid, None)
        self._waiting[uuid] = (self._now() + LIVES_S, facts)
        self._forget()

    async def amend(self, uuid: str, facts: Facts) -> None:
        self._forget()
        if uuid in self._waiting:
            until, _ = self._waiting[uuid]
            self._waiting[uuid] = (until, facts)

    async def facts_for(self, uuid: str) -> Facts | None:
        self._forget()
        _, facts = self._waiting.pop(uuid, (0.0, None))
        return facts

    def forget(self, uuid: str) -> bool:
        """Remove an announcement; returns False if there was none."""
        return self._waiting.pop(uuid, None) is not None

    def waiting(self) -> list[tuple[str, float, Facts]]:
        """Return the announcements: uuid, the rest of its time (s), and the facts."""
        self._forget()
        now = self._now()
        return [(uuid, until - now, facts) for uuid, (until, facts) in self._waiting.items()]

    def _forget(self) -> None:
        """Drop expired announcements, and the oldest of too many."""
        now = self._now()
        while self._waiting:
            oldest = next(iter(self._waiting))
            if self._waiting[oldest][0] > now and len(self._waiting) <= ANNOUNCED_MAX:
                return
            del self._waiting[oldest]


class AnnouncedCalls:
    """The calls that are expected. Uuids in capitals and in small letters are equal.

    required: True if only announced calls are accepted.
    store: where the announcements wait.
    log: takes the lines about a store that does not answer.
    answer_s: see ANSWER_S.
    """

    def __init__(
        self,
        *,
        required: bool,
        store: Announcements | None = None,
        log: LimitedLog | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._required = required
        self._store = AnnouncedHere() if store is None else store
        self._log = log or LimitedLog()
        self._answer_s = answer_s

    async def announce(self, uuid: str, facts: Facts) -> None:
        """Expect a call. An earlier announcement under the same uuid is replaced.

        Raises StoreError if the announcement does not reach everybody who may take the call.
        """
        await self._store.announce(uuid.lower(), facts)

    async def amend(self, uuid: str, facts: Facts) -> None:
        """Replace the facts of a call that is still expected. Raises StoreError."""
        await self._store.amend(uuid.lower(), facts)

    async def facts_for(self, uuid: str) -> Facts | None:
        """Return the facts of a call that has arrived; None if the call must be rejected.

        The announcement is used up: call this once for each call. Takes answer_s at most. A store
        that fails or does not answer is treated as if the call had not been announced.
        """
        facts = None
        try:
            async with running_time.timeout(self._answer_s):
                facts = await self._store.facts_for(uuid.lower())
        except TimeoutError:
            self._unanswered(uuid, f"no answer within {self._answer_s * 1000:.0f} ms")
        except StoreError as error:
            self._unanswered(uuid, str(error))
        except Exception as error:
            self._unanswered(uuid, "a fault of this service; please report it", error)
        return {} if facts is None and not self._required else facts

    def _unanswered(self, uuid: str, why: str, fault: Exception | None = None) -> None:
        kind = "calls whose announcement cannot be read"
        line = f"call {uuid}: whether it was announced cannot be read ({why})"
        self._log.say(kind, "the store", line, exc_info=fault or False)


class Enquiry:
    """The question of one connection whether its call was announced.

    facts_for: answers the question.
    uuid: name of the call.
    then: called once with the answer, from the event loop, unless the enquiry is cancelled.

    The connection goes on reading meanwhile: what the caller says is kept until the call is open.
    """

    def __init__(
        self, facts_for: FactsFor, uuid: str, then: Callable[[Facts | None], None]
    ) -> None:
        self._then = then
        self._task = asyncio.create_task(facts_for(uuid))
        self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        """Ask no more: the caller has left. May be called more than once."""
        self._task.cancel()

    def _done(self, task: asyncio.Task[Facts | None]) -> None:
        if not task.cancelled():
            self._then(task.result())


def canonical(uuid: object) -> str | None:
    """Return a uuid in small letters; None unless Asterisk accepts it (36 characters)."""
    return uuid.lower() if isinstance(uuid, str) and _UUID.fullmatch(uuid) else None


def facts_from(
    payload: Mapping[str, object], complain: Callable[[str], None] = lambda what: None
) -> dict[str, str]:
    """Read the facts of a call from a JSON object, with the bounds of query parameters.

    payload: the object.
    complain: called with a sentence for the log.

    Text stays as it is, null is skipped, every other value becomes compact JSON. Of more than
    FACTS_MAX facts, the first ones are used. `traceparent` and `tracestate` are no facts.
    """
    facts: dict[str, str] = {}
    for given, value in payload.items():
        name = clean(given, FACT_NAME_MAX)
        if not name or value is None or name in facts or name.lower() in trace_context.NAMES:
            continue
        if len(facts) == FACTS_MAX:
            complain(f"more than {FACTS_MAX} facts in a call's payload: the first ones are used")
            break
        text = (
            value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        )
        facts[name] = clean(text, FACT_VALUE_MAX)
    return facts


def with_trace(facts: Facts, trace: TraceContext | None) -> Facts:
    """Return what a store keeps of a call: its facts, and the trace that it belongs to."""
    return facts if trace is None else {**facts, **trace.headers()}


def parted(kept: Facts) -> tuple[Facts, TraceContext | None]:
    """Undo `with_trace`."""
    if trace_context.TRACEPARENT not in kept:
        return kept, None
    facts = {name: fact for name, fact in kept.items() if name not in trace_context.NAMES}
    return facts, trace_context.in_mapping(kept)
