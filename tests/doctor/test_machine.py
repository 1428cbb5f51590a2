"""What is wrong on this machine is found as the service would find it."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from tests.doctor.surroundings import (
    environment,
    examine,
    free_port,
    looked_at,
    offline,
    somebody_elses,
)
from tests.support import ROOT, Serve

from avr_sts_speechmatics.doctor import machine
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.settings import DEFAULTS, Settings

MCP_PROGRAM = str(ROOT / "tests/tools/mcp_program.py")

TOOL = '''
from avr_sts_speechmatics.tools import tool

@tool
async def find_booking(code: str) -> str:
    """Find a booking.

    code: as the caller says it.
    """
    return code
'''


# --- agents ---------------------------------------------------------------------------------------


async def test_agents_are_named_with_where_their_instructions_come_from(tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").write_text("instructions: Sell.\n")
    (found,) = await looked_at(offline(AGENTS_DIR=str(tmp_path)), "agents")
    assert found.state == "ok"
    assert "default, sales" in found.detail
    assert "the default text" in found.detail
    text = tmp_path / "text.txt"
    text.write_text("Be kind.")
    (found,) = await looked_at(offline(SPEECHMATICS_FILE_INSTRUCTIONS=str(text)), "agents")
    assert "SPEECHMATICS_FILE_INSTRUCTIONS" in found.detail


async def test_a_wrong_agent_is_a_failure_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").write_text("welcom: Hi.\n")
    (tmp_path / "support.yaml").write_text("langage: de\n")
    async with running_sandbox() as cloud:
        found = await examine(environment(cloud, AGENTS_DIR=str(tmp_path)))
    assert found["agents"].state == "failed"
    assert "sales.yaml" in found["agents"].detail
    assert "support.yaml" in found["agents"].detail
    assert found["tts"].state == found["stt"].state == "ok"


async def test_an_empty_file_of_instructions_is_a_failure(tmp_path: Path) -> None:
    empty = tmp_path / "agent.txt"
    empty.touch()
    (found,) = await looked_at(offline(SPEECHMATICS_FILE_INSTRUCTIONS=str(empty)), "agents")
    assert found.state == "failed"
    assert "SPEECHMATICS_FILE_INSTRUCTIONS" in found.detail


async def test_an_agent_that_would_speak_two_languages_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "swedish.yaml").write_text("language: sv\nvoice: {engine: openai}\n")
    _, found = await looked_at(offline(AGENTS_DIR=str(tmp_path)), "agents")
    assert found.state == "warning"
    assert "swedish.yaml" in found.detail
    assert found.advice.startswith("Write welcome")


# --- tools ----------------------------------------------------------------------------------------


async def test_tools_are_loaded_and_named(tmp_path: Path) -> None:
    (tmp_path / "doctors_bookings.py").write_text(TOOL)
    (found,) = await looked_at(offline(TOOLS_DIR=str(tmp_path)), "tools")
    assert found.state == "ok"
    assert "find_booking" in found.detail


async def test_a_tool_that_takes_long_to_load_makes_no_service_look_slow(tmp_path: Path) -> None:
    (tmp_path / "doctors_slow.py").write_text(f"import time\ntime.sleep(0.5)\n{TOOL}")
    async with running_sandbox() as cloud:
        found = await examine(environment(cloud, TOOLS_DIR=str(tmp_path)))
    assert found["tools"].state == "ok"
    for service in ("stt", "tts", "llm"):
        latency = found[service].latency_ms
        assert latency is not None
        assert latency < 500


async def test_a_tool_that_cannot_be_loaded_is_a_failure_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "doctors_broken.py").write_text("\n\nimport nothing_of_that_name\n")
    (found,) = await looked_at(offline(TOOLS_DIR=str(tmp_path)), "tools")
    assert found.state == "failed"
    assert "doctors_broken.py:3" in found.detail


async def test_no_tool_in_the_directory_is_a_warning(tmp_path: Path) -> None:
    (found,) = await looked_at(offline(TOOLS_DIR=str(tmp_path)), "tools")
    assert found.state == "warning"
    assert "TOOLS_DIR" in found.advice


async def test_a_tool_that_an_agent_wants_and_nobody_has_is_a_warning(tmp_path: Path) -> None:
    tools, agents = tmp_path / "tools", tmp_path / "agents"
    tools.mkdir()
    agents.mkdir()
    (tools / "doctors_bookings.py").write_text(TOOL)
    (agents / "sales.yaml").write_text("tools: [find_bookin, avr_hangup]\n")
    environ = offline(TOOLS_DIR=str(tools), AGENTS_DIR=str(agents))
    own, strange = await looked_at(environ, "tools")
    assert (own.state, strange.state) == ("ok", "warning")
    assert "sales.yaml" in strange.detail
    assert strange.advice == "Did you mean find_booking?"
    (alone,) = await looked_at(offline(AGENTS_DIR=str(agents)), "tools")
    assert "find_bookin" in alone.detail


async def test_mcp_servers_are_reached_and_what_is_missing_is_told(tmp_path: Path) -> None:
    program = [sys.executable, MCP_PROGRAM, "stdio"]
    (tmp_path / "doctors_bookings.py").write_text(TOOL)
    servers = {
        "weather": {"command": program, "allow": ["forecast", "secret"]},
        "part": {"command": program, "allow": ["forecast", "tides"]},
        "gone": {"command": ["/no/such/program"], "allow": ["tides"]},
        "shy": {"command": program},
    }
    environ = offline(MCP_SERVERS=json.dumps(servers), TOOLS_DIR=str(tmp_path))
    own, weather, part, gone, shy = await looked_at(
        environ, "tools", *(f"MCP {name}" for name in servers)
    )
    assert own.state == "ok"
    assert "weather" not in own.detail
    assert weather.state == "ok"
    assert weather.detail == "weather_forecast, weather_secret"
    assert (part.state, part.detail) == ("warning", "has no part_tides")
    assert gone.state == "failed"
    assert "MCP_SERVERS" in gone.advice
    assert shy.state == "warning"
    assert "allow" in shy.detail


async def test_an_mcp_server_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "TOOLS_S", 0.5)
    with somebody_elses() as port:
        server = {"url": f"http://127.0.0.1:{port}/mcp", "allow": ["tides"]}
        environ = offline(MCP_SERVERS=json.dumps({"mute": server}))
        async with asyncio.timeout(10):
            (found,) = await looked_at(environ, "MCP mute")
    assert found.state == "failed"


# --- noise, sandbox -------------------------------------------------------------------------------


async def test_background_noise_is_loaded(tmp_path: Path) -> None:
    room = tmp_path / "room.raw"
    room.write_bytes(bytes(16_000 * 5))
    (found,) = await looked_at(offline(AMBIENT_NOISE_FILE=str(room)), "noise")
    assert found.state == "ok"
    room.write_bytes(bytes(101))
    (found,) = await looked_at(offline(AMBIENT_NOISE_FILE=str(room)), "noise")
    assert found.state == "failed"
    assert str(room) in found.detail


def test_missing_packages_are_named_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing, said in (
        (("ctranslate2",), "ctranslate2 is not installed"),
        (("ctranslate2", "onnxruntime"), "ctranslate2 and onnxruntime are not installed"),
    ):
        monkeypatch.setattr(machine, "SANDBOX_PACKAGES", tuple(f"no_{name}" for name in missing))
        assert said in machine.sandbox().detail.replace("no_", "")


async def test_offline_it_is_told_whether_the_sandbox_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "SANDBOX_PACKAGES", ("json",))
    (found,) = await looked_at(offline(), "sandbox")
    assert found.state == "ok"
    monkeypatch.setattr(machine, "SANDBOX_PACKAGES", ("no_such_engine",))
    (found,) = await looked_at(offline(), "sandbox")
    assert found.state == "failed"
    assert "no_such_engine" in found.detail
    assert "SPEECHMATICS_API_KEY" in found.advice


# --- ports ----------------------------------------------------------------------------------------


async def test_every_port_the_service_would_have_is_looked_at() -> None:
    ports = {
        name: str(free_port()) for name in ("PORT", "EXTRA_PORTS", "AUDIOSOCKET_PORT", "HTTP_PORT")
    }
    found = await examine(offline(**ports))
    for name, port in ports.items():
        assert found[f"port {port}"].state == "ok"
        assert name in found[f"port {port}"].detail


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("PORT", "failed"),
        ("EXTRA_PORTS", "warning"),
        ("AUDIOSOCKET_PORT", "failed"),
        ("HTTP_PORT", "failed"),
    ],
)
async def test_a_port_of_another_program_is_told_with_its_setting(name: str, state: str) -> None:
    with somebody_elses() as port:
        found = (await examine(offline(**{name: str(port)})))[f"port {port}"]
    assert found.state == state
    assert name in found.detail
    assert name in found.advice


def test_the_ports_that_the_service_can_do_without_are_the_defaults_of_dialplans() -> None:
    needed = {one.port: one.needed for one in machine.listeners(Settings())}
    direct = {DEFAULTS.audiosocket_port: False, DEFAULTS.http_port: False}
    assert needed == {6040: True, 6033: False, **direct}


async def test_one_port_for_two_doors_is_a_failure_though_it_is_free() -> None:
    port = str(free_port())
    found = (await examine(offline(PORT=port, HTTP_PORT=port)))["settings"]
    assert found.state == "failed"
    assert found.detail.startswith(f"PORT and HTTP_PORT are both {port}")


async def test_a_web_server_of_somebody_else_is_not_taken_for_the_service() -> None:
    async with running_sandbox() as cloud:
        found = await examine(environment(cloud, PORT=str(cloud.port)))
    assert found[f"port {cloud.port}"].state == "failed"


async def test_the_running_service_itself_may_have_its_ports(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud, audiosocket_port=0, http_port=0) as server:
        ports = {name: str(port) for name, (_, port) in server.ports.items()}
        found = await examine(environment(cloud, **ports))
    assert len(ports) == 3
    for port in ports.values():
        assert found[f"port {port}"].state == "ok"
        assert "the service runs here" in found[f"port {port}"].detail


async def test_a_port_that_the_running_service_could_not_have_is_not_its_own(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        with somebody_elses() as taken:
            server.warnings.append(f"HTTP_PORT: Cannot listen on 127.0.0.1:{taken}")
            port = str(server.addresses[0][1])
            found = await examine(environment(cloud, PORT=port, HTTP_PORT=str(taken)))
    assert found[f"port {port}"].state == "ok"
    assert found[f"port {taken}"].state == "failed"


async def test_a_host_that_is_not_this_machine_is_a_failure_that_names_host() -> None:
    environ = offline(HOST="192.0.2.1")
    found = (await examine(environ))[f"port {environ['PORT']}"]
    assert found.state == "failed"
    assert "HOST" in found.advice


async def test_the_prices_of_a_file_are_read_and_what_has_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("prices: [{service: stt, server: asr.test, per_hour: much}]")
    (found,) = await looked_at(offline(PRICES_FILE=str(path)), "prices")
    assert found.state == "failed"
    assert "prices[1].per_hour" in found.detail
    path.write_text("prices: []")
    (found,) = await looked_at(offline(PRICES_FILE=str(path)), "prices")
    assert (found.state, found.detail) == ("ok", "every service has a price in USD")
    path.write_text("{currency: EUR, defaults: false, prices: []}")
    (found,) = await looked_at(offline(PRICES_FILE=str(path)), "prices")
    assert found.state == "warning"
    assert found.detail == (
        "The cost of calls is not known: no price of stt linden-1 at sandbox, tts at sandbox"
    )
    assert "PRICES_FILE" in found.advice
    (found,) = await looked_at(offline(PRICES_FILE=str(path), MAX_COST="1"), "prices")
    assert found.state == "failed"
