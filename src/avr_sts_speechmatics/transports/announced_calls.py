"""Invitations: calls announced by `POST /call` that have not come yet, and what is known of them.

AudioSocket brings a uuid and nothing else; who calls, and whom, was told before under the same
uuid. [AVR protocol, 6] It waits here until the call comes, for a bounded time.

An invitation is good for one call. Where only invited calls are taken the uuid is what lets a call
in, and it is no secret for long: Asterisk's log shows it, webhooks carry it. A dialplan that dials
again announces again.
"""

import json
import logging
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
"""How long an announced call is waited for (s): a dialplan may let a phone ring in between."""

INVITATIONS_MAX = 5000
"""Calls that may be waited for; one more, and the oldest is forgotten."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)

_log = logging.getLogger(__name__)


class Invitations:
    """See the module's text. A uuid is the same in capitals.

    required: whether only invited calls may come in. now: a clock (s) that never goes back.
    """

    def __init__(self, *, required: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._required = required
        self._now = now
        # The oldest first.
        self._waiting: dict[str, tuple[float, Mapping[str, str]]] = {}

    def __len__(self) -> int:
        self._forget()
        return len(self._waiting)

    def announce(self, uuid: str, facts: Mapping[str, str]) -> None:
        """Wait for a call; what was announced under its uuid before is replaced."""
        self._waiting.pop(uuid.lower(), None)
        self._waiting[uuid.lower()] = (self._now() + LIVES_S, facts)
        self._forget()

    def amend(self, uuid: str, facts: Mapping[str, str]) -> None:
        """Replace the facts of a call that is still waited for; no call is invited by this."""
        self._forget()
        if uuid.lower() in self._waiting:
            until, _ = self._waiting[uuid.lower()]
            self._waiting[uuid.lower()] = (until, facts)

    def facts_for(self, uuid: str) -> Mapping[str, str] | None:
        """What is known of a call that has come; None when it must be refused.

        Its invitation is used up by this: ask once for each call.
        """
        self._forget()
        _, facts = self._waiting.pop(uuid.lower(), (0.0, None))
        return {} if facts is None and not self._required else facts

    def _forget(self) -> None:
        """Drop those whose time is over, and the oldest of too many."""
        now = self._now()
        while self._waiting:
            oldest = next(iter(self._waiting))
            if self._waiting[oldest][0] > now and len(self._waiting) <= INVITATIONS_MAX:
                return
            del self._waiting[oldest]


def canonical(uuid: object) -> str | None:
    """A uuid of 36 characters as Asterisk takes them, in small letters; None if it is none."""
    return uuid.lower() if isinstance(uuid, str) and _UUID.fullmatch(uuid) else None


def facts_from(payload: Mapping[str, object]) -> dict[str, str]:
    """Facts of a call from a JSON object, bounded as the query parameters of a connection are.

    Text stays as it is, null says nothing, anything else becomes compact JSON. Of more than
    FACTS_MAX the first ones are used.
    """
    facts: dict[str, str] = {}
    for given, value in payload.items():
        name = clean(given, FACT_NAME_MAX)
        if not name or value is None or name in facts:
            continue
        if len(facts) == FACTS_MAX:
            _log.warning(
                "more than %d facts in a call's payload: the first ones are used", FACTS_MAX
            )
            break
        text = (
            value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        )
        facts[name] = clean(text, FACT_VALUE_MAX)
    return facts
