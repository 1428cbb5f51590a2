"""How many cores the service may use."""

import os
from pathlib import Path

import pytest

from avr_sts_speechmatics.workers.cores import usable_cores

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000\n", HERE),
        ("100000 100000\n", 1),
        ("150000 100000\n", 1),
        ("10000 100000\n", 1),
        ("9900000 100000\n", HERE),
        ("nonsense\n", HERE),
    ],
)
def test_the_quota_of_a_container_counts(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", HERE), ("100000", 1)])
def test_the_older_control_groups_count_too(quota: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert usable_cores(tmp_path) == cores


def test_without_a_container_all_allowed_cores_count(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == HERE
