"""Whole calls that are traced: the trace holds all of the call, and its replay decides the same.

`RECORD_TRACES=1 pytest tests/calls/test_traced_calls.py` writes the examples in
`tests/dialogue/traces` anew; that is needed when the dialogue is meant to decide differently.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.calls.live_call import OWN_TOOLS, asks_for, desk, fake_avr_ami, live_call, until
from tests.dialogue.replayed_call import TRACES, replay
from tests.support import Serve

from avr_sts_speechmatics.call.observer import (
    AgentAnswered,
    CallBegan,
    CallEnded,
    Flushed,
    KeyReceived,
    ReplyOver,
    ToolRan,
    UtteranceHeard,
)
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought
from avr_sts_speechmatics.speech.speaker import TextStarted
from avr_sts_speechmatics.telemetry.call_trace import TraceBegan, read

WELCOME = "Welcome to the restaurant, how can I help you today?"
LONG = "We are open from nine in the morning until eleven in the evening, on every day of the week."
ANSWERS: tuple[Thought, ...] = (
    LONG,
    ["Let me look.", asks_for("slow_booking")],
    "It is on Friday.",
    "That was five.",
    ["Goodbye.", asks_for("avr_hangup", "{}")],
)


async def strange_call(serve: Serve, directory: Path, *, words: bool) -> Path:
    """A call with all that makes calls strange. Returns its trace."""
    changes: dict[str, Any] = {
        "call_trace_dir": directory,
        "log_transcripts": words,
        "tools_dir": OWN_TOOLS,
        "speechmatics_welcome_message": WELCOME,
        "filler_after_ms": 300.0,
    }
    async with (
        fake_avr_ami() as ami,
        live_call(serve, *ANSWERS, query="?from=5550142001", ami_url=ami.url, **changes) as call,
    ):
        await call.until(lambda heard: heard.said("agent") == WELCOME)
        call.begin_to_speak()
        call.say_partly("When are")
        call.say("you open?")
        await call.until(lambda heard: len(heard.frames) > 40)
        call.say("Is my table booked?")  # an interruption
        await until(lambda: bool(desk().ran))
        await call.until(lambda heard: "Let me look." in heard.said("agent"))
        desk().may_end.set()
        await call.until(lambda heard: "Friday." in heard.said("agent"))
        await call.core.send({"type": "dtmf_digit", "digit": "5"})
        await call.core.send({"type": "dtmf_digit", "digit": "#"})
        await call.until(lambda heard: "That was five." in heard.said("agent"))
        call.say("Thank you.")
        await until(lambda: bool(ami.asked))
        await call.core.hang_up()
        await until(lambda: call.server.health()["calls"] == 0)
    (path,) = files_in(directory)
    return path


def files_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def keep(path: Path, name: str) -> None:
    if os.environ.get("RECORD_TRACES"):
        TRACES.joinpath(name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("words", [True, False])
async def test_a_call_is_traced_and_its_replay_decides_the_same(
    serve: Serve, tmp_path: Path, words: bool
) -> None:
    path = await strange_call(serve, tmp_path, words=words)
    keep(path, "interrupted.jsonl" if words else "without_words.jsonl")
    lines = [what for _, what in read(path)]
    kinds = [type(what) for what in lines]
    assert kinds[:2] == [TraceBegan, CallBegan]
    assert kinds[-1] is CallEnded
    assert {
        *(AgentAnswered, KeyReceived, TextStarted, UtteranceHeard, ReplyOver, ToolRan),
        *(ev.Flush, ev.RunTool, ev.SendTranscript, ev.KeyPressed, Flushed),
    } <= set(kinds)
    times = [at for at, _ in read(path)]
    assert times == sorted(times)
    commands = sum(isinstance(what, ev.Command) for what in lines)
    assert replay(path) == commands
    text = path.read_text()
    for word in ("5550142001", "Welcome", "table", "Friday", "KX41", '"5"'):
        assert (word in text) is words, word


async def test_calls_are_traced_only_if_the_setting_is_set(serve: Serve, tmp_path: Path) -> None:
    async with live_call(serve, "At five.", log_transcripts=True) as call:
        call.say("When do you close?")
        await call.until_said("At five.")
    assert not files_in(tmp_path)


async def test_a_disk_that_fails_costs_a_trace_and_no_call(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = tmp_path / "gone"
    async with live_call(serve, "At five.", call_trace_dir=gone) as call:
        call.say("When do you close?")
        await call.until_said("At five.")
        await call.core.hang_up()
        await until(lambda: call.server.health()["calls"] == 0)
        await until(lambda: "traces of calls are lost" in caplog.text)
