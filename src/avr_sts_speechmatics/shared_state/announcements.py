"""Announced calls that any machine may take: announced to one machine, they may reach another.

Each announcement is a key of Redis with an expiry. The first who asks removes the key and receives
the facts, in one command (GETDEL), so an announcement admits one call however many machines there
are.

While Redis is away an announcement cannot reach the other machines. The dialplan is answered so
(503), and the announcement is kept on this machine: a dialplan that dials all the same may be
lucky, and once Redis is back the announcement reaches the others for the rest of its time. An
announcement that was used up here meanwhile is removed there as well, because a write that got no
answer may have been carried out.
"""

import time
from collections.abc import Callable, Mapping

import msgspec

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.shared_state.link import RedisLink
from avr_sts_speechmatics.transports.announced_calls import LIVES_S, AnnouncedHere, Facts

_decode = msgspec.json.Decoder(dict[str, str]).decode


class SharedAnnouncements:
    """The announcements of all machines. Implements `transports.announced_calls.Announcements`.

    link: the way to Redis.
    now: a clock that never goes back (s).
    """

    def __init__(self, link: RedisLink, *, now: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._now = now
        self._here = AnnouncedHere(now=now)
        # Uuids whose announcement was used up here while Redis was away, with the time from which
        # Redis has forgotten them by itself.
        self._spent: dict[str, float] = {}
        link.on_return(self._catch_up)

    async def announce(self, uuid: str, facts: Facts) -> None:
        try:
            await self._write(uuid, facts, LIVES_S)
        except StoreError as error:
            await self._here.announce(uuid, facts)
            self._spent.pop(uuid, None)
            raise StoreError(f"{error}; only this instance knows the call") from error
        self._here.forget(uuid)

    async def amend(self, uuid: str, facts: Facts) -> None:
        await self._here.amend(uuid, facts)
        value = msgspec.json.encode(facts)
        await self._link.do(lambda redis: redis.set(self._key(uuid), value, xx=True, keepttl=True))

    async def facts_for(self, uuid: str) -> Facts | None:
        kept = await self._here.facts_for(uuid)
        if kept is not None:
            self._spend(uuid)
            await self._remove_spent(uuid)
            return kept
        value = await self._link.do(lambda redis: redis.getdel(self._key(uuid)))
        if value is None:
            return None
        try:
            return _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise StoreError(f"{self._link}: the facts of a call cannot be read") from None

    def _key(self, uuid: str) -> str:
        return self._link.key(f"call:{uuid}")

    async def _write(self, uuid: str, facts: Mapping[str, str], lives_s: float) -> None:
        value, lives_ms = msgspec.json.encode(facts), max(1, round(lives_s * 1000))
        await self._link.do(lambda redis: redis.set(self._key(uuid), value, px=lives_ms))

    def _spend(self, uuid: str) -> None:
        """Remember that an announcement is used up, for as long as Redis may have it."""
        now = self._now()
        while self._spent and self._spent[oldest := next(iter(self._spent))] <= now:
            del self._spent[oldest]
        self._spent.pop(uuid, None)
        self._spent[uuid] = now + LIVES_S

    async def _remove_spent(self, uuid: str) -> None:
        try:
            await self._remove(uuid)
        except StoreError:
            return  # `_catch_up` removes it once Redis is back
        self._spent.pop(uuid, None)

    async def _remove(self, uuid: str) -> None:
        await self._link.do(lambda redis: redis.delete(self._key(uuid)))

    async def _catch_up(self) -> None:
        """Bring Redis up to date with what happened here while Redis was away."""
        for uuid, left_s, facts in self._here.waiting():
            await self._write(uuid, facts, left_s)
            if not self._here.forget(uuid):
                # The call came in between, with the facts that were kept here.
                self._spend(uuid)
        for uuid in list(self._spent):
            await self._remove(uuid)
            self._spent.pop(uuid, None)
