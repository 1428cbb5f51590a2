"""The process under test is measured with all its children."""

import os
import socket
import subprocess
import sys
import time

import pytest
from bench.service import BenchError, Service, cpu_seconds, family, memory_bytes, waited_seconds

# A supervisor with one child, which answers GET and keeps 30 MB.
SERVICE = """
import http.server, os, subprocess, sys
kept = bytes(30_000_000).replace(b"\\0", b"x")
if len(sys.argv) == 1:
    sys.exit(subprocess.call([sys.executable, __file__, "worker"]))
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"calls": 3, "gc": {"longest_stop_ms": 4.5}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Pages).serve_forever()
"""


def test_a_process_that_has_ended_has_no_family() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in family(os.getpid())
    finally:
        child.communicate(b"\n")
    assert family(child.pid) == []
    assert waited_seconds(child.pid) == 0
    for measure in (cpu_seconds, memory_bytes):
        with pytest.raises(OSError):
            measure(child.pid)


def test_work_and_memory_are_measured() -> None:
    before, began = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - began < 0.1:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.08
    held = memory_bytes(os.getpid())
    kept = bytes(30_000_000).replace(b"\0", b"x")
    assert memory_bytes(os.getpid()) - held > 25_000_000
    del kept


async def test_a_supervisor_is_measured_with_its_workers(tmp_path: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    program = f"{tmp_path}/service.py"
    with open(program, "w") as file:  # noqa: ASYNC230
        file.write(SERVICE)
    core = min(os.sched_getaffinity(0))
    service = Service([sys.executable, program], {"PORT": str(port)}, (core,))
    try:
        await service.wait_until_ready()
        assert service.processes == 2
        assert service.memory_bytes() > 55_000_000
        assert service.cpu_seconds() > 0
        assert await service.health() == {"calls": 3, "gc": {"longest_stop_ms": 4.5}}
        processes = family(service._process.pid)
        assert [os.sched_getaffinity(process) for process in processes] == [{core}, {core}]
    finally:
        for process in family(service._process.pid)[1:]:
            os.kill(process, 15)
        service.stop()
    with pytest.raises(BenchError, match="ended in the middle"):
        service.cpu_seconds()


def test_a_command_that_cannot_be_run_is_told() -> None:
    with pytest.raises(BenchError, match="cannot be run"):
        Service(["/no/such/program"], {"PORT": "1"}, os.sched_getaffinity(0))
