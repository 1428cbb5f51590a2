"""A real PostgreSQL for tests, in a folder of its own.

    with postgresql_server() as server:
        url = server.new_database()
        server.freeze()

`servers` says where the programs come from and when the tests are skipped.
"""

import os
import pwd
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.real_servers.debian_packages import CannotUnpack, Wanted, run, unpack
from tests.real_servers.servers import RealServer, free_port, short_folder, started

# A server that is killed keeps what was committed: only a power cut would lose it.
_OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=60")


_OF_THE_MACHINE = Path("/usr/lib/postgresql")

_PROGRAMS = "usr/lib/postgresql/17/bin"


def _wrap(root: Path) -> None:
    """Put a script in the place of each program: initdb starts postgres by the name alone."""
    for pattern in ("usr/lib/*/libLLVM*", "usr/lib/postgresql/*/lib/llvmjit*", "usr/share/perl"):
        for path in root.glob(pattern):  # half of the size, and of no use here
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    loader = next(root.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"))
    libraries = f"{loader.parent}:{root / 'usr/lib'}"
    for name in ("postgres", "initdb", "pg_isready", "psql"):
        program = root / _PROGRAMS / name
        real = program.rename(program.with_suffix(".real"))
        # The root is moved once everything is unpacked, so that paths are those of the script.
        here = '$(dirname "$(readlink -f "$0")")'
        to_root = "/".join(".." for _ in _PROGRAMS.split("/"))
        found = ":".join(
            f"$d/{to_root}/{Path(path).relative_to(root)}" for path in libraries.split(":")
        )
        program.write_text(
            f"#!/bin/sh\nd={here}\n"
            f'exec "$d/{to_root}/{loader.relative_to(root)}" --library-path "{found}" '
            f'--argv0 "$d/{name}" "$d/{real.name}" "$@"\n'
        )
        program.chmod(0o755)
        run([str(program), "--version"])


POSTGRESQL = Wanted("postgresql", "trixie", ("postgresql-17",), _wrap)


@cache
def program(name: str) -> tuple[str, ...]:
    """The beginning of the command line that starts a program of PostgreSQL.

    name: such as postgres or initdb.
    """
    if of_machine := list(_OF_THE_MACHINE.glob(f"*/bin/{name}")):
        return (str(max(of_machine, key=lambda path: int(path.parts[4]))),)
    try:
        return (str(unpack(POSTGRESQL, _folder()) / _PROGRAMS / name),)
    except CannotUnpack as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL cannot be had here: {error}")


def _folder() -> Path | None:
    """Where the packages are unpacked; None for the usual folder.

    The home of root is closed to the user as whom PostgreSQL runs then.
    """
    chosen = os.environ.get("AVR_TEST_POSTGRESQL_CACHE")
    return None if os.geteuid() or chosen else Path("/var/tmp/avr-sts-speechmatics-postgresql")


def _user() -> Mapping[str, Any]:
    """Options of a process: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class RealPostgresql(RealServer):
    """A PostgreSQL server; its folder outlives a stop and a kill.

    url: address without the name of a database.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"postgresql://test@127.0.0.1:{port}"
        self._folder_of_data = folder
        if not os.geteuid():
            shutil.chown(folder, _user()["user"], _user()["group"])
        options = (*_OPTIONS, f"port={port}", "listen_addresses=127.0.0.1")
        words = [*program("postgres"), "-D", str(folder / "d")]
        for option in (*options, f"unix_socket_directories={folder}"):
            words += ["-c", option]
        super().__init__(words, self._ready, folder, process_options=_user(), stop=signal.SIGINT)

    def make(self) -> None:
        """Make the folder of the server's data."""
        subprocess.run(
            [
                *program("initdb"),
                *("-D", str(self._folder_of_data / "d"), "-U", "test", "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ],
            check=True,
            cwd=self._folder_of_data,
            stdout=subprocess.DEVNULL,
            **_user(),
        )

    def _ready(self) -> bool:
        words = [*program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(words, check=False).returncode == 0

    def freeze(self) -> None:
        """Let the server stand still, with the processes of its connections."""
        super().freeze()
        self._signal_connections(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server go on."""
        self._signal_connections(signal.SIGCONT)
        super().thaw()

    def stop(self) -> None:
        """End the server in order. Does nothing if the server has ended."""
        self._signal_connections(signal.SIGCONT)
        super().stop()

    def _signal_connections(self, number: signal.Signals) -> None:
        # Each has a session of its own: a signal to the group of the server does not reach them.
        with suppress(FileNotFoundError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
            for child in children.split():
                with suppress(ProcessLookupError):
                    os.kill(int(child), number)

    def new_database(self) -> str:
        """Make an empty database and return the address of the database."""
        name = f"t{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def run(self, statement: str, database: str = "postgres") -> str:
        """Run a statement and return what psql prints."""
        words = [*program("psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]
        address = f"{self.url}/{database}"
        done = subprocess.run(
            [*words, "-d", address, "-c", statement], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


@contextmanager
def postgresql_server() -> Iterator[RealPostgresql]:
    """A running PostgreSQL. It may be stopped and started meanwhile."""
    with short_folder() as folder:

        def make() -> RealPostgresql:
            server = RealPostgresql(folder, free_port())
            if not (folder / "d").exists():
                server.make()
            return server

        server = started(make)
        try:
            yield server
        finally:
            server.stop()
