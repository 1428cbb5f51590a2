"""How many cores this service may use: what the machine, the affinity and the container allow."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores(cgroups: Path = _CGROUPS) -> int:
    """Return the number of cores, at least 1.

    cgroups: the folder of control groups, as this process sees it.
    """
    # Python 3.13 has os.process_cpu_count.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota(cgroups)
    # Half a core more would be a worker that is stopped half of the time, with its calls.
    return max(1, min(allowed or 1, allowed or 1 if quota is None else math.floor(quota)))


def _quota(cgroups: Path) -> float | None:
    """The CPU quota of a container (cores); None if there is none."""
    try:
        # Version 2: "max 100000" or "150000 100000".
        most, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            most = (cgroups / "cpu/cpu.cfs_quota_us").read_text()
            period = (cgroups / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        share = int(most) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None
