"""A real Asterisk without root: Debian's packages, unpacked into a folder and never installed.

    .venv/bin/python -m tests.asterisk.unpacked        where it is, after getting it if need be

Debian's unstable suite has Asterisk 22; the stable ones have it without chan_websocket or not at
all. 90 MB come down, 250 MB stay, in a folder outside the tree (`real_servers/debian_packages`).
"""

import sys
from pathlib import Path

from tests.real_servers.debian_packages import CannotUnpack, Wanted, command, run, unpack

__all__ = ["command", "modules", "unpacked"]


def unpacked(folder: Path | None = None) -> Path:
    """The root under which Asterisk's files lie; see `unpack`."""
    return unpack(ASTERISK, folder)


def modules(root: Path) -> Path:
    """Where Asterisk's modules lie."""
    return next(root.glob("usr/lib/*/asterisk/modules"))


def _finish(root: Path) -> None:
    # Debian's script makes this link when the prompts are installed.
    sounds = root / "usr/share/asterisk/sounds"
    (sounds / "en").symlink_to(next(sounds.glob("en_*")).name)
    run(command(root, "asterisk", "-V"))


ASTERISK = Wanted("asterisk", "sid", ("asterisk",), _finish)


if __name__ == "__main__":
    try:
        print(unpacked())
    except CannotUnpack as error:
        sys.exit(str(error))
