"""How many CPUs this process may use: as many workers are started by default."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

_CGROUP_CPU_MAX: Final = Path("/sys/fs/cgroup/cpu.max")
"""Where a container reads its own quota."""


def allowed_cpus(quota_file: Path = _CGROUP_CPU_MAX) -> int:
    """Return how many CPUs this process may use, by its affinity and the quota in `quota_file`, rounded up."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cpus
    return cpus if quota == "max" else max(1, min(cpus, math.ceil(int(quota) / int(period))))
