"""The log of whole calls: each line names its own call, and the last one says why a call ended."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvloop
from aiohttp import ClientSession
from tests.avr_core import AvrCore, dial
from tests.calls.live_call import (
    OWN_TOOLS,
    PATIENCE_S,
    LiveCall,
    Rig,
    asks_for,
    fake_avr_ami,
    live_call,
    live_service,
    until,
)
from tests.pbx.test_avr_ami import UUID
from tests.support import Serve, url_of
from tests.webhook_target import webhook_target

from avr_sts_speechmatics.call_in_log import current_call
from avr_sts_speechmatics.dialogue import silence_and_limits
from avr_sts_speechmatics.pbx.dial_patterns import parse
from avr_sts_speechmatics.sandbox.faults import RefuseKey
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, ToneTts

ONE, TWO = "11111111-aaaa-4aaa-8aaa-111111111111", "22222222-bbbb-4bbb-8bbb-222222222222"
SILENT = b"\x00" * 320


class Lines(logging.Handler):
    """Keeps each line of the service under the name of the call in whose context it was logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.of: defaultdict[str, list[str]] = defaultdict(list)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.of[str(current_call.get())].append(record.getMessage())
        self.records.append(record)

    def has(self, text: str, call: str = UUID) -> bool:
        return any(text in line for line in self.of[call])


@pytest.fixture
def lines() -> Iterator[Lines]:
    log, kept = logging.getLogger("avr_sts_speechmatics"), Lines()
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(kept)
    yield kept
    log.removeHandler(kept)
    log.setLevel(level)


# --- each line names its call ------------------------------------------------------------------


async def begun(rig: Rig, uuid: str, stack: AsyncExitStack) -> LiveCall:
    sessions = len(rig.cloud.received.sessions)
    core = await stack.enter_async_context(dial(url_of(rig.server, f"/?from={uuid[:8]}")))
    await core.init(uuid)
    session = await rig.cloud.received.session(sessions, timeout=PATIENCE_S)
    return LiveCall(rig.cloud, rig.server, core, session)


async def keys(core: AvrCore, digits: str) -> None:
    for digit in digits:
        await core.send({"type": "dtmf_digit", "digit": digit})


