"""What a release is tried with notices what a stranger would."""

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from release.trial import main, missing_from, serves
from tests.support import ROOT

from avr_sts_speechmatics import __version__


def command(folder: Path, text: str) -> Path:
    file = folder / "command"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The command as an install makes it, but for these sources."""
    path = os.pathsep.join([str(ROOT / "src"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    run = f'PYTHONPATH="{path}" exec "{sys.executable}" -m avr_sts_speechmatics "$@"'
    return command(tmp_path, run)


def test_an_installed_service_that_works_passes(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(installed), __version__]) == 0
    assert f"{__version__} runs, and is ready" in capsys.readouterr().out


def test_another_version_than_the_tag_fails(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(installed), "9.9.9"]) == 1
    assert "not 9.9.9" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["echo No module; exit 1", "echo No module; sleep 60"])
def test_a_service_that_is_never_ready_fails_with_its_log(tmp_path: Path, text: str) -> None:
    with pytest.raises(RuntimeError, match="never ready:\nNo module"):
        serves(command(tmp_path, text), ready_s=1)


def archives(folder: Path, *names: str) -> tuple[Path, Path]:
    """A wheel and an sdist with empty files of these names."""
    wheel, sdist = folder / "a-1.whl", folder / "a-1.tar.gz"
    with zipfile.ZipFile(wheel, "w") as files:
        for name in names:
            files.writestr(name, "")
    with tarfile.open(sdist, "w:gz") as packed:
        for name in names:
            packed.addfile(tarfile.TarInfo(f"a-1/src/{name}"), io.BytesIO())
    return wheel, sdist


def test_a_file_that_is_not_shipped_is_named(tmp_path: Path) -> None:
    package = tmp_path / "src" / "a"
    (package / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "py.typed", "faq.yaml", "__pycache__/a.pyc"):
        (package / name).touch()
    wheel, sdist = archives(tmp_path, "a/__init__.py", "a/py.typed")
    assert missing_from(wheel, tmp_path / "src") == {"a/faq.yaml"}
    assert missing_from(sdist, tmp_path / "src") == {"src/a/faq.yaml"}


def test_an_archive_without_the_sources_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel, _ = archives(tmp_path, "a/__init__.py")
    assert main(["contents", str(wheel)]) == 1
    assert "avr_sts_speechmatics/py.typed" in capsys.readouterr().err
