"""Offline means offline: no name server is asked, no connection leaves this machine, no file stays.

The kernel's own record counts, by strace: a native library asks for names without Python. A name
server on the loopback address, as systemd-resolved has one, counts as asked too.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.cli.commands import COMMAND, free_port
from tests.support import ROOT

CLIP = ROOT / "tests/clips/bm_george_u12_n15.wav"
_ADDRESS = re.compile(
    r"sin6?_port=htons\((\d+)\).*?"
    r'(?:inet_addr\("([^"]+)"|inet_pton\(AF_INET6, "([^"]+)")'
)
_RESOLVER = re.compile(r'sun_path="([^"]*resolve[^"]*)".*= 0$')

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def contacts(trace: str) -> set[str]:
    """Whom a trace shows to have been asked: other machines, and name servers anywhere."""
    found = set()
    for line in trace.splitlines():
        for port, v4, v6 in _ADDRESS.findall(line):
            if port == "53" or not ip_address(v4 or v6).is_loopback:
                found.add(f"{v4 or v6} port {port}")
        found |= set(_RESOLVER.findall(line))
    return found


def test_a_trace_is_read_as_strace_writes_it() -> None:
    trace = """\
1 connect(5, {sa_family=AF_INET, sin_port=htons(8090), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
1 connect(5, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file)
2 connect(6, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0
2 sendto(6, "a", 1, 0, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), \
inet_pton(AF_INET6, "fd12::1", &sin6_addr), sin6_scope_id=0}, 28) = 1
3 connect(7, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0
"""
    assert contacts(trace) == {
        "127.0.0.53 port 53",
        "fd12::1 port 80",
        "/run/systemd/resolve/io.systemd.Resolve",
    }


@contextmanager
def traced(
    trace: Path, home: Path, *arguments: str, **env: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A command under strace, with a home of its own; SIGTERM ends it."""
    watched = ("-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace))
    process = subprocess.Popen(
        ["strace", "-f", "--seccomp-bpf", "-qq", *watched, *COMMAND, *arguments],
        cwd=home,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
        | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        # strace passes no signal on; it ends when the command has ended.
        with suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()


@needs_strace
@pytest.mark.models
def test_a_call_without_keys_asks_no_name_server_and_leaves_this_machine_alone(
    tmp_path: Path,
) -> None:
    home, served, called = tmp_path / "home", tmp_path / "served", tmp_path / "called"
    home.mkdir()
    port = free_port()
    ports = {"PORT": str(port), "EXTRA_PORTS": "", "AUDIOSOCKET_PORT": "0", "HTTP_PORT": "0"}
    ports["OVERLOAD_LAG_MS"] = "0"
    with traced(served, home, "serve", **ports) as service:
        deadline = time.monotonic() + 30
        while True:
            assert service.poll() is None
            assert time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)  # another process: nothing here could be awaited
        url = f"ws://127.0.0.1:{port}"
        with traced(called, home, "call", "--play", str(CLIP), "--url", url) as call:
            assert call.wait(30) == 0
    assert 'sin_addr=inet_addr("127.0.0.1")' in called.read_text()
    assert contacts(served.read_text()) == contacts(called.read_text()) == set()
    # Nothing but what HISTORY keeps, and where DATA_DIR says.
    assert [path.name for path in home.iterdir()] == ["data"]


@needs_strace
@pytest.mark.models
def test_the_doctor_without_keys_asks_nobody(tmp_path: Path) -> None:
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    with traced(trace, home, "doctor", PORT=str(free_port()), EXTRA_PORTS="") as process:
        process.wait(30)
    assert contacts(trace.read_text()) == set()
    assert sorted(home.rglob("*")) == []
