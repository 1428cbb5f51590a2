"""Scripts played over a real socket, and the examples with the offline service."""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from picows import WSCloseCode
from tests.pbx.fake_ami import FakeAmi, running
from tests.phone.pacing_agent import QUESTION, RATE, Agent, answering
from tests.support import ROOT

from avr_sts_speechmatics.cli.call import add_arguments, run_call
from avr_sts_speechmatics.pbx.channels import Channel
from avr_sts_speechmatics.phone.script import Step
from avr_sts_speechmatics.phone.script_file import parse

EXAMPLES = sorted((ROOT / "examples" / "scripts").glob("*.yaml"))


def steps(text: str) -> tuple[Step, ...]:
    return parse(text, Path("calls/script.yaml")).steps


# --- performing -----------------------------------------------------------------------------------


async def say(text: str) -> bytes:
    return QUESTION


async def call(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    quick = ["--welcome-wait", "0.1", "--answer-timeout", "1.5"]
    return await run_call(parser.parse_args([*quick, *map(str, arguments)]), say)


@dataclass
class Rehearsal:
    """Plays a script to an agent and keeps the output of `--json`."""

    folder: Path
    printed: Callable[[], str]

    async def __call__(self, agent: Agent, script: str) -> tuple[int, list[dict[str, Any]]]:
        (self.folder / "script.yaml").write_text(script)
        async with answering(agent) as url:
            status = await call("--json", "--url", url, "--script", self.folder / "script.yaml")
        self.report = json.loads(self.printed())
        return status, self.report["steps"]


@pytest.fixture
def rehearse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Rehearsal:
    return Rehearsal(tmp_path, lambda: capsys.readouterr().out)


def results(told: list[dict[str, Any]]) -> list[str]:
    return [step["result"] for step in told]


async def test_a_call_as_expected_passes_every_step(rehearse: Rehearsal) -> None:
    with wave.open(str(rehearse.folder / "second.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(QUESTION)
    agent = Agent(
        welcome=("Hello.",), answers=[("From nine", "to five."), ("Closed.",), ("You pressed 1",)]
    )
    status, told = await rehearse(
        agent,
        """
- expect: hello
- say: When are you open?
- expect: {says: from NINE to five, within: 2}
- play: second.wav
- expect: [shut, closed]
- pause: 0.2
- keys: 1#
- expect: {matches: 'pressed (1|one)$', interrupted: no, ended: caller}
""",
    )
    assert (status, results(told)) == (0, ["passed"] * 8)
    assert agent.digits == "1#"
    assert rehearse.report["ended"] == "the caller hung up"
    assert [turn["said"] for turn in rehearse.report["turns"]] == [
        "When are you open?",
        "second.wav",
        "keys 1#",
    ]
    assert all(turn["latency_ms"] is not None for turn in rehearse.report["turns"])
    third = told[2]
    assert (third["step"], third["kind"], third["problem"]) == (3, "expect", "")
    assert third["text"] == 'the agent to say "from NINE to five"'
    assert third["heard"] == "From nine to five."
    assert 0.8 < third["seconds"] < 1.5


async def test_a_failed_expectation_is_reported_and_ends_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("- say: Hi\n- expect: {says: [five, 'six'], within: 1}\n- say: Bye\n")
    async with answering(Agent(answers=[("At nine.",)])) as url:
        assert await call("--url", url, "--script", script) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1] == (
        f'{script}: step 2 (expect) failed: expected the agent to say "five" or "six" within 1 s; '
        'heard "At nine."'
    )
    assert "Bye" not in out


async def test_a_script_that_passes_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("- say: Hi\n- expect: nine\n")
    async with answering(Agent(answers=[("At nine.",)])) as url:
        assert await call("--url", url, "--script", script) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{script}: all 2 steps passed"


async def test_an_interruption_comes_on_time_and_only_words_after_it_count(
    rehearse: Rehearsal,
) -> None:
    agent = Agent(answers=[("One", "two", "three", "four"), ("Five",)])
    status, told = await rehearse(
        agent,
        """
- say: Count.
- say: Stop.
  interrupt: 600
- expect: {interrupted: yes, says: five}
""",
    )
    assert (status, results(told)) == (0, ["passed"] * 3)
    assert told[2]["heard"] == "Five"
    assert rehearse.report["interruptions"] == 1
    # The agent's voice begins 290 ms after the question; the caller speaks 600 ms later.
    first, second = told[0], told[1]
    spoken_at = second["at"] + second["seconds"] - 0.3
    assert 0.8 < spoken_at - (first["at"] + first["seconds"] - 0.1) < 1.15


async def test_an_agent_that_talks_on_was_not_interrupted(rehearse: Rehearsal) -> None:
    agent = Agent(answers=[("One", "two", "three")], polite=False)
    script = "- say: Count.\n- say: Mhm.\n  interrupt: 200\n- expect: {interrupted: %s}\n"
    status, told = await rehearse(agent, script % "no")
    assert (status, results(told)) == (0, ["passed"] * 3)
    assert told[2]["heard"].endswith("three")
    agent.answers = [("One", "two", "three")]
    status, told = await rehearse(agent, script % "yes")
    assert (status, results(told)) == (1, ["passed", "passed", "failed"])
    assert told[2]["problem"].startswith(
        "expected the agent to be interrupted within 1.5 s; heard "
    )
    assert told[2]["problem"].endswith('three", no interruption')


async def test_an_agent_that_stops_for_a_cough_fails_at_once(rehearse: Rehearsal) -> None:
    status, told = await rehearse(
        Agent(answers=[("One", "two", "three")]),
        "- say: Hi\n- say: Mhm\n  interrupt: 200\n- expect: {interrupted: no, within: 20}",
    )
    assert (status, results(told)) == (1, ["passed", "passed", "failed"])
    assert told[2]["problem"].endswith("not to be interrupted within 20 s; heard nothing, "
                                       "an interruption")  # fmt: skip
    assert told[2]["seconds"] < 1


async def test_an_answer_too_short_to_interrupt_fails(rehearse: Rehearsal) -> None:
    status, told = await rehearse(
        Agent(answers=[("One",)]), "- say: Hi\n- keys: 1#\n  interrupt: 900\n- expect: two"
    )
    assert (status, results(told)) == (1, ["passed", "failed", "not reached"])
    assert told[1]["problem"] == (
        "expected the agent to be speaking, after 900 ms; heard 400 ms of speech"
    )


@pytest.mark.parametrize(
    ("code", "ended", "others"),
    [(WSCloseCode.OK, "agent", "error"), (WSCloseCode.INTERNAL_ERROR, "error", "agent")],
)
async def test_the_close_code_decides_between_agent_and_error(
    rehearse: Rehearsal, code: WSCloseCode, ended: str, others: str
) -> None:
    for asked, expected in ((ended, 0), (others, 1), ("caller", 1)):
        agent = Agent(answers=[("Goodbye.",)], ends_after=0, code=code)
        script = f"- say: Bye\n- pause: 0.9\n- expect: {{says: goodbye, ended: {asked}}}"
        status, told = await rehearse(agent, script)
        assert (status, told[2]["result"]) == (
            expected,
            "failed" if expected else "passed",
        )
    assert 'heard "Goodbye.", and the call\'s end: the service hung up' in told[2]["problem"]


async def test_an_agent_that_stays_on_the_line_did_not_end_the_call(rehearse: Rehearsal) -> None:
    status, told = await rehearse(
        Agent(answers=[("Goodbye.",)]),
        "- say: Bye\n- expect: {says: goodbye, ended: agent, within: 1}",
    )
    assert status == 1
    assert told[1]["problem"] == (
        'expected the agent to say "goodbye" and the call to be ended by the agent within 1 s; '
        'heard "Goodbye.", and the call went on'
    )


async def test_an_expectation_waits_for_its_tool(rehearse: Rehearsal) -> None:
    agent = Agent(answers=[("One moment.",)], tools={0: ("find_booking", "book_table")})
    status, told = await rehearse(
        agent,
        "- say: A table, please\n- expect: {says: moment, tool: [book_table, reserve], within: 3}",
    )
    assert (status, results(told)) == (0, ["passed", "passed"])
    assert told[1]["tools"] == ["find_booking", "book_table"]
    assert [run["name"] for run in rehearse.report["turns"][0]["tools"]] == told[1]["tools"]


async def test_a_missing_tool_fails_with_the_tools_that_ran(rehearse: Rehearsal) -> None:
    agent = Agent(
        answers=[("Done.",), ("Done.",)], tools={0: ("book_table",), 1: ("find_booking",)}
    )
    status, told = await rehearse(
        agent,
        """
- say: A table, please
- expect: {tool: any}
- say: And another
- expect: {says: done, tool: book_table, within: 1.5}
""",
    )
    assert (status, results(told)) == (1, ["passed", "passed", "passed", "failed"])
    assert told[3]["problem"] == (
        'expected the agent to say "done" and the tool book_table to run within 1.5 s; '
        'heard "Done.", find_booking'
    )


async def test_no_tool_is_decided_at_the_end_of_the_answer(rehearse: Rehearsal) -> None:
    answer = ("I will", "see", "to it.")
    for tools, expected in ({}, 0), ({0: ("book_table",)}, 1):
        agent = Agent(answers=[answer], tools=tools)
        status, told = await rehearse(
            agent, "- say: Hello\n- expect: {says: I will, no_tool: any, within: 20}"
        )
        assert status == expected
        assert told[1]["heard"] == "I will see to it."
        assert told[1]["seconds"] < 3
    assert told[1]["problem"] == (
        'expected the agent to say "I will" and any tool not to run within 20 s; '
        'heard "I will see to it.", book_table'
    )


async def test_no_tool_allows_tools_of_other_names(rehearse: Rehearsal) -> None:
    agent = Agent(answers=[("Done.",)], tools={0: ("book_table",)})
    status, told = await rehearse(
        agent, "- say: Hello\n- expect: {no_tool: avr_transfer, ended: caller}"
    )
    assert (status, told[1]["tools"]) == (0, ["book_table"])


async def test_a_transfer_that_cannot_be_offered_says_what_the_service_lacks(
    rehearse: Rehearsal,
) -> None:
    agent = Agent(answers=[("I cannot put you through.",)])
    status, told = await rehearse(
        agent, "- say: Sales, please\n- expect: {tool: avr_transfer, within: 1.2}"
    )
    assert status == 1
    assert "no tool (an agent is offered avr_transfer only where" in told[1]["problem"]
    assert "TRANSFER_ALLOW, and AMI_HOST or AMI_URL" in told[1]["problem"]


async def test_tool_conditions_fail_for_a_service_that_does_not_report_tools(
    rehearse: Rehearsal,
) -> None:
    for asked, missed in (
        ("tool: any", "no tool"),
        ("no_tool: any", "no tool, and the service did not report the end of its answer"),
    ):
        agent = Agent(answers=[("Done.",)], tells=False, tools={0: ("book_table",)})
        status, told = await rehearse(agent, f"- say: Hi\n- expect: {{{asked}, within: 1.2}}")
        assert status == 1
        assert told[1]["problem"].endswith(f'heard "Done.", {missed}')


async def test_a_transfer_ends_a_call_unless_the_agent_has_to_speak_again(
    rehearse: Rehearsal,
) -> None:
    for tool, then, ended in (
        ("avr_transfer", "", "transferred"),
        ("avr_hangup", "", "agent"),
        ("avr_transfer", "- say: Hello?\n", "agent"),
    ):
        answers: list[tuple[str, ...] | None] = [("One moment.",), ("It did not work.",)]
        agent = Agent(answers=answers, ends_after=1 if then else 0, tools={0: (tool,)})
        begin = "- say: Sales, please\n- expect: {says: one moment, tool: any}\n"
        status, told = await rehearse(agent, f"{begin}{then}- expect: {{ended: {ended}}}")
        assert status == 0, told


async def test_a_line_after_the_end_of_the_call_fails(rehearse: Rehearsal) -> None:
    status, told = await rehearse(
        Agent(answers=[("Goodbye.",)], ends_after=0), "- say: Bye\n- say: One more thing"
    )
    assert (status, results(told)) == (1, ["passed", "failed"])
    assert told[1]["problem"].startswith("expected the call to go on; heard its end: the service")


async def test_ctrl_c_ends_a_script_like_any_call(rehearse: Rehearsal) -> None:
    asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGINT)
    status, told = await rehearse(Agent(), "- say: Hi\n- pause: 5\n- expect: never")
    assert (status, results(told)) == (130, ["passed", "passed", "failed"])
    assert rehearse.report["ended"] == "interrupted by Ctrl-C"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--script", "nowhere.yaml"), "nowhere.yaml: No such file or directory; check the file"),
        (("--script", "wrong.yaml"), "wrong.yaml, step 1: 'sya' is no step; give one of"),
        (("--script", "silent.yaml"), "silent.yaml, step 2: play: nowhere.wav: No such file"),
        (("--script", "latin.yaml"), "latin.yaml: not a text file; give a script in YAML"),
        (("--script", "right.yaml", "--say", "Hi"), "--script: give it without --say, --play"),
        (("--script", "right.yaml", "--digits", "1"), "--script: give it without --say, --play"),
        (
            ("--script", "right.yaml", "--url", "http://localhost/"),
            "--script: the http:// connection",
        ),
        (("--script", "right.yaml", "--url", "ws://127.0.0.1:9"), "Nobody answers at"),
    ],
)
async def test_a_script_that_cannot_be_played_is_reported_in_one_sentence(
    arguments: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("- sya: Hi")
    (tmp_path / "silent.yaml").write_text("- say: Hi\n- play: nowhere.wav")
    (tmp_path / "latin.yaml").write_bytes(b"- say: caf\xe9")
    (tmp_path / "right.yaml").write_text("- say: Hi")
    assert await call(*arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(complaint)


# --- the examples ---------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "avr_sts_speechmatics"]
NO_MORE_DOORS = {"AUDIOSOCKET_PORT": "0", "HTTP_PORT": "0", "OVERLOAD_LAG_MS": "0"}
UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"
PHONE = "PJSIP/2000-00000013"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def serving(cwd: Path, **env: str) -> Iterator[str]:
    """The real service in offline mode, in its own process."""
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "serve"],
        cwd=cwd,
        env=os.environ | {"PORT": str(port), "EXTRA_PORTS": ""} | NO_MORE_DOORS | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None
            assert time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)  # another process: nothing here could be awaited
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(5)


