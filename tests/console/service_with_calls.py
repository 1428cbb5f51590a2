"""A service with some calls that are kept, and one that goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from tests.avr_core import dial
from tests.support import Serve, url_of

from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted

QUESTION = "What are your opening hours?"
ANSWER = "We are open from nine to five."


@dataclass(frozen=True, slots=True)
class WithCalls:
    """The address of the page, and the key of a call that is over."""

    base: str
    key: str

    @property
    def pages(self) -> tuple[str, ...]:
        """The paths of all pages behind #/."""
        return ("talk", "live", "calls", f"call/{self.key}", "service")


@asynccontextmanager
async def service_with_calls(
    serve: Serve, folder: Path, *, history: str = "transcripts"
) -> AsyncIterator[WithCalls]:
    """Run the service after one call, during another."""
    async with (
        running_sandbox(scripted(answers=[ANSWER, ANSWER])) as cloud,
        serve(cloud, history=history, data_dir=folder) as server,
    ):
        base = f"http://localhost:{server.addresses[0][1]}/"
        async with dial(url_of(server, "/?watch=1&from=%2B4930123456")) as core:
            await _asks(core)
        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            key = ""
            while not key:
                async with http.get(base + "api/v1/calls?running=false") as answer:
                    calls: list[dict[str, Any]] = (await answer.json())["calls"]
                key = calls[0]["key"] if calls else ""
                await asyncio.sleep(0.05)
        async with dial(url_of(server, "/?watch=1&from=%2B4930654321")) as core:
            await _asks(core)
            yield WithCalls(base, key)


async def _asks(core: Any) -> None:
    await core.init()
    await core.send({"type": "text", "text": QUESTION})
    await core.until(lambda heard: bool(heard.of("turn")))
