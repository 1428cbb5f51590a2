"""The README tells the truth: its settings, commands, messages and files are the program's."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import ROOT

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.cli.main import make_parser
from avr_sts_speechmatics.transports.announced_calls import facts_from
from avr_sts_speechmatics.transports.avr_core_http import announced

README = (ROOT / "README.md").read_text()
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def commands(document: str) -> list[str]:
    """The indented lines of a document that a person is meant to type."""
    text = (ROOT / document).read_text()
    lines = re.findall(r"^    (?! )((?:[A-Z_]+=\S+ )?[./a-z]\S* .*)$", text, re.MULTILINE)
    return [re.split(r"  +(?:#|\w)", line)[0] for line in lines]


def examples(start: str) -> list[list[str]]:
    """The words of the README's commands that begin so, settings in front left out."""
    lines = re.findall(rf"^    (?:[A-Z_]+=\S+ )*({re.escape(start)}.*)$", README, re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_exists(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    text = (ROOT / document).read_text()
    for target in re.findall(r"(?:^    |`)(?:[A-Z]+=\S+ )?make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_call_shown_can_be_parsed() -> None:
    shown = [line for line in commands("README.md") if "avr-sts-speechmatics call" in line]
    assert shown
    for line in shown:
        words = shlex.split(line)[1:]
        make_parser(words).parse_args(words)


def test_every_setting_shown_with_a_value_can_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = re.findall(r"(?:^    |`)([A-Z_]+)=([^\s`]+)", README, re.MULTILINE)
    known = {name.upper() for name in settings.DECLARATIONS}
    given = {name: value for name, value in shown if name in known}
    assert {"AGENTS_DIR", "AMI_HOST", "OPENAI_TTS_URL", "TOOLS_DIR", "TRANSFER_ALLOW"} <= set(given)
    settings.load(given, Path("no such file.env"))


def test_every_tool_shown_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = examples(".venv/bin/avr-sts-speechmatics tools")
    assert len(shown) == 2
    for words in shown:
        done = subprocess.run(
            [sys.executable, "-m", "avr_sts_speechmatics", *words[1:]],
            env=os.environ | {"TOOLS_DIR": "examples/tools"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert "Friday" in done.stdout or "find_booking" in done.stdout


def test_the_agents_named_are_examples() -> None:
    named = re.findall(r"\?agent=(\w+)|\"agent\": \"(\w+)\"", README)
    assert named
    for agent in filter(None, sum(named, ())):
        assert (ROOT / "examples" / "agents" / f"{agent}.yaml").exists()


def test_the_call_announced_is_one() -> None:
    ((*_, url, _, body),) = examples("curl -s localhost:6001/call")
    assert url == f"localhost:{settings.DEFAULTS.http_port}/call"
    uuid, payload = announced(body.encode())
    assert uuid in body
    assert facts_from(payload) == {"from": "2001", "agent": "support"}


def test_the_older_door_is_shown_as_avr_knows_it() -> None:
    assert (
        "curl -sN -X POST -T question.raw -H 'Content-Type: audio/x-raw' "
        "localhost:6040/speech-to-speech-stream" in README
    )


def test_every_message_of_the_log_that_is_explained_exists() -> None:
    # As the program joins them: strings that stand below one another are one.
    sources = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
    sources = re.sub(r'"\s*\n\s*f?"', "", sources)
    rows = re.findall(r"^\| [^|]+ \| ([^|]*`[^|]+) \| [^|]+ \|$", README, re.MULTILINE)
    explained = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    messages = [message for message in explained if " " in message]
    assert len(messages) > 5
    for message in messages:
        # "stt: …" is an error's service and its text.
        text = re.sub(r"^(stt|tts|llm): ", "", message)
        assert text in sources, message


def test_every_setting_named_exists() -> None:
    known = {name.upper() for name in settings.DECLARATIONS}
    known |= {name for one in settings.DECLARATIONS.values() for name in one.also}
    elsewhere = {"STS_URL", "STS_TARGET", "UNIQUEID", "UUID", "SIGTERM", "CI", "POST"}
    named = set(re.findall(r"`([A-Z]+_?[A-Z_]+)`|^ +- ([A-Z_]+)=", README, re.MULTILINE))
    assert {name for pair in named for name in pair if name} <= known | elsewhere


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_named_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    paths = re.findall(r"\b((?:tests|locks|src|docs|bench|examples)/[\w./]*\w)", text)
    for name in (*links, *paths):
        assert (ROOT / name).exists(), name


def test_the_dialplan_is_the_one_of_the_compose_file() -> None:
    compose = (ROOT / "docker-compose.yml").read_text().replace("$$", "$")
    shown = README.partition("exten => 5001,1,Answer()\n")[2].partition("```")[0]
    assert shown
    assert shown in re.sub(r"^      ", "", compose, flags=re.MULTILINE)


def test_the_dialplan_without_avr_core_is_the_one_that_real_calls_are_made_with() -> None:
    shown = README.partition("exten => 5002,1,Answer()\n")[2].partition("```")[0]
    assert shown
    assert shown in (ROOT / "docs" / "asterisk.md").read_text()


def test_every_room_is_on_the_contributors_map() -> None:
    rooms = {path.parent.name for path in (ROOT / "src/avr_sts_speechmatics").glob("*/__init__.py")}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert rooms == set(re.findall(r"^      (\w+)/ ", text, re.MULTILINE))
