"""Links to real servers, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support import until

from avr_sts_speechmatics.network.redis_address import parse
from avr_sts_speechmatics.shared_state.link import RedisLink

PREFIX = "tests:"


@asynccontextmanager
async def linked(url: str, **limits: Any) -> AsyncIterator[RedisLink]:
    """A link that has been started."""
    link = RedisLink(parse(url), PREFIX, **limits)
    await link.start()
    try:
        yield link
    finally:
        await link.close()


async def up(link: RedisLink) -> None:
    await until(lambda: link.state.up)


async def away(link: RedisLink) -> None:
    await until(lambda: not link.state.up)
