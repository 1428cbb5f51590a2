"""Versions of the libraries on which the sound of a call depends, for `/health`."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("aiohttp", "msgspec", "numpy", "picows", "uvloop")


@cache
def versions() -> dict[str, str]:
    """Return the version of each library that is installed, by its name."""
    # Kept: reading a package's metadata takes half a millisecond.
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
