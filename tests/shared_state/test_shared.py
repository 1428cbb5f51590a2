"""Two services with one Redis, as operators run them: announced here, answered there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.calls.test_direct_calls import announce, calling
from tests.real_servers.servers import RealRedis, free_port
from tests.shared_state.linked import PREFIX
from tests.support import Serve, until

from avr_sts_speechmatics.admission.call_count import LocalCount
from avr_sts_speechmatics.network.redis_address import parse
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.server import Server
from avr_sts_speechmatics.shared_state.shared import SharedState


@asynccontextmanager
async def pair(serve: Serve, url: str, **changes: object) -> AsyncIterator[tuple[Server, Server]]:
    """Two instances of the service that share a Redis."""
    chosen: dict[str, object] = {
        "audiosocket_port": 0,
        "http_port": 0,
        "redis_url": parse(url),
        "prepared": False,
    }
    async with running_sandbox() as cloud:
        async with serve(cloud, **chosen, **changes) as one, serve(cloud, **chosen, **changes) as b:
            yield one, b


def calls(server: Server) -> int:
    return int(server.health()["calls"])


async def test_a_call_announced_to_one_instance_is_admitted_once_by_another(
    serve: Serve, redis: RealRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(serve, redis.url, require_call=True) as (one, other):
        await announce(one, {"from": "2001"})
        async with calling(other):
            await until(lambda: calls(other) == 1)
            async with calling(one) as second:
                await until(lambda: second.hung_up)
        assert "REQUIRE_CALL" in caplog.text
        shared = one.health()["shared"]
        assert shared["works"] is True
        assert shared["server"] == f"Redis at 127.0.0.1:{redis.port}"
        assert one.health()["status"] == "ok"


@pytest.mark.parametrize("required", [True, False])
async def test_while_redis_stands_still_calls_are_judged_as_if_it_had_said_no(
    serve: Serve, own_redis: RealRedis, caplog: pytest.LogCaptureFixture, required: bool
) -> None:
    async with pair(serve, own_redis.url, require_call=required) as (one, other):
        await announce(one, {"from": "2001"})
        own_redis.freeze()
        async with calling(other) as asterisk:
            await until(lambda: asterisk.hung_up if required else calls(other) == 1)
        assert "whether it was announced cannot be read" in caplog.text
        health = other.health()
        assert health["status"] == "degraded"
        assert health["shared"]["works"] is False
        assert "no answer within" in health["shared"]["error"]
        assert health["ready"]
        own_redis.thaw()
        await until(lambda: other.health()["status"] == "ok")


async def test_an_announcement_that_cannot_be_shared_is_answered_503_and_counts_here(
    serve: Serve, own_redis: RealRedis
) -> None:
    async with pair(serve, own_redis.url, require_call=True) as (one, _):
        own_redis.kill()
        with pytest.raises(AssertionError):  # its status is not 200
            await announce(one, {"from": "2001"})
        async with calling(one):
            await until(lambda: calls(one) == 1)


async def test_the_sessions_of_both_instances_keep_the_limit_of_the_plan(
    serve: Serve, redis: RealRedis
) -> None:
    async with pair(serve, redis.url, speechmatics_max_sessions=1) as (one, other):
        async with calling(one):
            await until(lambda: calls(one) == 1)
            await until(lambda: other.health()["status"] == "no_sessions")
            assert not other.ready
        await until(lambda: other.health()["status"] == "ok")
        async with calling(other):
            await until(lambda: calls(other) == 1)


async def test_a_service_that_shares_nothing_has_nothing_to_start() -> None:
    shared = SharedState(None, PREFIX)
    await shared.start()
    assert shared.health() is None
    assert not shared.is_away
    assert shared.announcements is None
    here = LocalCount(5)
    assert shared.count(here) is here
    await shared.close()


async def test_a_service_starts_without_its_redis() -> None:
    shared = SharedState(parse(f"redis://127.0.0.1:{free_port()}"), PREFIX)
    count = shared.count(LocalCount(5))
    async with asyncio.timeout(10):
        await shared.start()
    assert shared.is_away
    assert count.try_begin()
    assert "secret" not in str(shared.health())
    await shared.close()


async def test_health_counts_the_sessions_elsewhere(redis: RealRedis) -> None:
    one = SharedState(parse(redis.url), PREFIX)
    other = SharedState(parse(redis.url), PREFIX)
    without_a_limit = LocalCount()
    assert one.count(without_a_limit) is without_a_limit
    one.count(LocalCount(5))
    count = other.count(LocalCount(5))
    await one.start()
    await other.start()
    count.try_begin()
    await until(lambda: "'sessions_elsewhere': 1" in str(one.health()))
    await other.close()
    await until(lambda: "'sessions_elsewhere': 0" in str(one.health()))
    await one.close()
