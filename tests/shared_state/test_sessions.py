"""The count of the vendor's sessions over machines, with a real Redis that may be away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.real_servers.servers import RealRedis
from tests.shared_state.linked import PREFIX, away, linked, up
from tests.support import until

from avr_sts_speechmatics.admission.call_count import LocalCount
from avr_sts_speechmatics.shared_state.link import RedisLink
from avr_sts_speechmatics.shared_state.sessions import SharedSessions

LIMIT = 10
KEY = f"{PREFIX}sessions"


@asynccontextmanager
async def machine(
    server: RealRedis, limit: int = LIMIT, *, lives_s: float = 5.0
) -> AsyncIterator[tuple[SharedSessions, RedisLink]]:
    async with linked(server.url, trial_s=0.05, retry_s=(0.02,)) as link:
        count = SharedSessions(link, limit, sync_s=0.02, lives_s=lives_s)
        await count.start()
        try:
            yield count, link
        finally:
            await count.close()


async def test_two_machines_together_keep_the_limit(redis: RealRedis) -> None:
    async with machine(redis) as (one, _), machine(redis) as (other, _):
        assert all(one.try_begin() for _ in range(6))
        await until(lambda: other.others == 6)
        assert [other.try_begin() for _ in range(5)] == [True] * 4 + [False]
        await until(lambda: one.others == 4)
        assert one.full
        assert not one.try_begin()
        one.end()
        assert not one.full
        await until(lambda: not other.full)
        assert other.try_begin()
        assert (one.own, other.own) == (5, 5)
        await until(lambda: one.full)


async def test_a_machine_alone_reaches_the_limit_exactly_and_at_once(redis: RealRedis) -> None:
    async with machine(redis, 3) as (one, _):
        assert [one.try_begin() for _ in range(5)] == [True] * 3 + [False] * 2


async def test_a_machine_that_starts_knows_the_others_before_its_first_call(
    redis: RealRedis,
) -> None:
    async with machine(redis) as (one, link):
        assert all(one.try_begin() for _ in range(LIMIT))
        await until_published(link, LIMIT)
        async with machine(redis) as (other, _):
            assert other.full
            assert not other.try_begin()


async def until_published(link: RedisLink, number: int) -> None:
    async with asyncio.timeout(5):
        while True:
            values = await link.do(lambda r: r.hvals(KEY))
            if any(bytes(value).split()[0] == b"%d" % number for value in values):  # type: ignore[arg-type]
                return
            await asyncio.sleep(0.01)


async def test_a_machine_that_ends_in_order_gives_its_share_back_at_once(
    redis: RealRedis,
) -> None:
    async with machine(redis, lives_s=60.0) as (one, _):
        async with machine(redis, lives_s=60.0) as (other, _):
            other.try_begin()
            await until(lambda: one.others == 1)
        await until(lambda: one.others == 0)


async def test_the_share_of_a_machine_that_died_vanishes(redis: RealRedis) -> None:
    async with linked(redis.url) as link, machine(redis) as (one, _):
        dead = SharedSessions(link, LIMIT, lives_s=0.5)
        dead.try_begin()
        await dead._exchange()  # and then nothing more, as after a power cut
        await until(lambda: one.others == 1)
        await until(lambda: one.others == 0)


async def test_while_redis_is_away_each_machine_counts_for_itself(own_redis: RealRedis) -> None:
    async with (
        machine(own_redis, lives_s=0.3) as (one, link),
        machine(own_redis, lives_s=0.3) as (other, _),
    ):
        assert all(other.try_begin() for _ in range(LIMIT))
        await until(lambda: one.full)
        own_redis.kill()
        await away(link)
        # What was known of the others is soon too old: calls go on.
        await until(lambda: not one.full)
        assert [one.try_begin() for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]
        own_redis.start()
        await up(link)
        await until(lambda: one.others == LIMIT)
        one.end()
        assert one.full  # and over the limit, until calls have ended


async def test_a_number_that_nobody_can_read_is_removed(redis: RealRedis) -> None:
    async with machine(redis) as (one, link):
        await link.do(lambda r: r.hset(KEY, "stranger", b"many"))
        async with asyncio.timeout(5):
            while await link.do(lambda r: r.hexists(KEY, "stranger")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert one.others == 0


async def test_processes_of_one_machine_keep_the_limit_exactly(redis: RealRedis) -> None:
    machine_count = LocalCount(3)
    async with linked(redis.url) as link:
        one, other = (SharedSessions(link, 3, machine_count) for _ in range(2))
        # In the same moment, before either has heard of the other by Redis.
        assert [one.try_begin(), other.try_begin(), one.try_begin()] == [True] * 3
        assert not other.try_begin()
        one.end()
        assert other.try_begin()
