"""Announcements that several machines share, with a real Redis that may be away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest
from redis.asyncio import Redis
from tests.real_servers.servers import RealRedis
from tests.shared_state.linked import PREFIX, away, linked, up

from avr_sts_speechmatics.errors import StoreError
from avr_sts_speechmatics.shared_state.announcements import SharedAnnouncements
from avr_sts_speechmatics.shared_state.link import RedisLink
from avr_sts_speechmatics.transports.announced_calls import LIVES_S, AnnouncedCalls

UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
OTHER = "c0ffee00-1234-4abc-8def-0123456789ab"
FACTS = {"from": "+49 170 1234567", "name": 'Zoë "Z" \U0001f600', "empty": ""}


@asynccontextmanager
async def machines(server: RealRedis, number: int = 2) -> AsyncIterator[list[SharedAnnouncements]]:
    """The stores of several machines."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(number):
            link = await stack.enter_async_context(
                linked(server.url, trial_s=0.05, retry_s=(0.02,))
            )
            found.append(SharedAnnouncements(link))
        yield found


async def _set(redis: Redis, key: str, value: bytes) -> None:
    await redis.set(key, value)


def link_of(store: SharedAnnouncements) -> RedisLink:
    return store._link


# --- Redis works ---------------------------------------------------------------------------------


async def test_a_call_announced_to_one_machine_is_known_to_another_once(redis: RealRedis) -> None:
    async with machines(redis) as (one, other):
        await one.announce(UUID, FACTS)
        assert await other.facts_for(UUID) == FACTS
        assert await one.facts_for(UUID) is None
        assert await other.facts_for(UUID) is None


async def test_of_fifty_calls_at_once_one_is_admitted(redis: RealRedis) -> None:
    async with machines(redis, 3) as stores:
        await stores[0].announce(UUID, FACTS)
        asked = (stores[n % 3].facts_for(UUID) for n in range(50))
        answers = await asyncio.gather(*asked)
    assert [facts for facts in answers if facts is not None] == [FACTS]


async def test_an_announcement_ends_after_its_time_which_amending_does_not_extend(
    redis: RealRedis,
) -> None:
    async with machines(redis) as (one, other):
        await one.announce(UUID, {"from": "2001"})
        key = f"{PREFIX}call:{UUID}"
        link = link_of(one)
        assert 0 < await link.do(lambda r: r.pttl(key)) <= LIVES_S * 1000
        await link.do(lambda r: r.pexpire(key, 30_000))
        await other.amend(UUID, {"from": "2001", "agent": "sales"})
        assert 0 < await link.do(lambda r: r.pttl(key)) <= 30_000
        assert await one.facts_for(UUID) == {"from": "2001", "agent": "sales"}
        await other.amend(UUID, {"agent": "sales"})  # after the arrival: announces nothing
        assert await one.facts_for(UUID) is None


async def test_facts_that_no_instance_wrote_are_no_announcement(redis: RealRedis) -> None:
    async with machines(redis) as (one, _):
        for wrong in (b"\xff", b"[]", b'{"from": 1}', b""):
            key = f"{PREFIX}call:{UUID}"
            await link_of(one).do(partial(_set, key=key, value=wrong))
            with pytest.raises(StoreError, match="cannot be read"):
                await one.facts_for(UUID)


# --- Redis is away -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["freeze", "kill"])
async def test_calls_go_on_while_redis_is_away(own_redis: RealRedis, how: str) -> None:
    async with machines(own_redis) as (one, other):
        calls = [AnnouncedCalls(required=False, store=store) for store in (one, other)]
        await one.announce(UUID, FACTS)
        getattr(own_redis, how)()
        begun = time.monotonic()
        for _ in range(50):
            # As if Redis had said no.
            assert await calls[1].facts_for(UUID) == {}
        assert time.monotonic() - begun < 5  # one wait of at most 0.3 s, not fifty


async def test_what_was_announced_meanwhile_is_known_here_and_later_everywhere(
    own_redis: RealRedis,
) -> None:
    async with machines(own_redis) as (one, other):
        own_redis.kill()
        await away(link_of(one))
        await away(link_of(other))
        for uuid in (UUID, OTHER):
            with pytest.raises(StoreError, match=r"is away.*only this instance knows the call"):
                await one.announce(uuid, FACTS)
        assert await one.facts_for(OTHER) == FACTS  # the dialplan dialled all the same
        with pytest.raises(StoreError, match="is away"):
            await other.facts_for(UUID)
        with pytest.raises(StoreError, match="is away"):
            await one.amend(UUID, {"agent": "sales"})
        own_redis.start()
        await up(link_of(one))
        await up(link_of(other))
        async with asyncio.timeout(5):
            while (facts := await other.facts_for(UUID)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert facts == {"agent": "sales"}
        for store in (one, other):
            assert await store.facts_for(UUID) is None
            assert await store.facts_for(OTHER) is None


async def test_a_write_that_a_frozen_redis_carries_out_later_admits_no_second_call(
    own_redis: RealRedis,
) -> None:
    async with machines(own_redis) as (one, other):
        own_redis.freeze()
        with pytest.raises(StoreError):
            await one.announce(UUID, FACTS)  # lies in the socket of the frozen server
        assert await one.facts_for(UUID) == FACTS
        own_redis.thaw()
        await up(link_of(one))
        await up(link_of(other))
        async with asyncio.timeout(5):
            while one._spent:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await other.facts_for(UUID) is None
        assert await one.facts_for(UUID) is None


async def test_a_long_absence_of_redis_does_not_fill_the_memory(own_redis: RealRedis) -> None:
    now = 1000.0
    async with linked(own_redis.url, trial_s=0.05) as link:
        store = SharedAnnouncements(link, now=lambda: now)
        own_redis.kill()
        await away(link)
        for number in range(300):
            now += 1.0
            with pytest.raises(StoreError):
                await store.announce(f"call-{number}", {})
            assert await store.facts_for(f"call-{number}") == {}
        assert len(store._spent) <= LIVES_S


async def test_a_second_announcement_reaches_all_after_a_first_that_did_not(
    own_redis: RealRedis,
) -> None:
    async with machines(own_redis) as (one, other):
        own_redis.freeze()
        with pytest.raises(StoreError):
            await one.announce(UUID, {"n": "1"})
        own_redis.thaw()
        await up(link_of(one))
        await one.announce(UUID, {"n": "2"})
        await up(link_of(other))
        assert await other.facts_for(UUID) == {"n": "2"}
        assert await one.facts_for(UUID) is None
