"""README and documentation are true: their settings, commands, messages and files exist."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from tests.support import ROOT

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.cli.main import make_parser
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.transports.announced_calls import facts_from
from avr_sts_speechmatics.transports.avr_core_http import announced

README = (ROOT / "README.md").read_text()
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
SHOWN = "\n".join((README, *PAGES.values()))
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    *(f"docs/{name}" for name in PAGES),
)
NAMES = {item.name.upper() for item in fields(Settings)}


def commands(text: str) -> list[str]:
    """The indented lines of a document that a person is meant to type."""
    lines = re.findall(r"^    (?! )((?:[A-Z_]+=\S+ )?[./a-z]\S* .*)$", text, re.MULTILINE)
    return [re.split(r"  +(?:#|\w)", line)[0] for line in lines]


def examples(start: str) -> list[list[str]]:
    """The words of the commands shown that begin so, settings in front left out."""
    lines = re.findall(rf"^    (?:[A-Z_]+=\S+ )*({re.escape(start)}.*)$", SHOWN, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_readme_is_a_page_to_read_at_once() -> None:
    text = re.sub(r"(?m)^\[.*\]: http.*\n?", "", README)  # without the targets of its links
    assert len(text.splitlines()) < 135


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_exists(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    text = (ROOT / document).read_text()
    for target in re.findall(r"(?:^    |`)(?:[A-Z]+=\S+ )?make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("text", [README, PAGES["testing.md"], PAGES["index.md"]])
def test_every_call_shown_can_be_parsed(text: str) -> None:
    shown = [line for line in commands(text) if "avr-sts-speechmatics call" in line]
    assert shown
    for line in shown:
        words = shlex.split(line)[1:]
        make_parser(words).parse_args(words)


def test_every_option_of_a_call_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser(["call"]).parse_args(["call", "--help"])
    offered = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    shown = set(re.findall(r"^\| `(--[\w-]+)", PAGES["testing.md"], re.MULTILINE))
    assert shown == offered
    assert len(shown) > 5


def test_every_setting_shown_with_a_value_can_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = re.findall(r"(?:^    |`)([A-Z_]+)=([^\s`]+)", SHOWN, re.MULTILINE)
    given = [(name, value) for name, value in shown if name in NAMES and value != "$" + name]
    assert {"AGENTS_DIR", "AMI_HOST", "OPENAI_TTS_URL", "TOOLS_DIR", "TRANSFER_ALLOW"} <= {
        name for name, _ in given
    }
    # The page has just made the directory.
    given = [pair for pair in given if pair[0] != "CALL_TRACE_DIR"]
    needed = {"AMI_PASSWORD": "a-secret", "OPENAI_TTS_URL": "http://localhost:8880/v1"}
    needed["OPENAI_STT_MODEL"] = "whisper"
    key, server = {"SPEECHMATICS_API_KEY": "a-key"}, {"OPENAI_STT_URL": "http://localhost:8000/v1"}
    beside = {
        ("VOICE_FALLBACK", "speechmatics"): {"TTS": "http", **key},
        ("STT", "realtime"): key,
        ("STT", "openai"): server,
    }
    for name, value in given:
        more = beside.get((name, value), {})
        settings.load(needed | more | {name: value}, Path("no such file.env"))


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
    named = re.findall(r"\?agent=(\w+)|\"agent\": \"(\w+)\"", SHOWN)
    assert named
    for agent in filter(None, sum(named, ())):
        assert (ROOT / "examples" / "agents" / f"{agent}.yaml").exists()


def test_the_call_announced_is_one() -> None:
    ((*_, url, _, body),) = examples("curl -s localhost:6001/call")
    assert url == f"localhost:{Settings().http_port}/call"
    uuid, payload, _ = announced(body.encode())
    assert uuid in body
    assert facts_from(payload) == {"from": "2001", "agent": "support"}


def test_the_streaming_post_is_shown_as_avr_knows_it() -> None:
    assert (
        "curl -sN -X POST -T question.raw -H 'Content-Type: audio/x-raw' "
        "localhost:6040/speech-to-speech-stream" in PAGES["testing.md"]
    )


def test_every_message_of_the_log_that_is_explained_exists() -> None:
    # As the program joins them: strings that stand below one another are one.
    sources = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
    sources = re.sub(r'"\s*\n\s*f?"', "", sources)
    page = PAGES["troubleshooting.md"]
    rows = re.findall(r"^\| [^|]+ \| ([^|]*`[^|]+) \| [^|]+ \|$", page, re.MULTILINE)
    explained = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    messages = [message for message in explained if " " in message]
    assert len(messages) > 5
    for message in messages:
        # "stt: …" is an error's service and its text.
        text = re.sub(r"^(stt|tts|llm): ", "", message)
        assert text in sources, message


def test_every_setting_named_exists() -> None:
    also = {name for one in settings.DECLARATIONS.values() for name in one.also}
    known = NAMES | also
    elsewhere = {"STS_URL", "STS_TARGET", "UNIQUEID", "UUID", "SIGTERM", "CI", "POST"}
    elsewhere |= {
        "URIENCODE",
        "SIP_PASSWORD",
        "EXTERNAL_ADDRESS",
        "HOME",
        "PATH",
        "TOKEN",
        "OPENAPI_DIR",
        "CURL",
        "SSL_CERT_FILE",
        "ENGINES",
        "SM_MAX_CONCURRENT_CONNECTIONS",  # of Speechmatics' container
        *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"),
        *("ASR_URL", "LLM_URL", "TTS_URL", "INTERRUPT_LISTENING"),  # of avr-core
    }
    pages = [text for name, text in PAGES.items() if name not in ("decisions.md", "migrate.md")]
    # The first column names variables of other connectors.
    pages.append(re.sub(r"(?m)^\|[^|]*\|", "|", PAGES["migrate.md"]))
    shown = "\n".join((README, *pages))
    named = set(re.findall(r"`([A-Z]+_?[A-Z_]+)`|^ +- ([A-Z_]+)=", shown, re.MULTILINE))
    assert {name for pair in named for name in pair if name} <= known | elsewhere


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_named_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    links = [link for link in links_of(text) if "://" not in link]
    folder = (ROOT / document).parent
    for link in links:
        name, _, heading = link.partition("#")
        target = folder / name if name else ROOT / document
        assert target.exists(), link
        assert not heading or heading in headings(target), link
    paths = re.findall(r"(?<![\w/])((?:tests|locks|src|docs|bench|examples)/[\w./-]*\w)", text)
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "src/avr_sts_speechmatics" / path).exists(), path


def links_of(text: str) -> list[str]:
    """Targets of links, in the line or below the text."""
    found = re.findall(r"\]\(([^)]+)\)|^\[[^]]+\]: (\S+)$", text, re.MULTILINE)
    return [inline or below for inline, below in found]


REPOSITORY = re.compile(
    r"https://(?:github\.com|raw\.githubusercontent\.com)/agentvoiceresponse/avr-sts-speechmatics"
    r"/(?:blob/)?main/(.*)"
)


def test_the_links_of_the_readme_work_on_a_package_page_too() -> None:
    links = links_of(README)
    assert not [link for link in links if "://" not in link]
    ours = [match[1] for link in links if (match := REPOSITORY.fullmatch(link))]
    assert len(ours) > 10
    assert not [name for name in ours if not (ROOT / name).exists()]
    below = set(re.findall(r"^\[([^]]+)\]: ", README, re.MULTILINE))
    used = set(re.findall(r"\]\[([^]]+)\]", README)) | set(re.findall(r"\[([\w./-]+)\]", README))
    assert below <= used


def test_the_readme_says_what_newcomers_look_for() -> None:
    for word in ("STT", "LLM", "TTS", "latency", "price"):
        assert re.search(word, README, re.IGNORECASE), word


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", ["README.md", "docs/avr.md"])
def test_the_service_of_a_stack_is_given_its_time_and_its_keys(page: str) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    text = (ROOT / page).read_text()
    shown = text.partition("  avr-sts-speechmatics:\n")[2].partition("```")[0]
    assert shown
    for line in shown.splitlines():
        if not line.lstrip().startswith("build:"):
            assert line.partition("=$")[0].strip() in compose


def test_the_dialplan_is_the_one_of_the_compose_file() -> None:
    compose = (ROOT / "docker-compose.yml").read_text().replace("$$", "$")
    shown = PAGES["avr.md"].partition("exten => 5001,1,Answer()\n")[2].partition("```")[0]
    assert shown
    assert shown in re.sub(r"^      ", "", compose, flags=re.MULTILINE)


def test_the_dialplan_without_avr_core_is_the_one_that_real_calls_are_made_with() -> None:
    shown = README.partition("exten => 5002,1,Answer()\n")[2].partition("```")[0]
    assert shown
    assert shown in PAGES["asterisk.md"]


@pytest.mark.parametrize(
    ("document", "row"),
    [("CONTRIBUTING.md", r"^      (\w+)/ "), ("docs/architecture.md", r"^\| `(\w+)/` \|")],
)
def test_every_package_is_on_the_map(document: str, row: str) -> None:
    rooms = {path.parent.name for path in (ROOT / "src/avr_sts_speechmatics").glob("*/__init__.py")}
    assert rooms == set(re.findall(row, (ROOT / document).read_text(), re.MULTILINE))
