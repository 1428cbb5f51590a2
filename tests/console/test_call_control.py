"""Ending and transferring calls: whose call it is, and where calls may go."""

from types import SimpleNamespace
from typing import Any

import pytest

from avr_sts_speechmatics.console.call_control import NOT_FOUND, CallControl, Outcome
from avr_sts_speechmatics.dialogue.events import OperatorLeaves
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.departures import Departures
from avr_sts_speechmatics.pbx.dial_patterns import parse


class Call:
    """A call that remembers how it was left."""

    def __init__(self, *, rehearsed: bool = True) -> None:
        self.caller = Caller("uuid", "post")
        self.name = "uuid"
        self.line = SimpleNamespace(rehearsed=rehearsed)
        self.left: list[OperatorLeaves] = []

    def take_leave(self, why: OperatorLeaves) -> None:
        self.left.append(why)


def control(*calls: Call, allow: str = "_7XX") -> CallControl:
    parts = SimpleNamespace(services=SimpleNamespace(departures=Departures(None, parse(allow))))
    listed: Any = calls
    return CallControl(lambda: listed, lambda: parts)


async def test_a_call_of_this_process_is_ended() -> None:
    call = Call()
    outcome = await control(Call(), call).leave(call.caller.key, None)
    assert outcome == {"found": True, "refused": ""}
    assert call.left == [OperatorLeaves()]


async def test_a_call_is_transferred_where_calls_may_go() -> None:
    call = Call()
    assert (await control(call).leave(call.caller.key, "712"))["refused"] == ""
    (leaves,) = call.left
    assert leaves.transfer is not None
    assert leaves.transfer.by_operator
    assert leaves.transfer.call.arguments == '{"transfer_extension":"712"}'


@pytest.mark.parametrize(("extension", "rehearsed"), [("812", True), ("712", False)])
async def test_a_transfer_that_cannot_be_says_what_to_set(extension: str, rehearsed: bool) -> None:
    call = Call(rehearsed=rehearsed)
    outcome = await control(call).leave(call.caller.key, extension)
    assert outcome["found"]
    assert ("TRANSFER_ALLOW" if rehearsed else "AMI_HOST") in outcome["refused"]
    assert call.left == []


async def test_another_worker_is_asked_for_a_call_that_is_not_here() -> None:
    asked = []

    async def elsewhere(key: str, extension: str | None) -> Outcome:
        asked.append((key, extension))
        return {"found": True, "refused": ""}

    one = control(Call())
    assert await one.leave("0" * 32, None) == NOT_FOUND
    one.elsewhere = elsewhere
    assert (await one.leave("0" * 32, "700"))["found"]
    assert asked == [("0" * 32, "700")]


async def test_before_the_service_is_ready_there_is_no_call() -> None:
    assert await CallControl(tuple, lambda: None).leave("0" * 32, None) == NOT_FOUND
