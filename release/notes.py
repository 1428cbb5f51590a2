"""The notes of a release: its section of CHANGELOG.md; and whether its version is the tag's.

    python -m release.notes                  notes of the version in the sources, released or not
    python -m release.notes --tag v1.2.3     notes of the release that this tag is about to make

A tag must name the version in the sources, and its section must have a date. Before that the
section is called `[Unreleased]: 1.2.3`.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent

_HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?P<rest>.*)$", re.MULTILINE)
_DATE = re.compile(r" - \d{4}-\d{2}-\d{2}")


class ReleaseError(Exception):
    """This cannot be released; the message says what to change."""


def version_of(root: Path) -> str:
    """Return the version in the sources.

    root: the checkout.

    Raises ReleaseError if pyproject.toml and the package disagree.
    """
    project: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    package = (root / "src" / "avr_sts_speechmatics" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.*)"$', package, re.MULTILINE)
    if found is None or found[1] != project:
        said = found[1] if found else "none"
        raise ReleaseError(
            f"pyproject.toml has version {project}, __version__ is {said}: change one"
        )
    return project


def require_tag(tag: str, version: str) -> None:
    """Raise ReleaseError unless `tag` is `v` and the version in the sources."""
    if tag != f"v{version}":
        raise ReleaseError(
            f"the tag is {tag}, the version in pyproject.toml and __version__ is {version}: "
            f"tag v{version}, or change both"
        )


def notes_of(changelog: str, version: str, *, released: bool) -> str:
    """Return a version's section without its heading, one line for each paragraph and item.

    changelog: CHANGELOG.md.
    released: whether the section must have a date.

    Line breaks within a paragraph go, because forges show each of them.

    Raises ReleaseError if there is no such section, or nothing in the section.
    """
    headings = list(_HEADING.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading["name"] == version:
            if not _DATE.fullmatch(heading["rest"]):
                raise ReleaseError(f"CHANGELOG.md: [{version}] has no date such as 2026-01-31")
        elif released or (heading["name"], heading["rest"]) != ("Unreleased", f": {version}"):
            continue
        section = changelog[heading.end() : following.start() if following else None]
        section = re.sub(r"^\[[^\]]+\]: \S+$", "", section, flags=re.MULTILINE).strip()
        if not section:
            raise ReleaseError(f"CHANGELOG.md: the section of {version} is empty")
        return re.sub(r"(?<=\S)\n {0,3}(?![-#*\n ])(?=\S)", " ", section) + "\n"
    wanted = f"## [{version}] - 2026-01-31, with the date of the day"
    if not released:
        wanted += f", nor ## [Unreleased]: {version}"
    raise ReleaseError(f"CHANGELOG.md has no section {wanted}")


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Print the notes. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="release.notes", description=__doc__.splitlines()[0])
    parser.add_argument("--tag", help="tag that is about to be released")
    parser.add_argument("--version", action="store_true", help="print the version instead")
    chosen = parser.parse_args(arguments)
    try:
        version = version_of(root)
        if chosen.tag:
            require_tag(chosen.tag, version)
        changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
        notes = notes_of(changelog, version, released=bool(chosen.tag))
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    print(version if chosen.version else notes, end="\n" if chosen.version else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
