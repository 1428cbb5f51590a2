"""`make run` where something is missing: one sentence that says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import free_port
from tests.support import ROOT


@pytest.mark.timeout(180)
def test_without_a_network_the_install_ends_with_one_sentence(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    closed = f"http://127.0.0.1:{free_port()}/simple"
    done = subprocess.run(
        ["make", "run", f"PYTHON={sys.executable}"],
        cwd=tmp_path,
        env=os.environ | {"PIP_INDEX_URL": closed, "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": "/"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert said[0].startswith("Installing failed: the package index cannot be reached.")
    assert "650 MB on disk" in done.stdout
