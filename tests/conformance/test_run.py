"""Every line notices its own fault, and nothing but its own fault."""

import asyncio

import pytest
from tests.conformance.avr_service import running, speech

from avr_sts_speechmatics.conformance.lines import LINES
from avr_sts_speechmatics.conformance.plays import Caller
from avr_sts_speechmatics.conformance.run import examine

IN_TURN = ("mixed-calls", "concurrency", "vanishing")
"""Lines whose fault disturbs other calls, so that the plays must follow one another."""


async def broken(fault: str) -> dict[str, str]:
    """The broken lines of a service with a fault, each with its detail."""
    async with running(fault) as address:
        caller = Caller(f"ws://{address}", speech(0.5, 1), speech(0.5, 2), patience=2, calls=3)
        url = f"http://{address}/speech-to-speech-stream"
        findings = await examine(caller, url, at_once=fault not in IN_TURN)
    assert [one.line for one in findings] == list(LINES)
    return {one.line.name: one.detail for one in findings if one.state == "broken"}


async def test_a_service_without_a_fault_conforms() -> None:
    assert not await broken("")


AT_ONCE = 5
"""Services that are examined at the same time: most of an examination is waiting."""

ALONE = [line.name for line in LINES if line.name not in IN_TURN]
GROUPS = [*(ALONE[at : at + AT_ONCE] for at in range(0, len(ALONE), AT_ONCE)), list(IN_TURN)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("faults", GROUPS, ids=" ".join)
async def test_a_line_notices_its_own_fault_and_no_other(faults: list[str]) -> None:
    all_found = await asyncio.gather(*(broken(fault) for fault in faults))
    for fault, found in zip(faults, all_found, strict=True):
        assert list(found) == [fault], found
        assert found[fault], "the detail says what was seen"