def test_the_list_of_examples_is_not_empty() -> None:
    assert len(EXAMPLES) >= 3
    for example in EXAMPLES:
        assert parse(example.read_text(), example).steps


def test_the_script_in_the_documentation_is_valid() -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    shown = page.partition("## Scripts")[2].partition("```yaml")[2].partition("```")[0]
    assert len(steps(shown)) == 4


@pytest.mark.models
@pytest.mark.timeout(120)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
async def test_the_examples_pass_with_the_offline_service(example: Path, tmp_path: Path) -> None:
    pbx = FakeAmi(
        channels=[Channel(PHONE, "AudioSocket", f"{UUID},10.0.0.1:5001", "")],
        places={("demo", "1001", 1)},
        secret="a-secret",
    )
    async with running(pbx):
        env = {
            "AMI_HOST": "127.0.0.1",
            "AMI_PORT": str(pbx.port),
            "AMI_PASSWORD": pbx.secret,
            "TRANSFER_ALLOW": "1000,1001,1002,1003",
        }
        with serving(tmp_path, **env) as url:
            caller = await asyncio.create_subprocess_exec(
                *(
                    *COMMAND,
                    "call",
                    "--script",
                    str(example),
                    "--url",
                    url,
                    "--json",
                    "--uuid",
                    UUID,
                ),
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(caller.communicate(), 80)
    assert caller.returncode == 0, out + err
    assert {step["result"] for step in json.loads(out)["steps"]} == {"passed"}
    assert pbx.moved == {}, "a rehearsal moves nobody"
