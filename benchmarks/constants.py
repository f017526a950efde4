"""The constants of `processor size`, from the results: python -m benchmarks.constants writes them anew."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING, Any

from benchmarks.report import RESULTS
from benchmarks.workload import REFERENCE
from processor.operations import sizing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONSTANTS = Path(sizing.__file__).with_name("sizing.json")
_BASE64_AND_FRAME = 4 / 3
_PARTITION_KEY_BYTES = 55
"""Of a record in a PutRecords body: its key, the members' names, commas."""


def derived() -> dict[str, float]:
    """The constants that the results in `benchmarks/results` give."""
    reference = _figures("end_to_end")
    throughput = {name: each["median"] for name, each in reference["throughput"].items()}
    workload = reference["workload"]
    segments, profiles = _points("segments-mapped"), _points("profiles")
    events = workload["events"] + workload["profiles"]
    records = workload["events"] * workload["share_of_changes"] + workload["profiles"]
    # The smallest events have another mapped part: they tell of another line.
    cpu_us_a_byte = _slope(_points("event-bytes")[1:], _value_bytes, _cpu_us)
    told = {
        "cpu_us": 1e6 / throughput["events_per_cpu_s"],
        "event_bytes": REFERENCE.event_bytes,
        "share_of_changes": REFERENCE.share_of_changes,
        "segments_mapped": REFERENCE.segments_mapped,
        "profiles": REFERENCE.profiles,
        "cpu_us_a_change": _slope(_points("share-of-changes"), _value, _cpu_us),
        # Events grow with their segments: what their bytes cost is counted by itself.
        "cpu_us_a_segment": _slope(
            segments, _value, lambda point: _cpu_us(point) - cpu_us_a_byte * _value_bytes(point)
        ),
        "cpu_us_a_kib": cpu_us_a_byte * 1024,
        "cpu_us_a_tenfold": _slope(profiles, lambda p: math.log10(p["value"]), _cpu_us),
        "export_bytes": _data_bytes(throughput["kinesis_bytes_an_event"] * events / records),
        "export_bytes_a_segment": _slope(segments, _value, _record_bytes),
        "state_bytes": _median(profiles[-1], "state_bytes_a_profile"),
        # A state record's, on disk or in the changelog.
        "state_bytes_a_segment": _slope(segments, _value, _changelog_bytes),
        "changelog_bytes": throughput["changelog_bytes_an_event"] * events / records,
        "worker_bytes": max(map(_peak_bytes, profiles)),
        "worker_bytes_a_segment": _slope(segments, _value, _peak_bytes),
        "restored_per_s": _figures("state")["restore"]["records_per_s"],
    }
    return {name: float(f"{value:.4g}") for name, value in told.items()}


def main() -> None:
    """Write them."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    CONSTANTS.write_text(json.dumps(derived(), indent=2) + "\n", encoding="utf-8")
    print(f"written to {CONSTANTS.name}")


def _figures(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["figures"])


def _points(sweep: str) -> list[dict[str, Any]]:
    return list(_figures(f"scaling-{sweep}")["points"])


def _slope(
    points: Sequence[dict[str, Any]],
    x: Callable[[dict[str, Any]], float],
    y: Callable[[dict[str, Any]], float],
) -> float:
    # None of what is swept makes an event cheaper; where it seems so, that is the machine's drift.
    slope = linear_regression([x(point) for point in points], [y(point) for point in points]).slope
    return max(0.0, slope)


def _value(point: dict[str, Any]) -> float:
    return float(point["value"])


def _cpu_us(point: dict[str, Any]) -> float:
    return 1e6 / _median(point, "events_per_cpu_s")


def _record_bytes(point: dict[str, Any]) -> float:
    """An export's data; a sweep's other figures are those of the reference workload."""
    return _data_bytes(_median(point, "kinesis_bytes_an_event") / _exported_share(point))


def _changelog_bytes(point: dict[str, Any]) -> float:
    """A change's record."""
    return _median(point, "changelog_bytes_an_event") / _exported_share(point)


def _value_bytes(point: dict[str, Any]) -> float:
    return float(point["value_bytes_an_event"])


def _peak_bytes(point: dict[str, Any]) -> float:
    return _median(point, "peak_mib_largest") * 2**20


def _exported_share(point: dict[str, Any]) -> float:
    return float(point.get("exported_share", REFERENCE.share_of_changes))


def _data_bytes(body_bytes: float) -> float:
    return (body_bytes - _PARTITION_KEY_BYTES) / _BASE64_AND_FRAME


def _median(point: dict[str, Any], name: str) -> float:
    return float(point[name]["median"])


if __name__ == "__main__":
    main()
