"""The README tells the truth: its settings, commands, messages and files are the program's."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from avr_sts_speechmatics import cli, settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def commands(document: str) -> list[str]:
    """The indented lines of a document that a person is meant to type."""
    text = (ROOT / document).read_text()
    lines = re.findall(r"^    (?! )((?:[A-Z_]+=\S+ )?[./a-z]\S* .*)$", text, re.MULTILINE)
    return [re.split(r"  +(?:#|\w)", line)[0] for line in lines]


def test_the_table_of_settings_is_the_programs() -> None:
    shown = README.partition("<!-- settings -->\n\n")[2].partition("\n<!-- /settings -->")[0]
    assert shown == settings.table()


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
        cli._parser(words).parse_args(words)


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
        # "hearing: …" is an error's service and its text.
        text = re.sub(r"^(hearing|voice): ", "", message)
        assert text in sources, message


def test_every_setting_named_exists() -> None:
    known = {item.name.upper() for item in fields(settings.Settings)}
    known |= {name for item in fields(settings.Settings) for name in item.metadata["also"]}
    elsewhere = {"STS_URL", "STS_TARGET", "UNIQUEID", "UUID", "SIGTERM", "CI"}
    named = set(re.findall(r"`([A-Z]+_?[A-Z_]+)`|^ +- ([A-Z_]+)=", README, re.MULTILINE))
    assert {name for pair in named for name in pair if name} <= known | elsewhere


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_named_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    paths = re.findall(r"\b((?:tests|locks|src|docs|bench)/[\w./]*\w)", text)
    for name in (*links, *paths):
        assert (ROOT / name).exists(), name


def test_the_dialplan_is_the_one_of_the_compose_file() -> None:
    compose = (ROOT / "docker-compose.yml").read_text().replace("$$", "$")
    shown = README.partition("exten => 5001,1,Answer()\n")[2].partition("```")[0]
    assert shown
    assert shown in re.sub(r"^      ", "", compose, flags=re.MULTILINE)
