"""The doctor finds what is wrong with a service, and says what to do about it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support import Serve

from avr_sts_speechmatics import doctor
from avr_sts_speechmatics.doctor import Check
from avr_sts_speechmatics.sandbox.faults import (
    Error,
    Fault,
    Malformed,
    RefuseKey,
    RefuseRate,
    Stall,
    Status,
    Truncate,
)
from avr_sts_speechmatics.sandbox.scripted import RunningSandbox, running_sandbox

NO_FILE = Path("/nonexistent/.env")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def somebody_elses() -> Iterator[int]:
    """A port that another program has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def environment(cloud: RunningSandbox, **changes: str) -> dict[str, str]:
    return {
        "PORT": str(free_port()),
        "EXTRA_PORTS": "",
        "SPEECHMATICS_API_KEY": "a-key",
        "SPEECHMATICS_RT_URL": cloud.rt_url,
        "SPEECHMATICS_TTS_URL": cloud.tts_url,
        "OPENAI_API_KEY": "another-key",
        "OPENAI_BASE_URL": cloud.openai_url,
    } | changes


async def examine(environ: Mapping[str, str]) -> dict[str, Check]:
    """The checks by what they looked at; of several with one name the last."""
    return {check.what: check for check in await doctor.examine(environ, NO_FILE)}


async def test_where_all_is_well_every_service_was_asked_and_timed() -> None:
    async with running_sandbox() as cloud:
        environ = environment(cloud)
        found = await examine(environ)
        await cloud.received.until(lambda: not cloud.received.sessions_open)
    assert list(found) == ["settings", f"port {environ['PORT']}", "hearing", "voice", "thinking"]
    assert {check.state for check in found.values()} == {"ok"}
    for service in ("hearing", "voice", "thinking"):
        latency = found[service].latency_ms
        assert latency is not None
        assert 0 <= latency < 2000
        assert f"127.0.0.1:{cloud.port}" in found[service].detail
    assert found["settings"].latency_ms is None
    (session,) = cloud.received.sessions
    assert len(session.audio) == 8000
    assert session.messages[-1] == {"message": "EndOfStream", "last_seq_no": session.frames}
    assert len(cloud.received.speech) == len(cloud.received.chats) == 1
    assert cloud.received.speech[0].done


@pytest.mark.parametrize(
    ("fault", "sign", "advice"),
    [
        (RefuseKey(part="hearing"), "401", "SPEECHMATICS_API_KEY"),
        (RefuseKey(part="hearing", at="close"), "not_authorised", "SPEECHMATICS_API_KEY"),
        (RefuseKey(part="voice"), "401", "SPEECHMATICS_API_KEY"),
        (RefuseKey(part="thinking"), "401", "OPENAI_API_KEY"),
        (Status(part="hearing", status=503), "503", "again"),
        (Status(part="hearing", status=404), "404", "SPEECHMATICS_RT_URL"),
        (Status(part="voice", status=503, count=None), "503", "again"),
        (Status(part="voice", status=404), "404", "SPEECHMATICS_VOICE"),
        (Status(part="thinking", status=404), "404", "OPENAI_MODEL"),
        (Status(part="thinking", status=429, count=None), "429", "again"),
        (Error(part="hearing", after=None, type="invalid_config"), "invalid_config", "VOCAB"),
        (Error(part="hearing", after=None, type="invalid_model"), "invalid_model", "MODEL"),
        (Truncate(part="voice"), "cut", "again"),
        (Malformed(part="thinking", after=0), "cut", "again"),
    ],
)
async def test_a_service_that_fails_is_named_with_what_to_do(
    fault: Fault, sign: str, advice: str
) -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(fault)
        found = await examine(environment(cloud))
    failed = [check for check in found.values() if check.state == "failed"]
    assert [check.what for check in failed] == [fault.part]
    assert sign in failed[0].detail
    assert advice in failed[0].advice


async def test_a_refused_rate_is_no_failure_when_the_other_is_taken() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(RefuseRate(rate=8000))
        hearing = (await examine(environment(cloud)))["hearing"]
    assert hearing.state == "ok"
    assert "16000" in hearing.advice


async def test_both_rates_refused_is_a_failure() -> None:
    async with running_sandbox() as cloud:
        cloud.faults.add(RefuseRate(rate=8000), RefuseRate(rate=16000))
        hearing = (await examine(environment(cloud)))["hearing"]
    assert hearing.state == "failed"
    assert "16000" in hearing.advice


