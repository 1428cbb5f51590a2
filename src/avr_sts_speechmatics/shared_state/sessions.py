"""The vendor's sessions of all machines, counted against one limit.

Each process publishes the number of its own calls in a hash of Redis, with a time from which the
number is void: the share of a machine that died vanishes after LIVES_S. In the same step the
process learns the sum of the others. Both happen after each change, and otherwise every SYNC_S.

A call is admitted from what is known at the moment, without a question: a caller does not wait for
Redis. So processes that take their calls within the same SYNC_S may together exceed the limit by
these calls. The vendor refuses the sessions that are too many, and the calls try again: an excess
is a pause for a caller, and a question to Redis before each call would be one for all callers.

While Redis is away the last known sum is used for LIVES_S; then each machine counts for itself, by
a count that its processes share.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from avr_sts_speechmatics.admission.call_count import CallCount, LocalCount
from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.shared_state.link import RedisLink

SYNC_S = 0.1
"""Longest time between two exchanges with Redis (s)."""

LIVES_S = 5.0
"""How long a number counts after its process was last heard of (s)."""

# All times are Redis's own: the clocks of machines differ.
_EXCHANGE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local others = 0
for at = 1, #all, 2 do
    local count, void = string.match(all[at + 1], '^(%d+) (%d+)$')
    if not void or tonumber(void) <= now then
        redis.call('HDEL', KEYS[1], all[at])
    elseif all[at] ~= ARGV[1] then
        others = others + tonumber(count)
    end
end
local void = string.format('%.0f', now + tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. void)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return others
"""


class SharedSessions:
    """A count that all machines share. Implements the count of `admission`.

    link: the way to Redis.
    limit: the largest count of all machines together.
    here: the exact count of this machine, whose processes share it; None for one process.
    sync_s: see SYNC_S.
    lives_s: see LIVES_S.
    now: a clock that never goes back (s).
    """

    def __init__(
        self,
        link: RedisLink,
        limit: int,
        here: CallCount | None = None,
        *,
        sync_s: float = SYNC_S,
        lives_s: float = LIVES_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._key = link.key("sessions")
        self._limit = limit
        self._here = LocalCount(limit) if here is None else here
        self._sync_s = sync_s
        self._lives_s = lives_s
        self._now = now
        self._name = secrets.token_hex(8)
        self._own = 0
        self._others = 0
        self._known_until = float("-inf")
        self._changed = asyncio.Event()
        self._syncing: asyncio.Task[None] | None = None

    @property
    def own(self) -> int:
        """The calls of this process."""
        return self._own

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def others(self) -> int:
        """The calls of all other processes, as far as known; 0 if that is too old."""
        return self._others if self._now() < self._known_until else 0

    @property
    def full(self) -> bool:
        return self._here.full or self._own + self.others >= self._limit

    def try_begin(self) -> bool:
        """Count one more, unless the limit is reached. Returns whether one more was counted."""
        if self.full or not self._here.try_begin():
            return False
        self._own += 1
        self._changed.set()
        return True

    def end(self) -> None:
        """Count one less."""
        assert self._own, "ended more often than begun"
        self._own -= 1
        self._here.end()
        self._changed.set()

    async def start(self) -> None:
        """Learn of the others, and go on exchanging. Never raises."""
        await self._exchange()
        self._syncing = asyncio.create_task(self._sync())

    async def close(self) -> None:
        """Stop, and withdraw the number of this process."""
        if self._syncing is not None:
            self._syncing.cancel()
            await asyncio.wait((self._syncing,))
        with suppress(StoreError):  # the number becomes void by itself
            await self._link.do(lambda redis: redis.hdel(self._key, self._name))

    async def _sync(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._sync_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            await self._exchange()

    async def _exchange(self) -> None:
        lives_ms = round(self._lives_s * 1000)
        try:
            self._others = await self._link.do(
                lambda redis: redis.eval(_EXCHANGE, 1, self._key, self._name, self._own, lives_ms)
            )
        except StoreError:
            return
        self._known_until = self._now() + self._lives_s
