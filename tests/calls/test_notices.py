"""Whole calls that begin with notices: heard to their ends, whatever the caller does."""

from typing import Any

import pytest
from tests import asterisk_websocket
from tests.avr_core import dial
from tests.calls.live_call import live_call, live_service
from tests.support import Serve, until, url_of
from tests.webhook_target import webhook_target

from avr_sts_speechmatics.call.observer import NoticeGiven, Observed
from avr_sts_speechmatics.sandbox.faults import RefuseKey, Status
from avr_sts_speechmatics.sandbox.scripted_cloud import ToneTts, running_sandbox, scripted
from avr_sts_speechmatics.telemetry.call_trace import read

RECORDED, MACHINE = "This call is recorded.", "I am an automated assistant."
WELCOME = "Hello, how can I help you?"
BOTH: dict[str, Any] = {
    "disclosure": "on",
    "recording_notice": "on",
    "speechmatics_welcome_message": WELCOME,
}
SLOW = ToneTts(seconds_per_character=0.03)


def given(lines: list[Observed]) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in lines if isinstance(line, NoticeGiven)]


async def test_a_call_begins_with_its_notices_and_its_trace_says_when_they_were_heard(
    serve: Serve, tmp_path: Any
) -> None:
    traced = {"call_trace_dir": tmp_path, "log_transcripts": True}
    async with live_call(serve, "At five.", **BOTH, **traced) as call:
        await call.until_said(f"{RECORDED} {MACHINE} {WELCOME}")
        call.say("When do you close?")
        await call.until_said(f"{RECORDED} {MACHINE} {WELCOME} At five.")
        # The model knows what was said.
        assert call.requests[0][0]["content"] == f"{RECORDED} {MACHINE} {WELCOME}"
    (path,) = tmp_path.iterdir()
    lines = [what for _, what in read(path)]
    assert given(lines) == [("recording", RECORDED), ("disclosure", MACHINE)]  # type: ignore[arg-type]


async def test_words_over_a_notice_are_answered_when_it_is_over(serve: Serve) -> None:
    async with live_call(serve, "At five.", voice=SLOW, **BOTH) as call:
        await call.until(lambda heard: len(heard.frames) > 10)
        call.begin_to_speak()
        call.say("When do you close?")
        await call.until_said(f"{RECORDED} {MACHINE} At five.")
        assert not call.heard.of("interruption")


async def test_keys_over_a_notice_are_answered_when_it_is_over(serve: Serve) -> None:
    async with live_call(serve, "That was five.", voice=SLOW, **BOTH) as call:
        await call.until(lambda heard: len(heard.frames) > 10)
        for digit in "5#":
            await call.core.send({"type": "dtmf_digit", "digit": digit})
        await call.until_said(f"{RECORDED} {MACHINE} That was five.")
        assert call.requests[0][-1]["content"] == "[keys: 5]"
        assert not call.heard.of("interruption")


async def test_where_asterisk_plays_a_key_does_not_cut_a_notice(serve: Serve) -> None:
    async with (
        webhook_target() as target,
        live_service(serve, "That was five.", voice=SLOW, webhook_url=target.url, **BOTH) as rig,
        asterisk_websocket.dial(url_of(rig.server, "/media")) as asterisk,
    ):
        await asterisk.start()
        await asterisk.until(lambda: len(asterisk.heard) > 10)
        await asterisk.press("5")
        await asterisk.press("#")
        await target.until(lambda: "That was five." in str(target.events))
        await asterisk.hang_up()
        said = [one["payload"] for one in target.events if one["type"] == "transcription"]
    assert [one["text"] for one in said] == [RECORDED, MACHINE, "[keys: 5]", "That was five."]
    assert not [one for one in target.events if one["type"] == "interruption"]


async def test_where_the_caller_begins_only_the_disclosure_is_said_first(serve: Serve) -> None:
    async with live_call(serve, "At five.", disclosure="on") as call:
        await call.until_said(MACHINE)
        call.say("When do you close?")
        await call.until_said(f"{MACHINE} At five.")


async def test_a_hangup_within_a_notice_ends_the_call(serve: Serve) -> None:
    async with live_call(serve, voice=SLOW, **BOTH) as call:
        await call.until(lambda heard: len(heard.frames) > 10)
        await call.core.hang_up()
        await until(lambda: call.server.health()["calls"] == 0)
        assert call.heard.said("agent") in ("", RECORDED[: len(call.heard.said("agent"))])


async def test_a_notice_that_was_prepared_needs_no_voice(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud, **BOTH) as server:
        cloud.faults.add(Status(part="tts", count=None))
        async with dial(url_of(server)) as core:
            await core.init()
            await core.until(lambda heard: heard.said("agent") == f"{RECORDED} {MACHINE} {WELCOME}")


async def test_a_voice_that_fails_costs_the_notices_and_not_the_call(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_sandbox(scripted(answers=["At five."])) as cloud:
        away = Status(part="tts", count=None)
        cloud.faults.add(away)
        async with serve(cloud, prepared=False, **BOTH) as server, dial(url_of(server)) as core:
            await core.init()
            await until(lambda: caplog.text.count("did not hear the whole notice") == 2)
            assert server.health()["calls"] == 1
    assert core.heard.said("agent") == ""


async def test_a_welcome_that_no_start_could_prepare_is_fetched_while_the_notice_is_heard(
    serve: Serve,
) -> None:
    changes: dict[str, Any] = {**BOTH, "speechmatics_welcome_message": "Hello {from}. Yes?"}
    async with live_call(serve, voice=SLOW, query="?from=Anna", **changes) as call:
        speech = call.cloud.received.speech
        await call.until_came(lambda: speech[-1].body["text"] == "Hello Anna.")
        assert call.heard.said("agent") == ""
        await call.until_said(f"{RECORDED} {MACHINE} Hello Anna. Yes?")
        assert [one.body["text"] for one in speech].count("Hello Anna.") == 1


async def test_a_welcome_that_could_not_be_fetched_ahead_is_fetched_when_it_is_said(
    serve: Serve,
) -> None:
    changes: dict[str, Any] = {**BOTH, "speechmatics_welcome_message": "Hello {from}."}
    async with live_service(serve, voice=SLOW, **changes) as rig:
        rig.cloud.faults.add(RefuseKey(part="tts"))
        async with rig.call("?from=Anna") as call:
            await call.until_said(f"{RECORDED} {MACHINE} Hello Anna.")


async def test_the_end_of_the_call_tells_a_webhook_what_the_caller_was_told(serve: Serve) -> None:
    async with webhook_target() as target:
        async with live_call(serve, webhook_url=target.url, **BOTH) as call:
            await call.until_said(f"{RECORDED} {MACHINE} {WELCOME}")
        await target.until(lambda: any(one["type"] == "call_ended" for one in target.events))
        (ended,) = [one for one in target.events if one["type"] == "call_ended"]
        first, second = ended["payload"]["notices"]
    assert (first["kind"], first["text"]) == ("recording", RECORDED)
    assert (second["kind"], second["text"]) == ("disclosure", MACHINE)
    assert 0 < first["heard_s"] <= second["heard_s"]