async def test_a_full_quota_is_told_at_once_and_one_free_session_is_enough() -> None:
    async with running_sandbox(max_calls=0) as cloud:
        begun = time.monotonic()
        hearing = (await examine(environment(cloud)))["hearing"]
        assert time.monotonic() - begun < 4
    assert hearing.state == "failed"
    assert "quota_exceeded" in hearing.detail
    assert "sessions" in hearing.advice
    async with running_sandbox(max_calls=1) as cloud:
        assert (await examine(environment(cloud)))["hearing"].state == "ok"


async def test_a_session_that_starts_but_takes_no_audio_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "HEARING_S", 0.5)
    async with running_sandbox() as cloud:
        cloud.faults.add(Stall(part="hearing", after=0))
        hearing = (await examine(environment(cloud)))["hearing"]
    assert hearing.state == "failed"
    assert "not acknowledged" in hearing.detail


async def test_services_that_say_nothing_do_not_keep_anybody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "TOTAL_S", 0.5)
    async with running_sandbox() as cloud:
        cloud.faults.add(
            *(Stall(part=part, after=None) for part in ("hearing", "voice", "thinking"))
        )
        begun = time.monotonic()
        found = await examine(environment(cloud))
        assert time.monotonic() - begun < 5
    for service in ("hearing", "voice", "thinking"):
        assert found[service].state == "failed"
        assert "within" in found[service].detail


async def test_services_that_are_not_there_are_named_with_their_addresses() -> None:
    nobody = f"127.0.0.1:{free_port()}"
    found = await examine(
        {
            "PORT": str(free_port()),
            "EXTRA_PORTS": "",
            "SPEECHMATICS_RT_URL": f"ws://{nobody}/v2",
            "SPEECHMATICS_TTS_URL": f"http://{nobody}",
            "OPENAI_BASE_URL": f"http://{nobody}/v1",
        }
    )
    for service, setting in (
        ("hearing", "SPEECHMATICS_RT_URL"),
        ("voice", "SPEECHMATICS_TTS_URL"),
        ("thinking", "OPENAI_BASE_URL"),
    ):
        assert found[service].state == "failed"
        assert found[service].detail.startswith(nobody)
        assert setting in found[service].advice


async def test_a_host_that_can_be_no_name_is_a_failure_too() -> None:
    async with running_sandbox() as cloud:
        found = await examine(environment(cloud, SPEECHMATICS_RT_URL="ws://a..b/v2"))
    assert found["settings"].state == "failed"
    assert "SPEECHMATICS_RT_URL" in found["settings"].detail


async def test_a_slow_service_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.SLOW_MS, "voice", -1)
    async with running_sandbox() as cloud:
        voice = (await examine(environment(cloud)))["voice"]
    assert voice.state == "warning"
    assert voice.latency_ms is not None
    assert voice.advice


async def test_a_port_of_another_program_is_a_failure_and_an_extra_one_a_warning() -> None:
    with somebody_elses() as main, somebody_elses() as extra:
        found = await examine({"PORT": str(main), "EXTRA_PORTS": str(extra)})
    assert found[f"port {main}"].state == "failed"
    assert "PORT" in found[f"port {main}"].advice
    assert found[f"port {extra}"].state == "warning"
    assert "EXTRA_PORTS" in found[f"port {extra}"].advice


async def test_a_web_server_of_somebody_else_is_not_taken_for_the_service() -> None:
    async with running_sandbox() as cloud:
        found = await examine(environment(cloud, PORT=str(cloud.port)))
    assert found[f"port {cloud.port}"].state == "failed"


async def test_the_running_service_itself_may_have_the_port(serve: Serve) -> None:
    async with running_sandbox() as cloud, serve(cloud) as server:
        port = server.addresses[0][1]
        found = await examine(environment(cloud, PORT=str(port)))
    assert found[f"port {port}"].state == "ok"
    assert "the service runs here" in found[f"port {port}"].detail


