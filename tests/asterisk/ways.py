"""The ways in: which extension leads to which door, and how to try all at once.

All but those of NO_CODEC are in the examples.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.asterisk.etc import NO_CODEC
from tests.asterisk.g711 import A_LAW, MU_LAW, Law


@dataclass(frozen=True, slots=True)
class Way:
    """A way in.

    number: of the caller who takes it, so that no two in a test are the same. law: what their
    telephone speaks, which is what comes where the dialplan names no codec.
    """

    number: int
    name: str
    extension: str
    law: Law = MU_LAW


WAYS = (
    Way(0, "AudioSocket()", "5001"),
    Way(1, "Dial slin", "5002"),
    Way(2, "Dial slin16", "5003"),
    Way(3, "Dial mu-law", NO_CODEC[0]),
    Way(4, "Dial A-law", NO_CODEC[1], A_LAW),
    Way(5, "WebSocket", "5004"),
)


async def by_every_way(
    scenario: Callable[[Way], Awaitable[None]], ways: Sequence[Way] = WAYS
) -> None:
    """Run a scenario by all ways at the same time; every failure is reported, with its way.

    One that fails does not end the others: which ways fail tells more than that one does.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_failure(scenario, way)) for way in ways]
    failures = [failure for task in tasks if (failure := task.result()) is not None]
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(ways)} ways failed", failures)


async def _failure(scenario: Callable[[Way], Awaitable[None]], way: Way) -> Exception | None:
    try:
        await scenario(way)
    except Exception as error:
        error.add_note(f"calling {way.extension}, {way.name}")
        return error
    return None
