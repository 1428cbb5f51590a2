"""A package as a stranger gets it: what is in it, and whether it runs once installed.

python -m release.trial contents FILE...         wheels and sdists have all of src/
python -m release.trial run COMMAND VERSION      an installed `avr-sts-speechmatics` works
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

READY_S = 60
"""How long the installed service may take until it is ready (s); a second or two is usual."""


def names_in(archive: Path) -> set[str]:
    """Return the files of a wheel, or of an sdist without its outermost directory."""
    if archive.suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as files:
        return {name.partition("/")[2] for name in files.getnames()}


def missing_from(archive: Path, source: Path) -> set[str]:
    """Return the files below `source` that a wheel or an sdist lacks, by their path in it."""
    prefix = "" if archive.suffix == ".whl" else "src/"
    wanted = {
        prefix + path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return wanted - names_in(archive)


def answers(command: Path, *arguments: str) -> str:
    """Return what a command prints; CalledProcessError if it fails."""
    done = subprocess.run(
        [command, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serves(command: Path, *, ready_s: float = READY_S) -> float:
    """Start the service with clouds that are not there, wait until it is ready, end it.

    Returns the time from the start to readiness, s.

    Raises RuntimeError with the service's log if it ends early, is late, or ends badly.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        # Nothing of the caller's environment, and a directory without a checkout or an .env.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "PORT": str(port),
            "EXTRA_PORTS": "",
            "AUDIOSOCKET_PORT": "0",
            "HTTP_PORT": "0",
            "PHRASE_CACHE_DIR": "off",
            "SPEECHMATICS_API_KEY": "not-a-key",
            "SPEECHMATICS_RT_URL": "ws://127.0.0.1:9/v2",
            "SPEECHMATICS_TTS_URL": "http://127.0.0.1:9",
        }
        log = Path(folder) / "log"
        with log.open("wb") as stream:
            begun = time.monotonic()
            process = subprocess.Popen(
                [command, "serve"], cwd=folder, env=environment, stdout=stream, stderr=stream
            )
        try:
            while not _ready(port):
                if process.poll() is not None or time.monotonic() - begun > ready_s:
                    raise RuntimeError(f"the service was never ready:\n{log.read_text()}")
                time.sleep(0.05)
            took = time.monotonic() - begun
            process.send_signal(signal.SIGTERM)
            if process.wait(30) or "Traceback" in log.read_text():
                raise RuntimeError(f"the service did not end well:\n{log.read_text()}")
            return took
        finally:
            process.kill()
            process.wait()


def _ready(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2).close()
    except OSError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Try what the command line names. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="release.trial", description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    contents = what.add_parser("contents")
    contents.add_argument("files", nargs="+", type=Path)
    run = what.add_parser("run")
    run.add_argument("command", type=Path)
    run.add_argument("version")
    chosen = parser.parse_args(arguments)
    if chosen.what == "contents":
        for archive in chosen.files:
            if missing := missing_from(archive, ROOT / "src"):
                print(f"{archive.name} lacks {', '.join(sorted(missing))}", file=sys.stderr)
                return 1
            print(f"{archive.name}: {len(names_in(archive))} files, {archive.stat().st_size} bytes")
        return 0
    command = chosen.command.absolute()
    said = answers(command, "--version").strip()
    if said != chosen.version:
        print(f"--version prints {said}, not {chosen.version}", file=sys.stderr)
        return 1
    answers(command, "doctor", "--help")
    try:
        took = serves(command)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{said} runs, and is ready {took:.1f} s after its start")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
