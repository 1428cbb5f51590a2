"""The `doctor` command as a person types it, and as a script reads it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.doctor.surroundings import environment, offline, somebody_elses
from tests.http_proxy import certificate, http_proxy
from tests.support import ROOT
from tests.webhook_target import webhook_target

from avr_sts_speechmatics.sandbox.faults import RefuseKey
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox


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
    async with running_sandbox() as cloud, webhook_target() as hook:
        status, out, err = await run(cwd=tmp_path, environ=environment(cloud, WEBHOOK_URL=hook.url))
        assert (status, err) == (0, "")
        assert out.endswith("Calls can be taken.\n")
        cloud.faults.add(RefuseKey(part="tts"))
        with somebody_elses() as port:
            environ = environment(cloud, EXTRA_PORTS=str(port))
            status, out, err = await run("--json", cwd=tmp_path, environ=environ)
    assert (status, err) == (1, "")
    states = {check["what"]: check["state"] for check in json.loads(out)}
    assert states["tts"] == "failed"
    assert states["stt"] == states["llm"] == "ok"
    assert states[f"port {port}"] == "warning"


async def test_the_command_explains_a_wrong_setting_and_itself(tmp_path: Path) -> None:
    status, out, err = await run(cwd=tmp_path, environ={"PORT": "60400x"})
    assert (status, err) == (1, "")
    assert "PORT=60400x: not a port" in out
    status, out, _ = await run("--help", cwd=tmp_path, environ={})
    assert status == 0
    assert "--json" in out


async def test_offline_the_checks_are_one_json_list(tmp_path: Path) -> None:
    environ = offline()
    status, out, err = await run("--json", cwd=tmp_path, environ=environ)
    assert (status, err) == (0, "")
    checks = json.loads(out)
    port = f"port {environ['PORT']}"
    assert [check["what"] for check in checks] == [
        *("settings", "agents", "voices", "sandbox", port, "llm", "pbx", "records")
    ]
    for check in checks:
        assert set(check) == {"what", "state", "detail", "advice", "latency_ms"}
        assert check["state"] in ("ok", "warning", "skipped")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_clouds_own_addresses_are_reached_through_a_proxy(
    scheme: str, tmp_path: Path
) -> None:
    hosts = ["eu.rt.speechmatics.com", "preview.tts.speechmatics.com", "api.openai.com"]
    tls, certificates = certificate(tmp_path, [*hosts, "localhost"])
    front = tls if scheme == "https" else None
    async with running_sandbox() as cloud, http_proxy(cloud.port, tls, front=front) as proxy:
        proxy.user = "me:pass-word-1"
        environ = offline(
            SPEECHMATICS_API_KEY="a-key",
            OPENAI_API_KEY="another-key",
            VOICE_FALLBACK="openai",
            HTTPS_PROXY=f"{scheme}://me:pass-word-1@localhost:{proxy.port}",
            SSL_CERT_FILE=str(certificates),
        )
        status, out, err = await run("--json", cwd=tmp_path, environ=environ)
        asked = set(proxy.asked)
    assert (status, err) == (0, "")
    states = {check["what"]: check["state"] for check in json.loads(out)}
    assert states["proxy"] == states["stt"] == states["tts"] == states["second tts"] == "ok"
    assert states["llm"] == "ok"
    assert asked == {f"CONNECT {host}:443" for host in hosts}
    assert "pass-word-1" not in out


async def test_the_page_about_the_command_shows_what_it_prints(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    shown = page.partition("```\n")[2].partition("```")[0].splitlines()
    _, out, _ = await run(cwd=tmp_path, environ={"HISTORY": ""})
    # Another program of this machine may have a port.
    assert without_ports(shown) == without_ports(out.splitlines())
    assert sum("  port " in line for line in shown) == 4


def without_ports(lines: list[str]) -> list[str]:
    return [line for line in lines if "  port " not in line and not line.startswith("Calls")]
