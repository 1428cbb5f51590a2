"""The `serve` command in a process of its own: how it starts, what it says, how it ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
import wave
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import CLOUDS, COMMAND, free_port, run, serving
from tests.cli.test_standard_streams import health
from tests.settings.test_panel import PANEL
from tests.support import CLIPS

from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ToneTts,
    running_sandbox,
    scripted,
    turn,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "60400x"),
        ("SPEECHMATICS_REGION", "mars"),
        ("OPENAI_TEMPERATURE", "hot"),
        ("FAQ_FILE", "/no/such/file"),
        ("VOICE_FALLBACK", "openai"),
        ("AMI_HOST", "asterisk"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_sentence(
    name: str, value: str, tmp_path: Path
) -> None:
    done = run("serve", cwd=tmp_path, **{name: value})
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"{name}={value}" in done.stderr


def test_a_key_is_not_shown_even_if_it_is_wrong(tmp_path: Path) -> None:
    done = run("serve", cwd=tmp_path, SPEECHMATICS_API_KEY="secret key")
    assert done.returncode == 2
    assert "SPEECHMATICS_API_KEY" in done.stderr
    assert "secret key" not in done.stderr


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("serve", cwd=tmp_path, PORT=port, EXTRA_PORTS="", **CLOUDS)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert port in done.stderr
    assert "PORT" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_says_where_it_is_and_ends_when_told(
    number: signal.Signals, tmp_path: Path
) -> None:
    audiosocket = str(free_port())
    with serving(tmp_path, AUDIOSOCKET_PORT=audiosocket, **CLOUDS) as (process, port):
        process.send_signal(number)
        begun = time.monotonic()
        out, err = process.communicate(timeout=5)
        assert process.returncode == 0
        assert time.monotonic() - begun < 2
    assert f"STS_URL=ws://localhost:{port}" in out
    assert f"Dial(AudioSocket/localhost:{audiosocket}/...)" in out
    assert f"Dial(WebSocket/...) to ws://localhost:{port}/media" in out
    assert "avr-sts-speechmatics call --say" in out
    assert f"127.0.0.1:{port}" in err
    assert "Traceback" not in err


async def test_the_phrases_of_the_last_start_are_in_the_cache_of_the_user(tmp_path: Path) -> None:
    def start(cloud: RunningSandbox) -> None:
        """Serve until every phrase is there."""
        environment = {
            "SPEECHMATICS_API_KEY": "a-key",
            "SPEECHMATICS_RT_URL": cloud.rt_url,
            "SPEECHMATICS_TTS_URL": cloud.tts_url,
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "PHRASE_CACHE_DIR": "",
        }
        with serving(tmp_path, **environment) as (_, port):
            health = f"http://127.0.0.1:{port}/health"
            while json.load(urllib.request.urlopen(health))["phrases_missing"]:
                time.sleep(0.05)  # in a thread of its own

    async with running_sandbox(scripted(voice=ToneTts(seconds_per_character=0.01))) as cloud:
        await asyncio.to_thread(start, cloud)
        first = [request.body["text"] for request in cloud.received.speech]
        assert len(first) > 5
        await asyncio.to_thread(start, cloud)
        later = cloud.received.speech[len(first) :]
        assert {request.body["text"] for request in later} <= {"Hello."}  # whether it works
    assert list((tmp_path / "cache" / "avr-sts-speechmatics" / "phrases").iterdir())


def test_a_newcomer_is_greeted_without_warnings(tmp_path: Path) -> None:
    with serving(tmp_path, **CLOUDS) as (process, _):
        process.terminate()
        out, err = process.communicate(timeout=5)
    assert "No model: a scripted receptionist answers" in out
    assert "No model" not in err


def test_settings_come_from_a_dotenv_file_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_FORMAT=json\nSPEECHMATICS_VIOCE=theo\n")
    with serving(tmp_path, **CLOUDS) as (process, _):
        process.terminate()
        _, err = process.communicate(timeout=5)
    lines = [json.loads(line) for line in err.splitlines()]
    assert any("SPEECHMATICS_VOICE" in line["message"] for line in lines)


def test_what_cannot_work_is_said_at_the_start_without_a_key_in_it(tmp_path: Path) -> None:
    (tmp_path / "spanish.yaml").write_text("voice: {engine: openai}\n")
    with serving(
        tmp_path,
        AGENTS_DIR=str(tmp_path),
        WEBHOOK_URL="http://127.0.0.1:9/",
        WEBHOOK_SECRET="HUNTER2HUNTER2",
        SPEECHMATICS_HUNTER2HUNTER2="",
        **CLOUDS,
    ) as (process, _):
        process.terminate()
        _, err = process.communicate(timeout=5)
    assert "cannot speak (spanish): set OPENAI_TTS_API_KEY" in err
    assert "SPEECHMATICS_*** is not a setting" in err


@pytest.mark.models
def test_offline_a_question_is_answered_over_both_doors(tmp_path: Path) -> None:
    clip = CLIPS / "bm_george_u05_clean.wav"
    with serving(tmp_path) as (process, port):
        done = run(
            "call", "--play", str(clip), "--record", "both.wav", "--json",
            "--url", f"ws://127.0.0.1:{port}", cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert "transfer" in report["turns"][0]["heard"].lower()
        with wave.open(str(tmp_path / "both.wav")) as wav:
            assert (wav.getnchannels(), wav.getframerate()) == (2, 8000)
        url = f"http://127.0.0.1:{port}/speech-to-speech-stream"
        done = run("call", "--play", str(clip), "--url", url, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=5)
        assert process.returncode == 0
        assert "Traceback" not in err


async def test_a_container_started_by_avr_app_is_ready_says_what_is_missing_and_answers(
    tmp_path: Path,
) -> None:
    """The panel's own variables, and the panel's names for addresses."""

    def hold(cloud: RunningSandbox, **provider: str) -> tuple[dict[str, Any], str]:
        """Answer one call; returns the caller's report and the log of the service."""
        environment = PANEL | {
            "SPEECHMATICS_API_KEY": "a-key",
            "SPEECHMATICS_RT_BASE": cloud.rt_url,
            "SPEECHMATICS_TTS_BASE": cloud.tts_url,
            "TRY_SERVICES": "false",  # a trial would take a script
        }
        del environment["PORT"]  # any port
        with serving(tmp_path, **environment, **provider) as (process, port):
            clip = str(CLIPS / "bm_george_u05_clean.wav")
            url = f"ws://127.0.0.1:{port}"
            done = run("call", "--play", clip, "--json", "--url", url, cwd=tmp_path)
            process.terminate()
            _, err = process.communicate(timeout=5)
        return json.loads(done.stdout), err

    asked = turn("Can you transfer me?", start=0.5, end=2.0)
    async with running_sandbox(scripted(asked, asked, answers=["Of course."])) as cloud:
        _, log = await asyncio.to_thread(hold, cloud)
        assert "AMI_URL: undefined counts as not set" in log
        assert f"PATCH /providers/{PANEL['PROVIDER_STS_ID']}" in log
        report, log = await asyncio.to_thread(hold, cloud, OPENAI_BASE=cloud.openai_url)
        assert "PATCH" not in log
        assert "Of course." in json.dumps(report)


