"""The toolbox: whatever a tool does, the model gets one bounded, honest answer in time."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.conversation import ToolCall, ToolSpec
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.tools import CallFacts
from avr_sts_speechmatics.tools.protocol import ToolError
from avr_sts_speechmatics.tools.tool_runner import GRACE_S, RESULT_MAX, NotDone, Toolbox

CALLER = Caller("0b7f6a52", "websocket", {"from": "+4922812345"})
SECRET = "the caller's own words"


class Doing:
    """A tool that does what it is told here, and counts how often."""

    def __init__(
        self, does: Callable[[dict[str, object], CallFacts], Awaitable[str]], name: str = "look_up"
    ) -> None:
        self.spec = ToolSpec(name, "Looks it up.", {"type": "object"})
        self.source = "test"
        self.cancel_on_hangup = False
        self.runs = 0
        self._does = does

    async def run(self, arguments: dict[str, object], call: CallFacts) -> str:
        self.runs += 1
        return await self._does(arguments, call)


class Coming:
    """A server of tools that is down until told otherwise."""

    def __init__(self, tool: Doing) -> None:
        self.up = False
        self.closed = False
        self._tool = tool

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self._tool.spec.name})

    def tools(self) -> Iterable[Doing]:
        return [self._tool] if self.up else []

    async def tried(self) -> None:
        """At once."""

    async def close(self) -> None:
        self.closed = True


async def echo(arguments: dict[str, object], call: CallFacts) -> str:
    return json.dumps([arguments, call.uuid, call.transport, dict(call.facts)])


async def asked(
    tool: Doing, arguments: str = "{}", *, timeout_s: float = 5, log_arguments: bool = False
) -> str:
    toolbox = Toolbox([tool], timeout_s=timeout_s, log_arguments=log_arguments)
    try:
        return await toolbox.run(ToolCall("1", "look_up", arguments), CALLER)
    finally:
        await toolbox.close()


async def test_a_tool_is_given_its_arguments_and_the_facts_of_the_call() -> None:
    tool = Doing(echo)
    assert json.loads(await asked(tool, '{"code": "KX41"}')) == [
        {"code": "KX41"},
        CALLER.uuid,
        CALLER.transport,
        CALLER.facts,
    ]
    assert tool.runs == 1


async def test_no_arguments_at_all_are_an_empty_object() -> None:
    assert json.loads(await asked(Doing(echo), " "))[0] == {}


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_arguments_that_are_no_object_are_answered_and_the_tool_is_not_run(text: str) -> None:
    tool = Doing(echo)
    answer = asyncio.run(asked(tool, text))
    if text.strip():
        assert "not a JSON object" in answer
        assert tool.runs == 0


async def test_arguments_nested_beyond_measure_are_answered() -> None:
    assert "not a JSON object" in await asked(Doing(echo), '{"a":' + "[" * 100_000)


async def test_a_tool_that_is_not_there_is_answered_with_those_that_are() -> None:
    toolbox = Toolbox([Doing(echo), Doing(echo, "other")], timeout_s=1)
    answer = await toolbox.run(ToolCall("1", "lookup", "{}"), CALLER)
    assert "look_up, other" in answer


async def test_a_tool_an_agent_may_not_use_does_not_exist_for_it() -> None:
    hidden = Doing(echo)
    toolbox = Toolbox([hidden, Doing(echo, "other")], timeout_s=1)
    assert [spec.name for spec in toolbox.specs({"other", "unknown"})] == ["other"]
    assert [spec.name for spec in toolbox.specs(None)] == ["look_up", "other"]
    answer = await toolbox.run(ToolCall("1", "look_up", "{}"), CALLER, allowed={"other"})
    assert answer == "There is no tool of this name. Tools: other."
    assert hidden.runs == 0


async def test_tools_of_a_server_are_offered_while_it_is_there() -> None:
    server = Coming(Doing(echo))
    toolbox = Toolbox([], timeout_s=1, servers=[server])
    call = ToolCall("1", "look_up", "{}")
    assert toolbox.names() == {"look_up"}
    assert toolbox.specs(None) == ()
    assert "not available" in await toolbox.run(call, CALLER)
    server.up = True
    assert [spec.name for spec in toolbox.specs(None)] == ["look_up"]
    assert "websocket" in await toolbox.run(call, CALLER)
    await toolbox.close()
    assert server.closed


@pytest.mark.parametrize("length", [RESULT_MAX, RESULT_MAX + 1, 10 * RESULT_MAX])
async def test_a_long_result_is_cut_and_says_so(length: int) -> None:
    async def long(_: dict[str, object], __: CallFacts) -> str:
        return "x" * length

    answer = await asked(Doing(long))
    assert len(answer) == RESULT_MAX
    assert (f"[cut here; {length} characters in all]" in answer) == (length > RESULT_MAX)


async def test_a_result_with_half_a_character_can_still_be_sent() -> None:
    async def half(_: dict[str, object], __: CallFacts) -> str:
        return "a\ud800b"

    (await asked(Doing(half))).encode()


async def fail(arguments: dict[str, object], _: CallFacts) -> str:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise RuntimeError(f"not found: {arguments}") from error


async def test_a_failure_is_told_without_innards_and_logged_without_what_was_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await asked(Doing(fail), json.dumps({"about": SECRET}))
    assert answer == "The tool failed. It is not known whether it did its work."
    assert "RuntimeError" in caplog.text
    assert "KeyError" in caplog.text
    assert "in fail" in caplog.text
    assert SECRET not in caplog.text


async def test_whether_a_tool_did_its_work_is_known() -> None:
    assert not isinstance(await asked(Doing(echo), "{}"), NotDone)
    assert isinstance(await asked(Doing(fail), "{}"), NotDone)
    assert isinstance(await asked(Doing(echo), "no JSON"), NotDone)
    missing = await Toolbox([], timeout_s=1).run(ToolCall("1", "look_up", "{}"), CALLER)
    assert isinstance(missing, NotDone)


async def test_who_logs_transcripts_sees_what_a_tool_was_asked_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await asked(Doing(fail), json.dumps({"about": SECRET}), log_arguments=True)
    assert caplog.text.count(SECRET) >= 2


async def test_what_a_tool_says_of_its_own_failure_reaches_the_model() -> None:
    async def refuse(_: dict[str, object], __: CallFacts) -> str:
        raise ToolError("No such code.")

    assert await asked(Doing(refuse)) == "No such code."


async def test_a_slow_tool_is_stopped_and_the_model_is_told() -> None:
    stopped = asyncio.Event()

    async def slow(_: dict[str, object], __: CallFacts) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    answer = await asked(Doing(slow), timeout_s=0.05)
    assert answer.startswith("The tool did not finish within 0.05 seconds.")
    assert stopped.is_set()


async def test_what_a_tool_still_returns_when_it_is_stopped_is_its_result() -> None:
    async def late(_: dict[str, object], __: CallFacts) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "half of it"
        return ""

    assert await asked(Doing(late), timeout_s=0.05) == "half of it"


async def test_a_tool_that_cannot_be_stopped_holds_nobody_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    released = asyncio.Event()

    async def stubborn(_: dict[str, object], __: CallFacts) -> str:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        raise RuntimeError("at last")  # nobody is left to be told; asyncio must not complain

    toolbox = Toolbox([Doing(stubborn)], timeout_s=0.05)
    begun = time.monotonic()
    answer = await toolbox.run(ToolCall("1", "look_up", "{}"), CALLER)
    await toolbox.close()
    assert time.monotonic() - begun < 0.05 + 2 * GRACE_S + 0.5
    assert "did not finish" in answer
    assert "CancelledError" in caplog.text
    released.set()


async def test_a_tool_that_cancels_itself_has_failed() -> None:
    async def cancels(_: dict[str, object], __: CallFacts) -> str:
        raise asyncio.CancelledError

    assert (await asked(Doing(cancels))).startswith("The tool failed.")


async def hang_up_during(tool: Doing, began: asyncio.Event, box: Toolbox) -> None:
    waiting = asyncio.create_task(box.run(ToolCall("1", "look_up", "{}"), CALLER))
    await began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert tool.runs == 1


class Booking(Doing):
    """A tool that books when it may, and says whether it did."""

    def __init__(self) -> None:
        self.began, self.may_book = asyncio.Event(), asyncio.Event()
        self.booked, self.stopped = asyncio.Event(), asyncio.Event()
        super().__init__(self._book)

    async def _book(self, _: dict[str, object], __: CallFacts) -> str:
        self.began.set()
        try:
            await self.may_book.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        self.booked.set()
        return "Booked."


async def test_a_tool_is_finished_though_the_caller_hangs_up() -> None:
    tool = Booking()
    box = Toolbox([tool], timeout_s=5)
    await hang_up_during(tool, tool.began, box)
    tool.may_book.set()
    await asyncio.wait_for(tool.booked.wait(), 1)
    await box.close()


async def test_a_tool_that_is_declared_so_is_stopped_when_the_caller_hangs_up() -> None:
    tool = Booking()
    tool.cancel_on_hangup = True
    box = Toolbox([tool], timeout_s=5)
    await hang_up_during(tool, tool.began, box)
    assert tool.stopped.is_set()
    await box.close()


async def test_a_tool_nobody_waits_for_has_its_time_limit() -> None:
    tool = Booking()
    box = Toolbox([tool], timeout_s=0.05)
    await hang_up_during(tool, tool.began, box)
    await asyncio.wait_for(tool.stopped.wait(), 1)
    await box.close()


async def test_the_end_of_the_service_waits_for_tools() -> None:
    tool = Booking()
    box = Toolbox([tool], timeout_s=5)
    await hang_up_during(tool, tool.began, box)
    closing = asyncio.create_task(box.close())
    tool.may_book.set()
    await asyncio.wait_for(closing, 2)
    assert tool.booked.is_set()


async def test_an_operator_who_tries_a_tool_need_not_wait_for_it() -> None:
    tool = Booking()
    box = Toolbox([tool], timeout_s=5)
    await hang_up_during(tool, tool.began, box)
    await asyncio.wait_for(box.close(finish=False), 1)
    assert tool.stopped.is_set()