async def test_a_host_that_is_not_this_machine_is_a_failure_that_names_host() -> None:
    port = free_port()
    found = await examine({"HOST": "192.0.2.1", "PORT": str(port), "EXTRA_PORTS": ""})
    assert found[f"port {port}"].state == "failed"
    assert "HOST" in found[f"port {port}"].advice


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "60400x"), ("FAQ_FILE", __file__), ("FAQ_FILE", "/no/such")]
)
async def test_a_wrong_setting_is_told_in_its_own_sentence_and_ends_the_rest(
    name: str, value: str
) -> None:
    (check,) = await doctor.examine({name: value}, NO_FILE)
    assert (check.what, check.state) == ("settings", "failed")
    assert check.detail.startswith(f"{name}={value}: ")


async def test_a_misspelt_setting_is_a_warning() -> None:
    async with running_sandbox() as cloud:
        found = await examine(environment(cloud, SPEECHMATICS_VIOCE="theo"))
    assert found["settings"].state == "warning"
    assert "SPEECHMATICS_VOICE" in found["settings"].detail


async def test_offline_no_cloud_is_asked_but_whether_the_sandbox_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {"PORT": str(free_port()), "EXTRA_PORTS": ""}
    monkeypatch.setattr(doctor, "SANDBOX_PACKAGES", ("json",))
    found = await examine(environ)
    assert list(found) == ["settings", "sandbox", f"port {environ['PORT']}", "thinking"]
    assert found["sandbox"].state == "ok"
    assert found["thinking"].state == "ok"
    assert "receptionist" in found["thinking"].detail
    monkeypatch.setattr(doctor, "SANDBOX_PACKAGES", ("no_such_engine",))
    found = await examine(environ)
    assert found["sandbox"].state == "failed"
    assert "no_such_engine" in found["sandbox"].detail
    assert "SPEECHMATICS_API_KEY" in found["sandbox"].advice


async def test_no_key_is_shown_even_if_a_server_quotes_it() -> None:
    quoted = "Bearer a-key, another-key, sk-proj-****abcd are not known"
    async with running_sandbox() as cloud:
        cloud.faults.add(Error(part="hearing", after=None, type="not_allowed", reason=quoted))
        checks = await doctor.examine(
            environment(cloud, SPEECHMATICS_RT_URL=cloud.rt_url + "?jwt=a-token"), NO_FILE
        )
    text = doctor.report(checks)
    assert "are not known" in text
    for secret in ("a-key", "another-key", "sk-", "abcd", "a-token"):
        assert secret not in text


def test_the_report_is_a_line_for_each_check_then_what_to_do() -> None:
    checks = [
        Check("settings", "ok", "every value can be used"),
        Check("hearing", "ok", "listens", latency_ms=97),
        Check("voice", "failed", "the key is not accepted", "Copy the key again."),
    ]
    lines = doctor.report(checks).splitlines()
    assert lines[0].split() == ["ok", "settings", *"every value can be used".split()]
    assert "97 ms" in lines[1]
    assert lines[2].startswith("failed")
    assert lines[4:] == ["What to do:", "  voice: Copy the key again.", "", "1 of 3 checks failed."]


async def run(*options: str, cwd: Path, environ: Mapping[str, str]) -> tuple[int, str, str]:
    """The command in a process of its own: exit status, standard output, standard error."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "avr_sts_speechmatics", "doctor", *options],
        cwd=cwd,
        env=os.environ | dict(environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def test_the_command_tells_a_person_and_its_exit_status_a_script(tmp_path: Path) -> None:
    async with running_sandbox() as cloud:
        status, out, err = await run(cwd=tmp_path, environ=environment(cloud))
        assert (status, err) == (0, "")
        assert out.endswith("Calls can be taken.\n")
        cloud.faults.add(RefuseKey(part="voice"))
        with somebody_elses() as port:
            environ = environment(cloud, EXTRA_PORTS=str(port))
            status, out, err = await run("--json", cwd=tmp_path, environ=environ)
    assert (status, err) == (1, "")
    states = {check["what"]: check["state"] for check in json.loads(out)}
    assert states["voice"] == "failed"
    assert states["hearing"] == states["thinking"] == "ok"
    assert states[f"port {port}"] == "warning"


async def test_the_command_explains_a_wrong_setting_and_itself(tmp_path: Path) -> None:
    status, out, err = await run(cwd=tmp_path, environ={"PORT": "60400x"})
    assert (status, err) == (1, "")
    assert "PORT=60400x: not a port" in out
    status, out, _ = await run("--help", cwd=tmp_path, environ={})
    assert status == 0
    assert "--json" in out
