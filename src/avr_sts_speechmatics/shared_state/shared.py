"""All that one process shares with others through Redis, opened and closed together."""

import time
from contextlib import AsyncExitStack

from avr_sts_speechmatics.network.redis_address import RedisAddress
from avr_sts_speechmatics.shared_state.announcements import SharedAnnouncements
from avr_sts_speechmatics.shared_state.link import RedisLink
from avr_sts_speechmatics.shared_state.sessions import SharedSessions


class SharedState:
    """The share of this process.

    address: the Redis or Valkey server.
    prefix: beginning of the names of all keys.
    sessions_max: most STT sessions of all machines together; None for no limit.

    Raises SettingsError if the package `redis` is not installed.
    """

    def __init__(
        self, address: RedisAddress, prefix: str, *, sessions_max: int | None = None
    ) -> None:
        self._link = RedisLink(address, prefix)
        self.announcements = SharedAnnouncements(self._link)
        """The store of announced calls."""
        self.sessions = None if sessions_max is None else SharedSessions(self._link, sessions_max)
        """The count of STT sessions; None without a limit."""
        self._open = AsyncExitStack()

    @property
    def works(self) -> bool:
        """Whether Redis answers."""
        return self._link.state.up

    async def start(self) -> None:
        """Connect and stay connected. Never raises; returns soon even if Redis is away."""
        self._open.push_async_callback(self._link.close)
        await self._link.start()
        if self.sessions is not None:
            self._open.push_async_callback(self.sessions.close)
            await self.sessions.start()

    async def close(self) -> None:
        """Withdraw what this process shares, and disconnect."""
        await self._open.aclose()

    def health(self) -> dict[str, object]:
        """What `/health` says about Redis; it holds no secrets."""
        state = self._link.state
        return {
            "server": str(self._link),
            "works": state.up,
            "error": state.error or None,
            "since_s": round(time.monotonic() - state.since, 1),
            "sessions_elsewhere": None if self.sessions is None else self.sessions.others,
        }
