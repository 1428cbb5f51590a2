"""MCP servers, real ones of the SDK, over HTTP and as programs: what is allowed can be used."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import until

from avr_sts_speechmatics.call_in_log import current_call, named
from avr_sts_speechmatics.conversation import ToolCall
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.network.trace_context import TraceContext
from avr_sts_speechmatics.tools.mcp_config import parse_mcp_servers
from avr_sts_speechmatics.tools.tool_runner import Toolbox, open_toolbox

PROGRAM = str(Path(__file__).with_name("mcp_program.py"))
KEY = "Bearer sesame"
STDIO = {"command": [sys.executable, PROGRAM, "stdio"]}


@contextmanager
def http_server(port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program as an HTTP server; its process and port."""
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "http", str(port), KEY], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def by_http() -> Iterator[dict[str, Any]]:
    with http_server() as (_, port):
        yield reached_at(port)


def reached_at(port: int) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:{port}/mcp", "headers": {"Authorization": KEY}}


@asynccontextmanager
async def opened(
    server: dict[str, Any], *allow: str, timeout_s: float = 10, tools_dir: Path | None = None
) -> AsyncIterator[Toolbox]:
    """A toolbox with this server, called weather."""
    servers = parse_mcp_servers(json.dumps({"weather": {**server, "allow": allow}}))
    toolbox = await open_toolbox(tools_dir, servers, timeout_s=timeout_s, first_try_s=20)
    try:
        yield toolbox
    finally:
        await toolbox.close()


async def run(toolbox: Toolbox, name: str, **arguments: object) -> str:
    call = ToolCall("1", f"weather_{name}", json.dumps(arguments))
    return await toolbox.run(call, Caller("0b7f6a52", "websocket"))


def offered(toolbox: Toolbox) -> list[str]:
    return [spec.name for spec in toolbox.specs(None)]


