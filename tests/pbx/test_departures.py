"""Hanging up and transferring: what a model is offered, and what becomes of what it asks for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import HANG_UP, TRANSFER, ToolCall
from avr_sts_speechmatics.dialogue.events import ToolRequest
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.pbx.departures import Departures
from avr_sts_speechmatics.pbx.dial_patterns import parse
from avr_sts_speechmatics.pbx.protocol import Pbx, PbxError

CALLER = Caller("a-call", "test")
ALLOW = parse("700, _2XX")


class Switchboard:
    """An exchange that only remembers what it was asked."""

    def __init__(self) -> None:
        self.deeds: list[tuple[object, ...]] = []

    async def hang_up(self, caller: Caller) -> None:
        self.deeds.append(("hang up", caller.uuid))

    async def transfer(self, caller: Caller, extension: str, context: str, priority: int) -> None:
        self.deeds.append(("transfer", caller.uuid, extension, context, priority))

    async def check(self) -> str:
        return "there"

    async def close(self) -> None: ...


class Line:
    """The two things that are asked of a line here, and whether it hung up."""

    def __init__(self, *, can_hang_up: bool = False, rehearsed: bool = False) -> None:
        self.can_hang_up = can_hang_up
        self.rehearsed = rehearsed
        self.hung_up = 0

    def hang_up(self) -> None:
        self.hung_up += 1


def line(**kind: bool) -> Any:
    return Line(**kind)


def wish(extension: object, **more: object) -> ToolCall:
    return ToolCall("a", TRANSFER, json.dumps({"transfer_extension": extension, **more}))


HANG = ToolCall("a", HANG_UP, "{}")


@pytest.mark.parametrize(
    ("pbx", "allow", "kind", "names"),
    [
        (Switchboard(), "700", {}, [HANG_UP, TRANSFER]),
        (Switchboard(), "", {}, [HANG_UP]),
        (None, "700", {}, []),
        (None, "700", {"can_hang_up": True}, [HANG_UP]),
        (None, "", {"can_hang_up": True}, [HANG_UP]),
    ],
)
def test_only_what_can_be_done_is_offered(
    pbx: Pbx | None, allow: str, kind: dict[str, bool], names: list[str]
) -> None:
    specs = Departures(pbx, parse(allow) if allow else ()).specs(line(**kind))
    assert [spec.name for spec in specs] == names


@pytest.mark.parametrize(
    ("allow", "described"),
    [
        ("700, 701", "One of: 700, 701"),
        ("_2XX", "One of: _2XX (X stands for a digit, N for 2 to 9, Z for 1 to 9)"),
    ],
)
def test_the_model_is_told_where_to_and_asked_for_nothing_else(allow: str, described: str) -> None:
    offer = Departures(Switchboard(), parse(allow)).specs(line())[-1].parameters
    assert offer["properties"] == {
        "transfer_extension": {"type": "string", "description": described}
    }


def test_a_tool_that_does_not_end_the_call_is_none_of_ours() -> None:
    call = ToolCall("a", "find_booking", "no JSON")
    assert Departures(None).request(call) == ToolRequest(call)


def test_a_hangup_leaves_whatever_it_says_besides() -> None:
    call = ToolCall("a", HANG_UP, "no JSON")
    assert Departures(None).request(call) == ToolRequest(call, leaves="hang_up")


@pytest.mark.parametrize("extension", ["700", 700, "234"])
async def test_a_transfer_that_is_allowed_goes_to_the_place_of_the_settings(
    extension: object,
) -> None:
    there = Switchboard()
    departures = Departures(there, ALLOW, context="people", priority=2)
    call = wish(extension, transfer_context="secret", transfer_priority=7)
    assert departures.request(call).leaves == "transfer"
    assert await departures.run(call, CALLER, line()) == "The call has been transferred."
    assert there.deeds == [("transfer", "a-call", str(extension), "people", 2)]


@pytest.mark.parametrize("extension", ["0190", "70", "7000", "", " 700", "700\n", "2XX", "_2XX", 0])
def test_a_transfer_to_elsewhere_is_refused_with_where_to(
    extension: object, caplog: pytest.LogCaptureFixture
) -> None:
    request = Departures(Switchboard(), ALLOW).request(wish(extension))
    assert not request.leaves
    assert request.refused.endswith("only to: 700, _2XX.")
    assert "TRANSFER_ALLOW" in caplog.text
    assert "0190" not in caplog.text


DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{",
        "700",
        "[700]",
        "null",
        "{}",
        '{"transfer_extension": null}',
        '{"transfer_extension": true}',
        '{"transfer_extension": 7.5}',
        '{"transfer_extension": ["700"]}',
        '{"transfer_extension": "\ud83d"}',
        pytest.param(DEEP, id="deep"),
    ],
)
def test_a_transfer_to_nowhere_is_refused_in_words(arguments: str) -> None:
    request = Departures(Switchboard(), ALLOW).request(ToolCall("a", TRANSFER, arguments))
    assert request.refused == "Not done: give transfer_extension, as text."
    assert not request.leaves


@given(st.text())
def test_whatever_is_asked_for_only_what_is_allowed_leaves(extension: str) -> None:
    request = Departures(Switchboard(), ALLOW).request(wish(extension))
    inside = extension == "700" or (
        len(extension) == 3 and extension[0] == "2" and set(extension) <= set("0123456789")
    )
    assert (request.leaves == "transfer") is inside
    assert bool(request.refused) is not inside


@pytest.mark.parametrize("call", [HANG, wish("700")], ids=["hangup", "transfer"])
def test_what_an_agent_may_not_use_does_not_exist_for_it(call: ToolCall) -> None:
    departures = Departures(Switchboard(), ALLOW)
    refused = departures.request(call, allowed={"find_booking"})
    assert (refused.leaves, refused.refused) == ("", "Not done: there is no tool of this name.")
    assert departures.request(call, allowed={HANG_UP, TRANSFER}).leaves


async def test_a_line_that_can_hang_up_does_it_itself() -> None:
    there, own = Switchboard(), line(can_hang_up=True)
    assert await Departures(there).run(HANG, CALLER, own) == "The call has been ended."
    assert (own.hung_up, there.deeds) == (1, [])


async def test_another_line_is_hung_up_by_the_exchange() -> None:
    there, other = Switchboard(), line()
    await Departures(there).run(HANG, CALLER, other)
    assert (other.hung_up, there.deeds) == (0, [("hang up", "a-call")])


@pytest.mark.parametrize("call", [HANG, wish("700")], ids=["hangup", "transfer"])
async def test_in_a_rehearsal_no_exchange_is_asked(call: ToolCall) -> None:
    there, rehearsed = Switchboard(), line(rehearsed=True)
    await Departures(there, ALLOW).run(call, CALLER, rehearsed)
    assert (rehearsed.hung_up, there.deeds) == (1, [])


async def test_without_an_exchange_a_transfer_is_said_to_be_impossible() -> None:
    with pytest.raises(PbxError, match="no telephone exchange"):
        await Departures(None, ALLOW).run(wish("700"), CALLER, line())
