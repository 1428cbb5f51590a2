"""`make run` where something is missing: one sentence that says what to do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import free_port
from tests.support import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What an install needs, without an environment."""
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "locks", tmp_path / "locks")
    return tmp_path


def make_run(checkout: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`make run` with a package index that cannot be reached."""
    closed = f"http://127.0.0.1:{free_port()}/simple"
    offline = {"PIP_INDEX_URL": closed, "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": "/"}
    return subprocess.run(
        ["make", *options, "run", f"PYTHON={sys.executable}"],
        cwd=checkout,
        env=os.environ | offline | env,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@pytest.mark.timeout(180)
def test_without_a_network_the_install_ends_with_one_sentence(checkout: Path) -> None:
    done = make_run(checkout)
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert said[0].startswith("Installing failed: the package index cannot be reached.")
    assert "650 MB on disk" in done.stdout


@pytest.mark.parametrize(
    ("system", "machine", "lock"),
    [
        ("Linux", "aarch64", "core"),
        ("Linux", "x86_64", "sandbox"),
        ("Darwin", "arm64", "sandbox"),
    ],
)
def test_linux_on_arm_gets_the_service_without_the_sandbox(
    checkout: Path, system: str, machine: str, lock: str
) -> None:
    uname = checkout / "bin" / "uname"
    uname.parent.mkdir()
    uname.write_text(f'#!/bin/sh\n[ "$1" = -m ] && echo {machine} || echo {system}\n')
    uname.chmod(0o755)
    done = make_run(checkout, "-n", PATH=f"{uname.parent}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    used = set(re.findall(r"-r locks/(\w+)\.txt", done.stdout))
    assert used == {"build", lock}
    assert ("does not exist for Linux on Arm" in done.stdout) is (lock == "core")
