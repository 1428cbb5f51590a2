"""What the service tells of a call, beside what the caller hears."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import ROOT, Serve, url_of

from avr_sts_speechmatics.cli.call import add_arguments, run_call
from avr_sts_speechmatics.phone import caller
from avr_sts_speechmatics.phone.caller import Conversation, Turn
from avr_sts_speechmatics.phone.connection import AnswerTimes
from avr_sts_speechmatics.phone.report import wide_table as table
from avr_sts_speechmatics.sandbox.engines import ToolCall
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, running_sandbox, scripted, turn

TOOLS = ROOT / "examples" / "tools"
QUESTION = turn("Is my table booked? The code is in my mail.", start=0.2, end=0.8)
ANSWER = "For Friday at seven."
ANSWERS_BY_TOOL: tuple[Thought, ...] = (
    ["One moment. ", ToolCall("find_booking", '{"code": "KX41"}')],
    ANSWER,
)
WAITS = ("confirm_ms", "model_ms", "clause_ms", "voice_ms", "frame_ms")


@pytest.fixture(autouse=True)
def _brisk_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_ANSWER_OVER_SECONDS", 0.4)


Call = Callable[..., Any]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls, with what was given on the command line: status, and what was printed."""

    async def say(text: str) -> bytes:
        ramp = np.arange(4800) / 8000
        return (8000 * np.sin(2 * np.pi * 400 * ramp)).astype("<i2").tobytes()

    async def calling(*arguments: str | Path) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        quick = ["--welcome-wait", "0.1", "--answer-timeout", "4"]
        status = await run_call(parser.parse_args([*quick, *map(str, arguments)]), say)
        return status, capsys.readouterr().out

    return calling


async def test_a_script_expects_a_tool_of_the_operators_own(
    serve: Serve, call: Call, tmp_path: Path
) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("""
- say: Is my table booked?
- expect: {says: at seven, tool: find_booking, no_tool: ask_for_call_back}
""")
    async with (
        running_sandbox(scripted(QUESTION, answers=ANSWERS_BY_TOOL)) as cloud,
        serve(cloud, tools_dir=TOOLS) as server,
    ):
        status, out = await call("--json", "--url", url_of(server), "--script", script)
    told = json.loads(out)
    assert status == 0, out
    assert told["steps"][1]["tools"] == ["find_booking"]
    assert [run["name"] for run in told["turns"][0]["tools"]] == ["find_booking"]
    assert "KX41" not in out


async def test_the_waits_of_an_answer_add_up_to_what_the_caller_waited(
    serve: Serve, call: Call
) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=[ANSWER])) as cloud,
        serve(cloud) as server,
    ):
        url = url_of(server, "/?from=2001")
        status, out = await call("--json", "--url", url, "--say", "Is my table booked?")
    told = json.loads(out)
    assert (status, told["url"]) == (0, url)
    (answer,) = told["turns"][0]["answers"]
    assert sum(answer[wait] for wait in WAITS) == pytest.approx(answer["voice_to_voice_ms"], abs=3)
    # The script of what is heard ends 0.1 s after the sound that is sent.
    assert told["turns"][0]["latency_ms"] == pytest.approx(
        answer["voice_to_voice_ms"] + 100, abs=150
    )
    assert (answer["words_said"], answer["words_heard"], answer["requests"]) == (4, 4, 1)
    assert answer["interrupted"] is False


async def test_an_interrupted_answer_belongs_to_the_question_it_answered(
    serve: Serve, call: Call, tmp_path: Path
) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("""
- say: Is my table booked?
- say: Never mind.
  interrupt: 300
- expect: {says: goodbye, interrupted: yes, no_tool: any, ended: caller}
""")
    again = turn("Never mind.", start=2.0, end=2.4, partials=["Never", "Never mind"])
    answers = ["It is booked for Friday at seven in the evening for four people.", "Goodbye."]
    async with (
        running_sandbox(scripted([*QUESTION, *again], answers=answers)) as cloud,
        serve(cloud) as server,
    ):
        status, out = await call("--json", "--url", url_of(server), "--script", script)
    assert status == 0, out
    first, second = ([*turn["answers"]] for turn in json.loads(out)["turns"])
    assert [answer["interrupted"] for answer in first] == [True]
    assert first[0]["words_heard"] < first[0]["words_said"]
    assert second[-1]["interrupted"] is False


async def test_the_table_says_where_the_time_of_each_turn_went(serve: Serve, call: Call) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=ANSWERS_BY_TOOL)) as cloud,
        serve(cloud, tools_dir=TOOLS) as server,
    ):
        status, out = await call("--url", url_of(server), "--wide", "--say", "Is my table booked?")
    assert status == 0, out
    lines = out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("turn "))
    head, waits, said, row, tool, _ = lines[at : at + 6]
    assert head.split() == ["turn", "caller", "said", "answered", "after"]
    assert waits.split() == ["confirm", "model", "clause", "voice", "frame", "requests", "heard"]
    assert said.split()[:5] == ["1", "Is", "my", "table", "booked?"]
    assert row.split()[-3:] == ["6", "of", "6"]
    assert len(row) == len(waits)
    assert tool.split()[:2] == ["tool", "find_booking,"]


def test_an_answer_that_was_requested_again_has_a_line_of_its_own() -> None:
    call = Conversation(tell=lambda line: None)
    call.answer_ended(AnswerTimes())  # before anybody has said anything: no turn to belong to
    call.turns.append(Turn("Well", 1.0, 1.5))
    call.answer_ended(AnswerTimes(confirm_ms=600, requests=1, interrupted=True))
    call.answer_ended(AnswerTimes(600, 500, 0, 40, 30, 20, 10, 2, words_said=3, words_heard=3))
    _, _, said, dropped, given, *_ = table(call).splitlines()
    assert said.split() == ["1", "Well", "no", "answer"]
    assert dropped.split() == ["600", "-", "-", "-", "-", "1", "0", "of", "0,", "interrupted"]
    assert given.split() == ["500", "40", "30", "20", "10", "2", "3", "of", "3"]
    assert given.index("500") == dropped.index("600")
