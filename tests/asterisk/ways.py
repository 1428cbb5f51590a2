"""The ways in: which extension of the examples leads to which door, and how to try all at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """A way in. number: of the caller who takes it, so that no two in a test are the same."""

    number: int
    name: str
    extension: str


WAYS = (
    Way(0, "AudioSocket()", "5001"),
    Way(1, "Dial slin", "5002"),
    Way(2, "Dial slin16", "5003"),
    Way(3, "Dial G.711", "5005"),
    Way(4, "WebSocket", "5004"),
)


async def by_every_way(scenario: Callable[[Way], Awaitable[None]]) -> None:
    """Run a scenario by all ways at the same time; every failure is reported, with its way.

    One that fails does not end the others: which ways fail tells more than that one does.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_failure(scenario, way)) for way in WAYS]
    failures = [failure for task in tasks if (failure := task.result()) is not None]
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(WAYS)} ways failed", failures)


async def _failure(scenario: Callable[[Way], Awaitable[None]], way: Way) -> Exception | None:
    try:
        await scenario(way)
    except Exception as error:
        error.add_note(f"calling {way.extension}, {way.name}")
        return error
    return None
