"""Real servers for what machines share."""

from collections.abc import Iterator

import pytest
from tests.real_servers.servers import RealRedis, redis_server


@pytest.fixture(scope="module")
def redis() -> Iterator[RealRedis]:
    """A Redis that stays up. A test that stops it, starts its own."""
    with redis_server() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RealRedis]:
    """A Redis that the test may freeze, kill and start again."""
    with redis_server() as server:
        yield server
