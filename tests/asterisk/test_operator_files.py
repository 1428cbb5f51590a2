"""What an operator copies fits the service: examples, the page about them, and the compose file."""

import configparser
import re
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from tests.asterisk.etc import AMI_PASSWORD, AMI_USER, EXAMPLES, TRANSFER_CONTEXT
from tests.support import ROOT

from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.transports import asterisk_websocket

DIALPLAN = (EXAMPLES / "extensions.conf").read_text()
PAGE = (ROOT / "docs/asterisk.md").read_text()
DEFAULTS = Settings()
NAMES = {item.name.upper() for item in fields(Settings)}


def section(file: str, name: str) -> configparser.SectionProxy:
    read = configparser.ConfigParser(strict=False, interpolation=None, inline_comment_prefixes=";")
    read.read(EXAMPLES / file)
    return read[name]


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.asterisk.yml").read_text())


def test_the_dialplan_calls_where_the_service_listens() -> None:
    assert f"AVR = 127.0.0.1:{DEFAULTS.audiosocket_port}\n" in DIALPLAN
    assert f"AVR_HTTP = http://127.0.0.1:{DEFAULTS.http_port}\n" in DIALPLAN


def test_the_websocket_goes_where_the_service_listens() -> None:
    client = section("websocket_client.conf", "avr")
    address = urlsplit(client["uri"])
    assert address.port == DEFAULTS.port
    assert address.path == asterisk_websocket.PATH
    assert client["protocols"] == asterisk_websocket.SUBPROTOCOL


def test_the_manager_lets_the_service_in_and_nobody_from_outside() -> None:
    assert section("manager.conf", "general")["bindaddr"] == "127.0.0.1"
    assert int(section("manager.conf", "general")["port"]) == DEFAULTS.ami_port
    assert DEFAULTS.ami_username == AMI_USER
    assert section("manager.conf", AMI_USER)["secret"] == AMI_PASSWORD
    assert section("manager.conf", AMI_USER)["write"] == "call"


def test_every_dialled_audiosocket_names_its_codec() -> None:
    dialled = re.findall(r"Dial\((?:AudioSocket|WebSocket)/.*", DIALPLAN)
    assert len(dialled) == 4
    assert all(re.search(r"c\((slin|slin16|ulaw|alaw)\)", line) for line in dialled)


def test_the_page_shows_what_the_examples_say() -> None:
    given = "".join(path.read_text() for path in EXAMPLES.glob("*.conf"))
    given = given.replace("${AVR}", f"127.0.0.1:{DEFAULTS.audiosocket_port}")
    shown = [
        line
        for block in re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
        if "MixMonitor" not in line
    ]
    assert len(shown) > 10
    assert [line for line in shown if line and line not in given.splitlines()] == []


def test_the_page_names_settings_that_exist() -> None:
    written = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", PAGE))
    assert written <= NAMES
    assert {"AUDIOSOCKET_PORT", "AUDIOSOCKET_G711", "REQUIRE_CALL", "TRANSFER_ALLOW"} <= written


def test_the_page_quotes_what_the_service_really_says() -> None:
    sources = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
    # As the program joins them: strings that stand below one another are one.
    sources = re.sub(r'"\s*\n\s*f?"', "", sources)
    quoted = re.findall(r"service: `([^`]+)`", PAGE)
    assert len(quoted) >= 5
    assert [message for message in quoted if message not in sources] == []


def test_compose_is_asterisk_and_the_service_and_nothing_else(compose: Any) -> None:
    assert set(compose["services"]) == {"asterisk", "avr-sts-speechmatics"}
    service = compose["services"]["avr-sts-speechmatics"]
    assert service["build"]["context"] == "."
    targets = set(
        re.findall(r"^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    )
    assert {"service", "sandbox"} <= targets
    # What has no password is not offered to a network.
    assert "HOST=127.0.0.1" in service["environment"]
    # A minute more than the drain takes, whatever DRAIN_S is.
    assert service["stop_grace_period"] == f"1m${{DRAIN_S:-{DEFAULTS.drain_s:g}}}s"


def test_compose_gives_the_service_settings_that_exist_and_fit_the_examples(compose: Any) -> None:
    lines = compose["services"]["avr-sts-speechmatics"]["environment"]
    given = dict(line.split("=", 1) for line in lines)
    assert given.keys() <= NAMES
    assert given["AMI_PASSWORD"] == f"${{AMI_PASSWORD:-{AMI_PASSWORD}}}"
    assert given["AMI_USERNAME"] == AMI_USER
    assert given["TRANSFER_CONTEXT"] == f"${{TRANSFER_CONTEXT:-{TRANSFER_CONTEXT}}}"
    for name in ("PORT", "AUDIOSOCKET_PORT", "HTTP_PORT", "AMI_PORT"):
        assert int(given[name]) == getattr(DEFAULTS, name.lower())


def test_compose_gives_asterisk_every_example_where_it_looks_for_it(compose: Any) -> None:
    asterisk = compose["services"]["asterisk"]
    mounted = [volume.split(":") for volume in asterisk["volumes"]]
    assert {source for source, _, _ in mounted} == {
        f"./examples/asterisk/{path.name}" for path in EXAMPLES.glob("*.conf")
    }
    assert all(inside == f"/etc/asterisk/{Path(source).name}" for source, inside, _ in mounted)
    # JSON control messages came with 22.8.
    major, minor = re.findall(r":(\d+)\.(\d+)", asterisk["image"])[0]
    assert (int(major), int(minor)) >= (22, 8)
