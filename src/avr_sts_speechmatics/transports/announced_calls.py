"""Announced calls: calls announced by `POST /call` that have not arrived yet, with their facts.

AudioSocket carries a uuid and no other fact. The dialplan announces the caller's number, the called
number and other facts in advance, under the same uuid. [AVR protocol, 6] The facts wait here until
the call arrives, for a bounded time.

An announcement is valid for one call. Where only announced calls are accepted, the uuid admits a
call, and the uuid does not stay secret: Asterisk's log shows it and webhooks carry it. A dialplan
that dials again must announce again.
"""

import json
import re
import time
from collections.abc import Callable, Mapping

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

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class AnnouncedCalls:
    """The calls that are expected. Uuids in capitals and in small letters are equal.

    required: True if only announced calls are accepted.
    now: a clock that never goes back (s).
    """

    def __init__(self, *, required: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._required = required
        self._now = now
        # Uuid to the end of its time and its facts, the oldest first.
        self._waiting: dict[str, tuple[float, Mapping[str, str]]] = {}

    def __len__(self) -> int:
        self._forget()
        return len(self._waiting)

    def announce(self, uuid: str, facts: Mapping[str, str]) -> None:
        """Expect a call. An earlier announcement under the same uuid is replaced."""
        self._waiting.pop(uuid.lower(), None)
        self._waiting[uuid.lower()] = (self._now() + LIVES_S, facts)
        self._forget()

    def amend(self, uuid: str, facts: Mapping[str, str]) -> None:
        """Replace the facts of a call that is still expected. Announces no call."""
        self._forget()
        if uuid.lower() in self._waiting:
            until, _ = self._waiting[uuid.lower()]
            self._waiting[uuid.lower()] = (until, facts)

    def facts_for(self, uuid: str) -> Mapping[str, str] | None:
        """Return the facts of a call that has arrived; None if the call must be rejected.

        The announcement is used up: call this once for each call.
        """
        self._forget()
        _, facts = self._waiting.pop(uuid.lower(), (0.0, None))
        return {} if facts is None and not self._required else facts

    def _forget(self) -> None:
        """Drop expired announcements, and the oldest of too many."""
        now = self._now()
        while self._waiting:
            oldest = next(iter(self._waiting))
            if self._waiting[oldest][0] > now and len(self._waiting) <= ANNOUNCED_MAX:
                return
            del self._waiting[oldest]


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
    FACTS_MAX facts, the first ones are used.
    """
    facts: dict[str, str] = {}
    for given, value in payload.items():
        name = clean(given, FACT_NAME_MAX)
        if not name or value is None or name in facts:
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