@pytest.mark.parametrize("way", ["program", "http"])
async def test_a_servers_tools_are_offered_and_run(
    way: str, by_http: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    server = by_http if way == "http" else STDIO
    async with opened(server, "forecast", "slow", "broken", "typo", timeout_s=1) as toolbox:
        assert sorted(offered(toolbox)) == ["weather_broken", "weather_forecast", "weather_slow"]
        assert "has no typo; it has broken, crash, forecast" in caplog.text
        spec = next(s for s in toolbox.specs(None) if s.name == "weather_forecast")
        assert spec.description == "The weather to come in a city."
        assert spec.parameters["required"] == ["city"]

        assert await run(toolbox, "forecast", city="Bonn") == "Bonn: rain for 1 days"
        assert (await run(toolbox, "broken")).startswith("The tool says that it failed: ")
        assert "There is no tool of this name" in await run(toolbox, "secret")
        told = await run(toolbox, "forecast", days="many")
        assert told.startswith("The tool was not run: its arguments do not fit.")
        assert "'city' is a required property" in told
        assert "days: 'many' is not of type 'integer'" in told
        assert "did not finish within 1 seconds" in await run(toolbox, "slow")
        assert await run(toolbox, "forecast", city="Bonn", days=2) == "Bonn: rain for 2 days"


@pytest.mark.parametrize("way", ["program", "http"])
async def test_a_server_is_told_the_trace_of_the_call(way: str, by_http: dict[str, Any]) -> None:
    async with opened(by_http if way == "http" else STDIO, "traced") as toolbox:
        assert await run(toolbox, "traced") == "None"
        name = named("0b7f6a52", {})
        name.span = TraceContext("a" * 32, "b" * 16, 1)
        current_call.set(name)
        assert await run(toolbox, "traced") == f"00-{'a' * 32}-{'b' * 16}-01"


async def test_without_a_list_nothing_is_offered_and_what_there_is_is_said(
    by_http: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(by_http) as toolbox:
        assert offered(toolbox) == []
        assert toolbox.names() == frozenset()
    assert "weather: none of its tools is offered" in caplog.text
    assert "it has broken, crash, forecast" in caplog.text


async def test_a_refused_key_is_named_as_such_and_not_shown(
    by_http: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    wrong = by_http | {"headers": {"Authorization": "Bearer wrong-key"}}
    async with opened(wrong, "forecast") as toolbox:
        assert offered(toolbox) == []
        assert "not available" in await run(toolbox, "forecast", city="Bonn")
    assert "weather cannot be used: HTTP 401" in caplog.text
    assert "wrong-key" not in caplog.text


async def test_a_program_that_cannot_start_is_tried_again_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "weather.py"
    server = {"command": [sys.executable, str(program), "stdio"]}
    async with opened(server, "forecast") as toolbox:
        assert offered(toolbox) == []
        assert "weather cannot be used" in caplog.text
        program.symlink_to(PROGRAM)
        await until(lambda: offered(toolbox) == ["weather_forecast"], timeout=30)
        assert caplog.text.count("weather cannot be used") == 1
        assert await run(toolbox, "forecast", city="Bonn") == "Bonn: rain for 1 days"


async def test_a_program_that_ends_is_started_again() -> None:
    async with opened(STDIO, "crash", "forecast") as toolbox:
        assert (await run(toolbox, "crash")).startswith("The tool failed. It is not known")
        await until(lambda: offered(toolbox) == [])
        await until(lambda: len(offered(toolbox)) == 2, timeout=30)
        assert await run(toolbox, "forecast", city="Bonn") == "Bonn: rain for 1 days"


async def test_a_server_that_was_restarted_is_found_again() -> None:
    with http_server() as (process, port):
        async with opened(reached_at(port), "forecast") as toolbox:
            process.kill()
            process.wait()
            assert (await run(toolbox, "forecast", city="Bonn")).startswith("The tool ")
            await until(lambda: offered(toolbox) == [], timeout=10)
            with http_server(port):
                await until(lambda: offered(toolbox) == ["weather_forecast"], timeout=30)
                assert await run(toolbox, "forecast", city="Bonn") == "Bonn: rain for 1 days"


async def test_a_program_gets_its_own_environment_not_our_keys_and_ends_with_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ours")
    async with opened(STDIO | {"env": {"WEATHER_KEY": "theirs"}}, "process") as toolbox:
        pid, ours, theirs = (await run(toolbox, "process")).split()
        assert (ours, theirs) == ("none", "theirs")
        os.kill(int(pid), 0)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


async def test_a_start_does_not_wait_for_a_server_that_says_nothing() -> None:
    silent = {"weather": {"command": ["sleep", "60"], "allow": ["forecast"]}}
    async with asyncio.timeout(10):
        toolbox = await open_toolbox(
            None, parse_mcp_servers(json.dumps(silent)), timeout_s=1, first_try_s=0.1
        )
        assert toolbox.specs(None) == ()
        await toolbox.close()


@pytest.mark.parametrize("name", ["avr_hangup", "weather_forecast"])
async def test_a_name_that_is_taken_stops_the_start(name: str, tmp_path: Path) -> None:
    if name != "avr_hangup":
        (tmp_path / "own.py").write_text(
            "from avr_sts_speechmatics.tools import tool\n"
            f'@tool\nasync def {name}() -> str:\n    """Look."""\n    return ""\n'
        )
        (tmp_path / "_helper.py").touch()
    server, tool = name.split("_")
    servers = parse_mcp_servers(json.dumps({server: {"command": ["true"], "allow": [tool]}}))
    with pytest.raises(SettingsError, match=rf"MCP_SERVERS: {server}: {tool} .*{name}, which"):
        await open_toolbox(tmp_path, servers, timeout_s=1)


def test_without_the_sdk_the_error_says_how_to_install_it() -> None:
    code = """
import asyncio, sys
sys.modules["mcp"] = None
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.tools.mcp_config import parse_mcp_servers
from avr_sts_speechmatics.tools.tool_runner import open_toolbox
servers = parse_mcp_servers('{"weather": {"command": ["true"], "allow": []}}')
try:
    asyncio.run(open_toolbox(None, servers, timeout_s=1))
except SettingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert "pip install 'avr-sts-speechmatics[mcp]'" in done.stdout, done.stderr
