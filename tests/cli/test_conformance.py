"""The `conformance` command: its report, its exit status, its errors."""

import asyncio
import json
import wave
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.cli.commands import free_port, run
from tests.conformance.avr_service import running, speech


def recorded(path: Path, seed: int) -> str:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(speech(0.5, seed))
    return str(path)


@pytest.mark.timeout(180)
async def test_a_service_is_examined_and_the_exit_status_says_whether_it_conforms(
    tmp_path: Path,
) -> None:
    options = [
        *("--question", recorded(tmp_path / "one.wav", 1)),
        *("--other-question", recorded(tmp_path / "two.wav", 2)),
        *("--patience", "2", "--json", "--junit", "report.xml"),
    ]
    # A service that does not answer is the quickest to examine.
    async with running("answer") as address:
        url = f"ws://{address}"
        done = await asyncio.to_thread(run, "conformance", url, *options, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["url"] == url
    assert [one["name"] for one in report["lines"] if one["state"] == "broken"] == ["answer"]
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert suite.get("failures") == "1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://127.0.0.1:1",), "begin it with ws://"),
        (("ws://127.0.0.1:1", "--http", "ws://127.0.0.1:1"), "begin it with http://"),
        (("ws://127.0.0.1:1", "--junit", "no/such/report.xml"), "there is no folder"),
        (("ws://127.0.0.1:1", "--question", "none.wav"), "none.wav"),
    ],
)
def test_what_cannot_be_examined_is_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = run("conformance", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nobody_at_the_address_is_a_broken_line(tmp_path: Path) -> None:
    voice = recorded(tmp_path / "one.wav", 1)
    url = f"ws://127.0.0.1:{free_port()}"
    options = ("--question", voice, "--other-question", voice)
    done = run("conformance", url, *options, cwd=tmp_path)
    assert done.returncode == 1
    assert "BROKEN  must   connects" in done.stdout
