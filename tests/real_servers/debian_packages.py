"""Real servers without root: Debian's packages, unpacked into a folder and never installed.

apt, with a state of its own, resolves and downloads packages with all they depend on, the C library
included; the packages are only unpacked, so no script of theirs runs and the machine's own packages
stay as they are. `command` starts a program with the loader and the libraries of the folder: no
chroot, no mount, no root.

The folder is outside the tree; later runs use what is there. To get newer packages remove the
folder.
"""

import fcntl
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PUBLIC_ARCHIVE = "http://deb.debian.org/debian"

DOWNLOAD_S = 600
_LEFT_OUT = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*")


class CannotUnpack(Exception):
    """The packages could not be got here; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Packages that belong together.

    name: of the folder in the user's cache.
    suite: Debian's suite.
    packages: names of the packages; all they depend on comes with them.
    finish: called with the root once everything is unpacked; what it raises discards the root.
    left_out: beginnings of the names of packages that are not unpacked.
    """

    name: str
    suite: str
    packages: tuple[str, ...]
    finish: Callable[[Path], None]
    left_out: tuple[str, ...] = ()


def default_folder(wanted: Wanted) -> Path:
    """`AVR_TEST_<NAME>_CACHE`, or a folder of this project in the user's cache."""
    chosen = os.environ.get(f"AVR_TEST_{wanted.name.upper()}_CACHE")
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "avr-sts-speechmatics" / wanted.name


def unpack(wanted: Wanted, folder: Path | None = None) -> Path:
    """The root under which the files lie; returns at once when they are there.

    Takes up to half a minute the first time. Raises CannotUnpack.
    """
    folder = folder or default_folder(wanted)
    root = folder / wanted.suite
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
                _unpack(wanted, Path(partial))
                # Only a whole one gets the name that is looked for.
                (Path(partial) / "root").rename(root)
    return root


def command(root: Path, program: str, *arguments: str) -> list[str]:
    """The command line that runs `program` of the unpacked root with its own libraries."""
    loader = next(root.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"))
    found = next(root.glob(f"usr/*bin/{program}"))
    libraries = f"{loader.parent}:{root / 'usr/lib'}"
    return [str(loader), "--library-path", libraries, str(found), *arguments]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs at once must not both download."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(wanted: Wanted, partial: Path) -> None:
    root, state = partial / "root", partial / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    source = f"deb [signed-by={KEYRING}] {_archive()} {wanted.suite} main\n"
    (state / "sources.list").write_text(source)
    apt = ["apt-get", "-qq", "-y", *_apt_options(state)]
    run([*apt, "update"])
    run([*apt, "--download-only", "-o", "Dpkg::Use-Pty=0", "install", *wanted.packages])

    # Merged /usr: the links stand first, and tar must not replace them.
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted((state / "cache/archives").glob("*.deb")):
        if not package.name.startswith(wanted.left_out):
            _extract(package, root)
    wanted.finish(root)


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


def run(words: Sequence[str]) -> None:
    """Run a command. Raises CannotUnpack with what the command said."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=DOWNLOAD_S
        )
    except subprocess.TimeoutExpired as error:
        raise CannotUnpack(f"{words[0]} took longer than {DOWNLOAD_S} s; try again") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CannotUnpack(f"{words[0]} failed: {said}; check the network and apt's sources")
