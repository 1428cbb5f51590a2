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

from tests.real_servers.servers import RealServer, free_port, short_folder, started

# A server that is killed keeps what was committed: only a power cut would lose it.
_OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=60")


@cache
def program(name: str) -> tuple[str, ...]:
    """The beginning of the command line that starts a program of PostgreSQL.

    name: such as postgres or initdb.
    """
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return (str(max(found, key=lambda path: int(path.parts[4]))),)


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
