"""All that one process shares with others through Redis, opened and closed together."""

import time
from contextlib import AsyncExitStack

from avr_sts_speechmatics.network.redis_address import RedisAddress
from avr_sts_speechmatics.shared_state.announcements import SharedAnnouncements
from avr_sts_speechmatics.shared_state.link import RedisLink
from avr_sts_speechmatics.shared_state.sessions import SharedSessions


class SharedState:
    """The share of this process.

    address: the Redis or Valkey server; None if this process shares nothing.
    prefix: beginning of the names of all keys.
    sessions_max: most STT sessions of all machines together; None for no limit.

    Raises SettingsError if the package `redis` is not installed.
    """

    def __init__(
        self, address: RedisAddress | None, prefix: str, *, sessions_max: int | None = None
    ) -> None:
        self.announcements: SharedAnnouncements | None = None
        """The store of announced calls; None if nothing is shared."""
        self.sessions: SharedSessions | None = None
        """The count of STT sessions; None if nothing is shared, or without a limit."""
        self._link: RedisLink | None = None
        self._open = AsyncExitStack()
        if address is not None:
            self._link = link = RedisLink(address, prefix)
            self.announcements = SharedAnnouncements(link)
            if sessions_max is not None:
                self.sessions = SharedSessions(link, sessions_max)

    @property
    def is_away(self) -> bool:
        """Whether there is a Redis that does not answer."""
        return self._link is not None and not self._link.state.up

    async def start(self) -> None:
        """Connect and stay connected. Never raises; returns soon even if Redis is away."""
        if self._link is not None:
            self._open.push_async_callback(self._link.close)
            await self._link.start()
        if self.sessions is not None:
            self._open.push_async_callback(self.sessions.close)
            await self.sessions.start()

    async def close(self) -> None:
        """Withdraw what this process shares, and disconnect."""
        await self._open.aclose()

    def health(self) -> dict[str, object] | None:
        """What `/health` says about Redis, without secrets; None if nothing is shared."""
        if self._link is None:
            return None
        state = self._link.state
        return {
            "server": str(self._link),
            "works": state.up,
            "error": state.error or None,
            "since_s": round(time.monotonic() - state.since, 1),
            "sessions_elsewhere": None if self.sessions is None else self.sessions.others,
        }
