"""What a benchmark leaves behind: figures with the machine and the versions that they hold for."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from processor.native import CORE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("aiokafka", "aiobotocore", "orjson", "msgspec", "rocksdict", "uvloop")


def write(name: str, figures: dict[str, Any]) -> Path:
    """Keep the figures of one run, in place of the run before; where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(
        json.dumps({"machine": _machine(), "figures": figures}, indent=2) + "\n", encoding="utf-8"
    )
    return path


def kept(name: str) -> dict[str, Any]:
    """Return the figures that were kept last; none where none were."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["figures"] if path.exists() else {}
    return found


def spread(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Of each figure: the median of the rows, the least and the greatest, and all of them."""
    return {
        name: {
            "median": _rounded(median(row[name] for row in rows)),
            "min": _rounded(min(row[name] for row in rows)),
            "max": _rounded(max(row[name] for row in rows)),
            "runs": [_rounded(row[name]) for row in rows],
        }
        for name in rows[0]
    }


def _rounded(value: float) -> float:
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")


def _machine() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "core": CORE,
        "packages": {package: importlib.metadata.version(package) for package in _PACKAGES},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
