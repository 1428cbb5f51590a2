"""All that one process shares with others through Redis, opened and closed together."""

import time
from contextlib import AsyncExitStack

from avr_sts_speechmatics.admission.call_count import CallCount
from avr_sts_speechmatics.network.redis_address import RedisAddress
from avr_sts_speechmatics.shared_state.announcements import SharedAnnouncements
from avr_sts_speechmatics.shared_state.link import RedisLink
from avr_sts_speechmatics.shared_state.sessions import SharedSessions


class SharedState:
    """The share of this process.

    address: the Redis or Valkey server; None if this process shares nothing.
    prefix: beginning of the names of all keys.

    Raises SettingsError if the package `redis` is not installed.
    """

    def __init__(self, address: RedisAddress | None, prefix: str) -> None:
        self.announcements: SharedAnnouncements | None = None
        """The store of announced calls; None if nothing is shared."""
        self._sessions: SharedSessions | None = None
        self._link: RedisLink | None = None
        self._open = AsyncExitStack()
        if address is not None:
            self._link = link = RedisLink(address, prefix)
            self.announcements = SharedAnnouncements(link)

    def count(self, here: CallCount) -> CallCount:
        """Return the count of STT sessions of all machines; before `start`.

        here: the count of this machine, with the limit that holds for all machines together. It is
            returned as it is if nothing is shared, or without a limit.
        """
        if self._link is None or here.limit is None:
            return here
        self._sessions = SharedSessions(self._link, here.limit, here)
        return self._sessions

    @property
    def is_away(self) -> bool:
        """Whether there is a Redis that does not answer."""
        return self._link is not None and not self._link.state.up

    async def start(self) -> None:
        """Connect and stay connected. Never raises; returns soon even if Redis is away."""
        if self._link is not None:
            self._open.push_async_callback(self._link.close)
            await self._link.start()
        if self._sessions is not None:
            self._open.push_async_callback(self._sessions.close)
            await self._sessions.start()

    async def close(self) -> None:
        """Withdraw what this process shares, and disconnect."""
        await self._open.aclose()

    def health(self) -> dict[str, object] | None:
        """The part of `/health` about Redis, without secrets; None if nothing is shared."""
        if self._link is None:
            return None
        state = self._link.state
        return {
            "server": str(self._link),
            "works": state.up,
            "error": state.error or None,
            "since_s": round(time.monotonic() - state.since, 1),
            "sessions_elsewhere": None if self._sessions is None else self._sessions.others,
        }
