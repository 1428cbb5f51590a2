"""A release's notes are its section of the changelog; a tag that does not fit releases nothing."""

import re
from pathlib import Path

import pytest
from release.notes import ReleaseError, main, notes_of, require_tag, version_of
from tests.support import ROOT

CHANGELOG = """\
# Changelog

About [versions].

## [Unreleased]: 1.2.0

### Added

- One thing that takes
  two lines.
- Another.

## [1.1.0] - 2026-01-31

### Fixed

- A fault.

    make run

## [1.0.0]

- First.

## [0.9.0] - 2025-12-01

[versions]: https://example.com/versions
"""


def test_the_section_of_a_version_is_all_of_it_and_nothing_else() -> None:
    assert notes_of(CHANGELOG, "1.1.0", released=True) == (
        "### Fixed\n\n- A fault.\n\n    make run\n"
    )


def test_line_breaks_within_an_item_go_and_items_stay() -> None:
    notes = notes_of(CHANGELOG, "1.2.0", released=False)
    assert notes == "### Added\n\n- One thing that takes two lines.\n- Another.\n"


@pytest.mark.parametrize(
    ("version", "released", "advice"),
    [
        ("1.2.0", True, "has no section ## [1.2.0] - 2026-01-31"),
        ("1.3.0", False, "nor ## [Unreleased]: 1.3.0"),
        ("1.0.0", True, "[1.0.0] has no date"),
        ("1.0.0", False, "[1.0.0] has no date"),
        ("0.9.0", True, "the section of 0.9.0 is empty"),
        ("1", False, "no section"),
    ],
)
def test_a_version_without_a_section_fit_to_publish_is_refused(
    version: str, released: bool, advice: str
) -> None:
    with pytest.raises(ReleaseError, match=re.escape(advice)):
        notes_of(CHANGELOG, version, released=released)


@pytest.mark.parametrize("tag", ["v1.2.1", "1.2.0", "v1.2.0-rc1", "v1.2", ""])
def test_a_tag_is_v_and_the_version_in_the_sources(tag: str) -> None:
    require_tag("v1.2.0", "1.2.0")
    with pytest.raises(ReleaseError, match=r"tag v1\.2\.0, or change both"):
        require_tag(tag, "1.2.0")


def checkout(folder: Path, project: str, package: str, changelog: str = CHANGELOG) -> Path:
    source = folder / "src" / "avr_sts_speechmatics"
    source.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{project}"\n')
    (source / "__init__.py").write_text(f'"""Text."""\n\n__version__ = "{package}"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    return folder


def test_the_two_places_of_the_version_agree(tmp_path: Path) -> None:
    assert version_of(checkout(tmp_path / "same", "1.1.0", "1.1.0")) == "1.1.0"
    with pytest.raises(ReleaseError, match=r"1\.1\.0, __version__ is 1\.0\.9"):
        version_of(checkout(tmp_path / "other", "1.1.0", "1.0.9"))


def test_a_command_prints_the_notes_or_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = checkout(tmp_path, "1.1.0", "1.1.0")
    assert main(["--tag", "v1.1.0"], root) == 0
    assert capsys.readouterr().out.startswith("### Fixed\n")
    assert main(["--tag", "v1.1.0", "--version"], root) == 0
    assert capsys.readouterr().out == "1.1.0\n"
    assert main(["--tag", "v1.2.0"], root) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_this_version_has_notes() -> None:
    version = version_of(ROOT)
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert len(notes_of(changelog, version, released=False)) > 100
