"""The `tools` command as a person types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import ROOT

EXAMPLES = ROOT / "examples" / "tools"
PROGRAM = str(ROOT / "tests/tools/mcp_program.py")
WEATHER = json.dumps(
    {"weather": {"command": [sys.executable, PROGRAM, "stdio"], "allow": ["forecast", "gone"]}}
)


def tools(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "avr_sts_speechmatics", "tools", *arguments],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_lists_what_the_model_would_be_told(tmp_path: Path) -> None:
    done = tools(cwd=tmp_path, TOOLS_DIR=str(EXAMPLES))
    assert done.returncode == 0, done.stderr
    assert f"find_booking  ({EXAMPLES}/bookings.py:" in done.stdout
    assert "Look up a table booking by its code." in done.stdout
    assert "code: string. two letters and two digits" in done.stdout
    assert "about: string. what it is about" in done.stdout
    assert "call:" not in done.stdout, "the facts of the call are not the model's business"


@pytest.mark.parametrize("command", [(), ("run",)])
def test_it_explains_itself(command: tuple[str, ...], tmp_path: Path) -> None:
    done = tools(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "usage:" in done.stdout


def test_without_tools_it_says_how_to_have_some(tmp_path: Path) -> None:
    done = tools(cwd=tmp_path)
    assert done.returncode == 0
    assert "TOOLS_DIR" in done.stdout
    assert "MCP_SERVERS" in done.stdout


def test_it_runs_a_tool_with_facts_of_a_call(tmp_path: Path) -> None:
    run = ("run", "ask_for_call_back", '{"about": "a bill"}')
    with_fact = tools(*run, "--fact", "from=+4922812345", cwd=tmp_path, TOOLS_DIR=str(EXAMPLES))
    assert (with_fact.returncode, with_fact.stdout) == (0, "Noted. Somebody calls back today.\n")
    assert with_fact.stderr.startswith("took ")
    without = tools(*run, cwd=tmp_path, TOOLS_DIR=str(EXAMPLES))
    assert "number is not known" in without.stdout


def test_a_servers_tool_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = tools(cwd=tmp_path, MCP_SERVERS=WEATHER)
    assert done.returncode == 1
    assert "weather_forecast  (MCP server weather)" in done.stdout
    assert "days: integer, optional." in done.stdout
    assert "not available now: weather_gone" in done.stdout


def test_it_runs_a_tool_of_a_server(tmp_path: Path) -> None:
    done = tools("run", "weather_forecast", '{"city": "Bonn"}', cwd=tmp_path, MCP_SERVERS=WEATHER)
    assert (done.returncode, done.stdout) == (0, "Bonn: rain for 1 days\n"), done.stderr


def test_a_tool_that_blocks_the_service_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "nap.py").write_text(
        "import time\n"
        "from avr_sts_speechmatics.tools import tool\n"
        '@tool\nasync def nap() -> str:\n    """Sleep."""\n    time.sleep(0.3)\n    return "ok"\n'
    )
    done = tools("run", "nap", cwd=tmp_path, TOOLS_DIR=str(tmp_path))
    assert done.stdout == "ok\n"
    assert "asyncio.to_thread" in done.stderr


def test_a_failing_tool_shows_its_author_everything(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from avr_sts_speechmatics.tools import tool\n"
        '@tool\nasync def odd(a: str) -> str:\n    """Fail."""\n    raise KeyError(a)\n'
    )
    done = tools("run", "odd", '{"a": "KX41"}', cwd=tmp_path, TOOLS_DIR=str(tmp_path))
    assert done.stdout.startswith("The tool failed.")
    assert "KeyError: 'KX41'" in done.stderr
    assert "odd.py" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        ((), {"TOOLS_DIR": "."}, "find_booking.js: a tool in JavaScript"),
        ((), {"MCP_SERVERS": "{}["}, "MCP_SERVERS"),
        (("run", "nope"), {"TOOLS_DIR": str(EXAMPLES)}, "There is no tool nope; there are: ask_"),
        (("run", "nope", "--fact", "x"), {}, "--fact x: give NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_status_2(
    tmp_path: Path, arguments: tuple[str, ...], env: dict[str, str], says: str
) -> None:
    (tmp_path / "find_booking.js").touch()
    done = tools(*arguments, cwd=tmp_path, **env)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
