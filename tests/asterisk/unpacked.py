"""A real Asterisk without root: Debian's packages, unpacked into a folder and never installed.

    .venv/bin/python -m tests.asterisk.unpacked        where it is, after getting it if need be

apt, with a state of its own, resolves and downloads Asterisk with all it depends on, the C library
included; the packages are only unpacked, so no script of theirs runs and the machine's own packages
stay as they are. `command` starts a program with the loader and the libraries of the folder: no
chroot, no mount, no root.

Debian's unstable suite has Asterisk 22; the stable ones have it without chan_websocket or not at
all. 90 MB come down, 250 MB stay, in a folder outside the tree; later runs use what is there.
To get a newer Asterisk remove the folder.
"""

import fcntl
import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SUITE = "sid"
PACKAGES = ("asterisk",)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PUBLIC_ARCHIVE = "http://deb.debian.org/debian"

DOWNLOAD_S = 600
_LEFT_OUT = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*")


class CannotUnpack(Exception):
    """Asterisk could not be got here; the text says what to do."""


def default_folder() -> Path:
    """`AVR_TEST_ASTERISK_CACHE`, or a folder of this project in the user's cache."""
    chosen = os.environ.get("AVR_TEST_ASTERISK_CACHE")
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "avr-sts-speechmatics" / "asterisk"


def unpacked(folder: Path | None = None) -> Path:
    """The root under which Asterisk's files lie; returns at once when they are there.

    Takes half a minute the first time. Raises CannotUnpack.
    """
    folder = folder or default_folder()
    root = folder / SUITE
    if root.is_dir():
        return root
    for program in ("apt-get", "dpkg-deb", "tar"):
        if shutil.which(program) is None:
            raise CannotUnpack(f"{program} is needed: run this on Debian, Ubuntu or in a container")
    if not KEYRING.is_file():
        raise CannotUnpack(f"{KEYRING} is needed: apt-get install debian-archive-keyring")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        # Another run may have been waited for.
        if not root.is_dir():
            with tempfile.TemporaryDirectory(prefix="partial-", dir=folder) as partial:
                _unpack(Path(partial))
                # Only a whole one gets the name that is looked for.
                (Path(partial) / "root").rename(root)
    return root


def command(root: Path, program: str, *arguments: str) -> list[str]:
    """The command line that runs `program` of the unpacked root with its own libraries."""
    loader = next(root.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"))
    found = next(root.glob(f"usr/*bin/{program}"))
    libraries = f"{loader.parent}:{root / 'usr/lib'}"
    return [str(loader), "--library-path", libraries, str(found), *arguments]


def modules(root: Path) -> Path:
    """Where Asterisk's modules lie."""
    return next(root.glob("usr/lib/*/asterisk/modules"))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs at once must not both download."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(partial: Path) -> None:
    root, state = partial / "root", partial / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_archive()} {SUITE} main\n")
    apt = ["apt-get", "-qq", "-y", *_apt_options(state)]
    _run([*apt, "update"])
    _run([*apt, "--download-only", "-o", "Dpkg::Use-Pty=0", "install", *PACKAGES])

    # Merged /usr: the links stand first, and tar must not replace them.
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted((state / "cache/archives").glob("*.deb")):
        _extract(package, root)
    # Debian's script makes this link when the prompts are installed.
    sounds = root / "usr/share/asterisk/sounds"
    (sounds / "en").symlink_to(next(sounds.glob("en_*")).name)
    _run(command(root, "asterisk", "-V"))


def _archive() -> str:
    """The Debian archive this machine is set up for, or the public one."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    for line in listed.stdout.splitlines():
        archive, release, component = line.split(" ")
        # A dash stands in the names of the security, updates and backports suites.
        if component == "main" and "-" not in release and archive.rstrip("/").endswith("/debian"):
            return archive
    return PUBLIC_ARCHIVE


def _apt_options(state: Path) -> list[str]:
    options = {
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": getpass.getuser(),
        "APT::Install-Recommends": "0",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Binary::apt::APT::Keep-Downloaded-Packages": "1",
    }
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def _extract(package: Path, root: Path) -> None:
    leave_out = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    tar = ["tar", "-x", "-C", str(root), "--no-same-owner", "--keep-directory-symlink", *leave_out]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as files:
        done = subprocess.run(tar, stdin=files.stdout, capture_output=True, text=True, check=False)
    if done.returncode or files.returncode:
        raise CannotUnpack(f"{package.name} could not be unpacked: {done.stderr.strip()}")


def _run(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=DOWNLOAD_S
        )
    except subprocess.TimeoutExpired as error:
        raise CannotUnpack(f"{words[0]} took longer than {DOWNLOAD_S} s; try again") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CannotUnpack(f"{words[0]} failed: {said}; check the network and apt's sources")


if __name__ == "__main__":
    try:
        print(unpacked())
    except CannotUnpack as error:
        sys.exit(str(error))