@pytest.mark.parametrize("after_s", [0.4, 0.9, 1.5])
def test_a_service_told_to_end_while_it_starts_ends(after_s: float, tmp_path: Path) -> None:
    # Coverage would start before the service, and an interrupt of that start is a traceback.
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("COVERAGE_")}
    process = subprocess.Popen(
        [*COMMAND, "serve"],
        cwd=tmp_path,
        env=environment | {"PORT": str(free_port()), "EXTRA_PORTS": ""} | CLOUDS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    time.sleep(after_s)  # somewhere in its start: the point is not to know where
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert b"Traceback" not in err


def test_unreachable_services_are_told_once_each_and_not_for_every_try(tmp_path: Path) -> None:
    clouds = {"SPEECHMATICS_API_KEY": "a-key-of-mine", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with serving(tmp_path, **CLOUDS, **clouds) as (process, port):
        deadline = time.monotonic() + 20
        while True:  # another process: its second tries cannot be awaited
            states = health(port)["service_states"]
            if all(state["failures"] >= 2 for state in states.values()):
                break
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert health(port)["status"] == "degraded"
        process.terminate()
        _, err = process.communicate(timeout=5)
    # A machine that is too busy stops the process, and that is logged as well.
    told = [line for line in err.splitlines() if " stood still " not in line]
    warnings = [line for line in told if " warning " in line]
    assert len(warnings) == 4, err
    for service in ("stt: ", "tts: ", "llm gpt-6-luna: ", "a phrase could not be prepared: "):
        assert sum(f" warning {service}" in line for line in warnings) == 1
    assert len(told) < 10


def test_what_is_promised_at_the_end_is_said_at_the_start(tmp_path: Path) -> None:
    with serving(tmp_path, DRAIN_S="7", **CLOUDS) as (process, _):
        process.terminate()
        _, err = process.communicate(timeout=5)
    assert "after SIGTERM, running calls may go on for 7 s (DRAIN_S)" in err
