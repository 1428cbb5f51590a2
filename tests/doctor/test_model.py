"""The model is asked as a call asks: with tools, the welcome first, and one round of a tool."""

from pathlib import Path
from typing import Any

import pytest
from tests.doctor.model_server import model_server
from tests.doctor.surroundings import environment, examine, looked_at, offline
from tests.doctor.test_machine import TOOL

from avr_sts_speechmatics.doctor import check
from avr_sts_speechmatics.sandbox.engines import ToolCall
from avr_sts_speechmatics.sandbox.faults import (
    Error,
    Fault,
    Malformed,
    Pass,
    RefuseKey,
    Status,
    Strict,
)
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, running_sandbox, scripted

LINE_CHECK: Thought = ["One moment. ", ToolCall("avr_line_check", "{}")]


def roles(request: Any) -> list[str]:
    return [message["role"] for message in request.body["messages"]]


def tools(request: Any) -> list[str]:
    return [tool["function"]["name"] for tool in request.body.get("tools", [])]


async def test_a_model_is_asked_with_what_a_call_sends_and_given_one_round_of_a_tool(
    tmp_path: Path,
) -> None:
    (tmp_path / "find.py").write_text(TOOL)
    async with running_sandbox(scripted(answers=[LINE_CHECK, "Saturn."])) as cloud:
        environ = environment(
            cloud,
            TOOLS_DIR=str(tmp_path),
            SPEECHMATICS_INSTRUCTIONS="Sell flowers.",
            SPEECHMATICS_WELCOME_MESSAGE="Flowers, hello!",
        )
        llm = (await examine(environ))["llm"]
        first, second = cloud.received.chats
    assert (llm.state, llm.advice) == ("ok", "")
    assert llm.detail.endswith("answers and calls tools")
    assert roles(first) == ["system", "assistant", "user"]
    assert first.body["messages"][0]["content"].startswith("Sell flowers.")
    said = "I am an automated assistant. Flowers, hello!"
    assert first.body["messages"][1]["content"] == said
    assert tools(first) == tools(second) == ["avr_line_check", "avr_hangup", "find_booking"]
    assert roles(second) == ["system", "assistant", "user", "assistant", "tool"]
    said = second.body["messages"][3]
    assert said["content"].strip() == "One moment."
    assert said["tool_calls"][0]["function"]["name"] == "avr_line_check"
    assert "Saturn" in second.body["messages"][4]["content"]


async def test_the_agents_own_tools_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "fail.py").write_text(TOOL.replace("return code", "raise SystemExit(code)"))
    call = ToolCall("find_booking", '{"code": "7"}')
    async with running_sandbox(scripted(answers=[[call], "Saturn."])) as cloud:
        llm = (await examine(environment(cloud, TOOLS_DIR=str(tmp_path))))["llm"]
        result = cloud.received.chats[-1].body["messages"][-1]
    assert llm.state == "ok"
    assert result["role"] == "tool"
    assert result["content"].startswith("Not run")


async def test_a_model_that_never_stops_calling_tools_is_asked_without_as_in_a_call() -> None:
    async with running_sandbox(scripted(answers=[LINE_CHECK, LINE_CHECK, "Saturn."])) as cloud:
        llm = (await examine(environment(cloud)))["llm"]
        offered = [bool(tools(request)) for request in cloud.received.chats]
    assert llm.state == "ok"
    assert offered == [True, True, False]


async def test_a_model_that_calls_no_tool_is_a_warning_only_where_tools_are_set_up(
    tmp_path: Path,
) -> None:
    (tmp_path / "find.py").write_text(TOOL)
    async with running_sandbox() as cloud:
        (plain,) = await looked_at(environment(cloud), "llm")
        (equipped,) = await looked_at(environment(cloud, TOOLS_DIR=str(tmp_path)), "llm")
    assert plain.state == "ok"
    assert "called no tool" in plain.detail
    assert equipped.state == "warning"
    assert equipped.advice.startswith("Choose a model that calls tools when it should")


@pytest.mark.parametrize(
    ("answers", "detail"),
    [
        ([""], "gave no words"),
        ([LINE_CHECK, ""], "calls a tool, then gives no words"),
    ],
)
async def test_a_model_without_words_is_a_failure(answers: list[Thought], detail: str) -> None:
    async with running_sandbox(scripted(answers=answers)) as cloud:
        llm = (await examine(environment(cloud)))["llm"]
    assert llm.state == "failed"
    assert llm.detail.endswith(detail)


