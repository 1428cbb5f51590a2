"""A real Prometheus for tests, and `promtool`.

    with prometheus_server(configuration) as server:
        found = server.query("up")

`servers` says where the programs come from and when the tests are skipped.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from tests.real_servers.debian_packages import CannotUnpack, Wanted, command, run, unpack
from tests.real_servers.servers import RealServer, free_port, short_folder

SAMPLES_S = 30.0
"""Longest wait for the first samples (s): targets are handed to the scraper every 5 s."""

PROGRAMS = ("prometheus", "promtool")

# The web pages of Prometheus are not needed, nor are Perl and what installs packages: 300 MB.
_LEFT_OUT = (
    "libjs-",
    "fonts-",
    "perl",
    "libperl",
    "debconf",
    "cdebconf",
    "node-",
    "passwd",
    "adduser",
)


def _try_out(root: Path) -> None:
    for name in PROGRAMS:
        run(command(root, name, "--version"))


PROMETHEUS = Wanted("prometheus", "trixie", ("prometheus",), _try_out, _LEFT_OUT)


@cache
def program(name: str) -> tuple[str, ...]:
    """The beginning of the command line that starts a program. name: one of PROGRAMS."""
    if found := shutil.which(name):
        return (found,)
    try:
        return tuple(command(unpack(PROMETHEUS), name))
    except CannotUnpack as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{name} cannot be had here: {error}")


def promtool(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool. given: its standard input."""
    words = [*program("promtool"), *arguments]
    return subprocess.run(
        words, input=given, capture_output=True, text=True, check=False, timeout=60
    )


class RealPrometheus(RealServer):
    """A Prometheus server.

    configuration: its configuration, a YAML file.
    """

    def __init__(self, configuration: Path, folder: Path, port: int) -> None:
        self.port = port
        words = [
            *program("prometheus"),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        super().__init__(words, self._is_ready, folder)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression is now: a list of series with `metric` and `value`.

        Raises ValueError if the expression is wrong.
        """
        found: list[dict[str, Any]] = self._get("/api/v1/query", query=expression)["result"]
        return found

    def until(self, expression: str) -> list[dict[str, Any]]:
        """Wait until an expression has a value."""
        end = time.monotonic() + SAMPLES_S
        while not (found := self.query(expression)):
            if time.monotonic() > end:
                raise TimeoutError(expression)
            time.sleep(0.1)
        return found

    def _get(self, path: str, **query: str) -> Any:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}?{urlencode(query)}") as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise ValueError(f"{query}: {json.load(error).get('error')}") from error

    def _is_ready(self) -> bool:
        with suppress(URLError, OSError):
            with urlopen(f"http://127.0.0.1:{self.port}/-/ready") as answer:
                return bool(answer.status == 200)
        return False


@contextmanager
def prometheus_server(configuration: str) -> Iterator[RealPrometheus]:
    """A running Prometheus. configuration: the text of its file."""
    with short_folder() as folder:
        (folder / "prometheus.yml").write_text(configuration, encoding="utf-8")
        server = RealPrometheus(folder / "prometheus.yml", folder, free_port())
        try:
            server.start()
        except RuntimeError:  # another program may have taken the port in between
            server = RealPrometheus(folder / "prometheus.yml", folder, free_port())
            server.start()
        try:
            yield server
        finally:
            server.stop()