async def two_calls(serve: Serve, lines: Lines) -> None:
    answers: list[Thought] = [
        "Certainly, the first one.",
        [asks_for("find_booking")],
        "The booking is on Friday.",
        ["Good bye, first caller.", asks_for("avr_hangup", "{}")],
        ["Good bye, second caller.", asks_for("avr_hangup", "{}")],
    ]
    changes: dict[str, Any] = {"tools_dir": OWN_TOOLS, "log_transcripts": True, "preemptive": "off"}
    async with live_service(serve, *answers, **changes) as rig, AsyncExitStack() as stack:
        first, second = await begun(rig, ONE, stack), await begun(rig, TWO, stack)
        # The first call starts the clock that plays for both of them.
        first.say("Alpha.")
        await rig.cloud.received.until(lambda: len(rig.cloud.received.chats) == 1)
        await keys(second.core, "42#")
        await second.core.send({"type": "nonsense"})
        await second.until_said("The booking is on Friday.")
        await first.until_said("Certainly, the first one.")
        first.say("Alpha, bye.")
        await asyncio.sleep(0)
        await rig.cloud.received.until(lambda: len(rig.cloud.received.chats) == 4)
        second.say("Beta, bye.")
        await first.until_closed()
        await second.until_closed()
        await until(lambda: all(lines.has("call ends", call) for call in (ONE, TWO)))
    assert not lines.has("user:", "")
    assert not lines.has("agent:", "")
    told = {call: "\n".join(lines.of[call]) for call in (ONE, TWO)}
    for call, own, other in ((ONE, "first", "second"), (TWO, "second", "first")):
        assert f"Good bye, {own} caller." in told[call]
        assert other not in told[call]
        assert told[call].count("call begins") == told[call].count("call ends") == 1
        assert ": the agent hung up; 2 turns," in told[call].splitlines()[-1]
        assert "turn: answered" in told[call]
    assert "user: Alpha." in told[ONE]
    assert "Beta" not in told[ONE]
    assert "tool find_booking took" in told[TWO]
    assert "find_booking" not in told[ONE]
    assert "user: [keys: 4 2]" in told[TWO]
    assert "nonsense" in told[TWO]
    # What belongs to no call: nothing but what the service says of itself.
    assert not [line for line in lines.of[""] if "call" in line], lines.of[""]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_each_line_of_two_calls_at_once_names_its_own_call(
    serve: Serve, lines: Lines, loop: Any
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(two_calls(serve, lines))


async def test_a_posted_call_leaves_its_name_to_no_later_request(
    serve: Serve, lines: Lines
) -> None:
    async with live_service(serve) as rig, ClientSession() as http:
        base = "http://{}:{}".format(*rig.server.addresses[0])
        headers = {"X-UUID": ONE}
        post = http.post(f"{base}/speech-to-speech-stream", data=SILENT, headers=headers)
        async with post as response:
            await response.read()
        assert lines.has("call begins", ONE)
        seen: list[str] = []
        health = rig.server.health

        def watched() -> dict[str, Any]:
            seen.append(str(current_call.get()))
            return health()

        rig.server.health = watched  # type: ignore[method-assign]
        async with http.get(f"{base}/health") as response:
            await response.read()
        assert seen == [""]


@pytest.mark.parametrize("shown", [True, False])
async def test_the_number_of_a_caller_is_in_the_log_only_with_transcripts(
    serve: Serve, lines: Lines, shown: bool
) -> None:
    query = "?from=%2B491701234567&to=4930555777&callername=Jane%20Roe&agent=nobody"
    async with live_call(serve, query=query, log_transcripts=shown) as call:
        await call.core.hang_up()
        await until(lambda: lines.has("call ends"))
    text = "\n".join(lines.of[UUID])
    for private in ("491701234567", "4930555777", "Jane"):
        assert (private in text) == shown
    assert ("from '***67'" in text) != shown


# --- why a call ended --------------------------------------------------------------------------


async def ended(lines: Lines) -> dict[str, Any]:
    """The end of the call as it was logged."""
    await until(lambda: lines.has("call ends"))
    details: dict[str, Any] = next(r for r in lines.records if hasattr(r, "ended")).ended
    return details


async def test_a_caller_who_hangs_up_is_the_reason(serve: Serve, lines: Lines) -> None:
    async with webhook_target() as hooks, live_call(serve, webhook_url=hooks.url) as call:
        call.say("When do you close?")
        await call.until_said("I see.")
        await call.core.hang_up()
        assert (await ended(lines))["reason"] == "caller"
        assert lines.has("s: the caller hung up")
        await hooks.until(lambda: hooks.events[-1]["type"] == "call_ended")
        payload = hooks.events[-1]["payload"]
    assert payload["reason"] == "caller"
    assert payload["turns"] == 1
    assert 0 < payload["duration_s"] < 60


@pytest.mark.parametrize(
    ("tool", "reason", "to"),
    [
        (asks_for("avr_hangup", "{}"), "agent", None),
        (asks_for("avr_transfer", '{"transfer_extension": "700"}'), "transfer", "700"),
    ],
)
@pytest.mark.parametrize("who", ["we close", "the phone system closes"])
async def test_an_agent_that_leaves_is_the_reason_whoever_closes_the_line(
    serve: Serve, lines: Lines, tool: Any, reason: str, to: str | None, who: str
) -> None:
    async with fake_avr_ami() as ami:
        changes: dict[str, Any] = {
            "ami_url": ami.url,
            "transfer_allow": parse("700"),
            "farewell_margin_ms": 0,
        }
        async with live_call(serve, ["Good bye.", tool], **changes) as call:
            call.say("Bye.")
            await until(lambda: bool(ami.asked))
            if who == "the phone system closes":
                call.core.vanish()
            details = await ended(lines)
    assert details["reason"] == reason
    assert details.get("transferred_to") == to


async def test_silence_is_the_reason(serve: Serve, lines: Lines) -> None:
    async with live_call(serve, no_input_s=0.1, no_input_max=1, farewell_margin_ms=0) as call:
        await call.until_closed()
        assert (await ended(lines))["reason"] == "silence"


async def test_the_longest_time_is_the_reason(
    serve: Serve, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence_and_limits, "WARNING_S", 0.1)
    async with live_call(serve, max_call_s=0.3, farewell_margin_ms=0) as call:
        await call.until_closed()
        assert (await ended(lines))["reason"] == "longest_call"


async def test_a_failure_is_the_reason_and_names_itself(serve: Serve, lines: Lines) -> None:
    async with live_service(serve, voice=ToneTts(seconds_per_character=0.001)) as rig:
        rig.cloud.faults.add(RefuseKey(part="stt", count=None))
        async with dial(url_of(rig.server)) as core:
            await core.init(UUID)
            await core.until_closed()
            details = await ended(lines)
    assert details["reason"] == "failure"
    assert "not available" in details["error"]


async def test_the_end_of_the_service_is_the_reason(serve: Serve, lines: Lines) -> None:
    async with live_call(serve) as call:
        await call.server.stop()
        assert (await ended(lines))["reason"] == "shutdown"
