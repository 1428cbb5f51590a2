"""What signals mean to `serve`: none ends a call by accident."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.avr_core import AvrCore, dial
from tests.cli.commands import CLOUDS, COMMAND, Started, serving
from tests.cli.test_standard_streams import health
from tests.support import until, untraced_environment

CALM = {"SPEECHMATICS_WELCOME_MESSAGE": "", "DISCLOSURE": "off", **CLOUDS}


async def in_call(core: AvrCore, port: int) -> None:
    await core.init()
    await until(lambda: health(port)["calls"] == 1)


def ended(process: subprocess.Popen[str], within_s: float) -> str:
    """Wait for the end and return the log."""
    _, log = process.communicate(timeout=within_s)
    assert process.returncode == 0
    assert "Traceback" not in log
    return log


@pytest.mark.parametrize(
    "name",
    ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGPIPE", "SIGIO", "SIGPWR",
     "SIGXCPU", "SIGTTOU", "SIGWINCH", "SIGRTMIN"],
)  # fmt: skip
async def test_a_signal_without_a_meaning_ends_nothing(name: str, tmp_path: Path) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    with serving(tmp_path, **CALM) as (process, port):
        async with dial(f"ws://127.0.0.1:{port}/") as core:
            await in_call(core, port)
            process.send_signal(getattr(signal, name))
            assert health(port)["calls"] == 1
            assert core.heard.close_code is None
        process.terminate()
        ended(process, 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
async def test_a_call_may_go_on_while_the_service_drains(
    number: signal.Signals, tmp_path: Path
) -> None:
    with serving(tmp_path, DRAIN_S="15", **CALM) as (process, port):
        async with dial(f"ws://127.0.0.1:{port}/") as core:
            await in_call(core, port)
            process.send_signal(number)
            await until(lambda: health(port)["status"] == "draining")
            assert process.poll() is None
            assert core.heard.close_code is None
        log = ended(process, 5)
    assert f"{number.name}: the service ends" in log


async def test_sighup_does_not_hurry_and_a_second_sigterm_does(tmp_path: Path) -> None:
    with serving(tmp_path, DRAIN_S="30", **CALM) as (process, port):
        async with dial(f"ws://127.0.0.1:{port}/") as core:
            await in_call(core, port)
            process.send_signal(signal.SIGTERM)
            await until(lambda: health(port)["status"] == "draining")
            process.send_signal(signal.SIGHUP)  # as systemd does with SendSIGHUP
            assert health(port)["status"] == "draining"
            assert core.heard.close_code is None
            process.send_signal(signal.SIGTERM)
            await core.until_closed(timeout=5)
        ended(process, 5)


def test_nohup_keeps_its_meaning(tmp_path: Path) -> None:
    nohup = shutil.which("nohup")
    if nohup is None:
        pytest.skip("this system has no nohup")
    with serving(tmp_path, Started(under=(nohup,)), **CALM) as (process, port):
        process.send_signal(signal.SIGHUP)
        assert health(port)["status"] != "draining"
        process.terminate()
        ended(process, 5)


def can_unshare() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and (
        subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode == 0
    )


SILENT_NAME_SERVER = """
import socket, subprocess, sys, time

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
server.settimeout(20)
service = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
server.recv(512)  # the service has asked; nobody answers
time.sleep(0.3)
service.terminate()
begun = time.monotonic()
try:
    assert service.wait(timeout=40) == 0
finally:
    service.kill()
print(time.monotonic() - begun)
"""


@pytest.mark.skipif(not can_unshare(), reason="needs namespaces of its own")
def test_a_name_server_that_never_answers_does_not_delay_the_end(tmp_path: Path) -> None:
    names = tmp_path / "resolv.conf"
    names.write_text("nameserver 127.0.0.1\noptions timeout:20 attempts:2\n")
    prepare = f'mount --bind {names} /etc/resolv.conf && ip link set lo up && exec "$@"'
    clouds = {
        "SPEECHMATICS_RT_URL": "ws://stt.example/v2",
        "SPEECHMATICS_TTS_URL": "http://tts.example",
        "OPENAI_BASE_URL": "http://llm.example/v1",
        "EXTRA_PORTS": "",
        "HTTP_PORT": "0",
        "AUDIOSOCKET_PORT": "0",
    }
    done = subprocess.run(
        [
            *("unshare", "-rmn", "sh", "-c", prepare, "sh"),
            *(sys.executable, "-c", SILENT_NAME_SERVER, *COMMAND, "serve"),
        ],
        cwd=tmp_path,
        env=untraced_environment() | clouds,  # its measuring may not end
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2
    assert "Traceback" not in done.stderr


def test_a_thread_of_a_tool_that_never_ends_does_not_delay_the_end(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "hangs.py").write_text(
        "import threading\n"
        "from avr_sts_speechmatics.tools import tool\n"
        "@tool\nasync def wait() -> str:\n    'Waits.'\n    return ''\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "print('printed by a tool')\n"
    )
    with serving(tmp_path, TOOLS_DIR=str(tools), **CALM) as (process, _):
        process.terminate()
        begun = time.monotonic()
        out, _ = process.communicate(timeout=5)
        assert process.returncode == 0
        assert time.monotonic() - begun < 2
    assert "printed by a tool" in out


def test_an_idle_service_ends_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, **CALM) as (process, _):
        process.terminate()
        begun = time.monotonic()
        ended(process, 5)
        assert time.monotonic() - begun < 2