@pytest.mark.parametrize(
    ("fault", "sign", "advice"),
    [
        (RefuseKey(part="llm"), "401", "OPENAI_API_KEY"),
        (Status(part="llm", status=404), "404", "OPENAI_MODEL"),
        (Status(part="llm", status=429, count=None), "429", "again"),
        (Status(part="llm", status=402, count=None), "402", "billing"),
        (Malformed(part="llm", after=0), "cut", "again"),
    ],
)
async def test_a_model_that_refuses_is_named_with_what_to_do(
    fault: Fault, sign: str, advice: str
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        llm = (await examine(environment(cloud)))["llm"]
    assert llm.state == "failed"
    assert sign in llm.detail
    assert advice in llm.advice


async def test_a_refusal_after_the_tool_is_met_and_said_to_be_one() -> None:
    async with running_sandbox(scripted(answers=[LINE_CHECK, "Saturn."])) as cloud:
        wanted = Error(part="llm", after=0, reason="no reasoning_content")
        cloud.faults.add(Pass(part="llm"), wanted)
        llm = (await examine(environment(cloud)))["llm"]
    assert llm.state == "failed"
    assert "calls a tool, then: " in llm.detail
    assert "gateway" in llm.advice


@pytest.mark.parametrize(
    ("rule", "state", "said", "advice"),
    [
        ("ends_with_user", "ok", "answers and calls tools", ""),
        ("alternating", "warning", "; roles alternate, the user first", "Nothing to do"),
        ("gemma", "warning", "; results of tools are told in words", "Nothing to do"),
        ("no_system", "warning", "; the instructions are a developer message", "Nothing to do"),
        ("no_tools", "warning", "; asked without tools", "choose a model that calls tools"),
        ("signatures", "ok", "answers and calls tools", ""),
        ("reasoning", "ok", "answers and calls tools", ""),
    ],
)
async def test_a_server_that_refuses_what_a_call_sends_is_named_with_what_the_service_does(
    rule: Any, state: str, said: str, advice: str
) -> None:
    async with running_sandbox(scripted(answers=[LINE_CHECK, "Saturn."])) as cloud:
        cloud.faults.add(Strict(rule=rule, count=None))
        llm = (await examine(environment(cloud)))["llm"]
    assert (llm.state, llm.detail.endswith(said)) == (state, True)
    assert advice in llm.advice
    assert bool(llm.advice) is bool(advice)


@pytest.mark.parametrize(("count", "state"), [(1, "ok"), (None, "failed")])
async def test_a_tool_call_that_the_server_cannot_read_is_a_failure_only_if_it_stays(
    count: int | None, state: str
) -> None:
    words = "Failed to call a function. See 'failed_generation' for more details."
    async with running_sandbox(scripted(answers=[LINE_CHECK, "Saturn."])) as cloud:
        cloud.faults.add(Strict(rule="no_tools", message=words, count=count))
        llm = (await examine(environment(cloud)))["llm"]
    assert llm.state == state
    assert ("asks once more" in llm.advice) is (state == "failed")


async def test_a_server_whose_context_is_too_short_for_the_instructions_is_a_failure() -> None:
    def short(body: dict[str, Any]) -> str:
        return "This model's maximum context length is 20 tokens." * (len(str(body)) > 80)

    async with model_server(refuses=short) as url:
        (llm,) = await looked_at(offline(OPENAI_BASE_URL=url), "llm")
    assert llm.state == "failed"
    assert llm.advice.startswith("Give the model a longer context")


async def test_what_the_client_does_differently_from_now_on_is_said() -> None:
    def picky(body: dict[str, Any]) -> str:
        return "Unsupported parameter: 'temperature'" * ("temperature" in body)

    async with model_server(refuses=picky) as url:
        environ = offline(OPENAI_BASE_URL=url, OPENAI_TEMPERATURE="0.5")
        (llm,) = await looked_at(environ, "llm")
    assert llm.state == "warning"
    assert "temperature" in llm.detail
    assert llm.advice == "Nothing to do: the service does so in calls as well."


async def test_a_slow_model_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(check.SLOW_MS, "llm", -1)
    async with running_sandbox() as cloud:
        llm = (await examine(environment(cloud)))["llm"]
    assert llm.state == "warning"
    assert llm.advice.startswith("Run this again")


async def test_every_model_an_agent_has_is_asked_once(tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").write_text("model: quick-1\n")
    (tmp_path / "support.yaml").write_text("model: quick-1\ninstructions: Help, and help again.\n")
    async with running_sandbox() as cloud:
        environ = environment(
            cloud,
            AGENTS_DIR=str(tmp_path),
            OPENAI_MODEL="deep-1",
            SPEECHMATICS_INSTRUCTIONS="Be brief.",
        )
        found = await looked_at(environ, "llm")
        asked = {request.body["model"]: request.body for request in cloud.received.chats}
        assert len(cloud.received.chats) == 2
    assert sorted(asked) == ["deep-1", "quick-1"]
    assert [check.state for check in found] == ["ok", "ok"]
    assert "quick-1" in found[1].detail
    # Of several agents the one that sends most.
    assert asked["quick-1"]["messages"][0]["content"].startswith("Help, and help again.")


async def test_without_a_model_real_callers_would_meet_nobody_and_that_is_a_failure() -> None:
    async with running_sandbox() as cloud:
        environ = environment(cloud, OPENAI_API_KEY="", OPENAI_BASE_URL="")
        (nobody,) = await looked_at(environ, "llm")
        (scripted_one,) = await looked_at(environ | {"THINKING": "receptionist"}, "llm")
        assert not cloud.received.chats
    assert nobody.state == "failed"
    assert "THINKING=receptionist" in nobody.advice
    assert scripted_one.state == "ok"
