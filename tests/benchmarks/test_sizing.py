"""`processor size`: its constants are the measured ones, and its answers what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from benchmarks.constants import CONSTANTS, derived
from benchmarks.document import written
from processor.cli.app import app
from processor.operations.sizing import Constants, Load, Size, load_constants, size

if TYPE_CHECKING:
    from pathlib import Path

_DAY_S = 86_400
_CONSTANTS = Constants(
    cpu_us=30,
    event_bytes=1024,
    share_of_changes=0.7,
    segments_mapped=5,
    profiles=50_000,
    cpu_us_a_change=10,
    cpu_us_a_segment=1,
    cpu_us_a_kib=0.5,
    cpu_us_a_tenfold=2,
    export_bytes=500,
    export_bytes_a_segment=50,
    state_bytes=200,
    state_bytes_a_segment=20,
    changelog_bytes=300,
    worker_bytes=200 << 20,
    worker_bytes_a_segment=1 << 20,
    restored_per_s=200_000,
)
_REFERENCE = Load(10_000, 1024, 0.7, 50_000)


def sized(**changes: float) -> Size:
    return size(replace(_REFERENCE, **changes), _CONSTANTS, _DAY_S)


def test_the_shipped_constants_are_those_of_the_results() -> None:
    assert json.loads(CONSTANTS.read_text(encoding="utf-8")) == derived()


def test_the_page_shows_the_results(request: pytest.FixtureRequest) -> None:
    page: Path = request.config.rootpath / "docs" / "performance.md"
    text = page.read_text(encoding="utf-8")
    assert written(text) == text


def test_the_reference_load_costs_what_was_measured() -> None:
    told = sized()
    assert told.cpu_us_an_event == 30
    assert told.workers == 1  # 0.3 of a CPU, and 0.6 may be used


@pytest.mark.parametrize(
    ("changes", "cpu_us"),
    [
        ({"share_of_changes": 1.0}, 33),
        ({"segments_mapped": 25}, 50),
        ({"event_bytes": 1024 * 21}, 40),
        ({"profiles": 5_000_000}, 34),
        ({"profiles": 10}, 30),
    ],
)
def test_each_thing_that_was_measured_adds_its_own(changes: dict[str, float], cpu_us: float) -> None:
    assert sized(**changes).cpu_us_an_event == pytest.approx(cpu_us)


def test_a_million_events_a_second_and_a_billion_profiles() -> None:
    told = sized(events_per_s=1e6, profiles=1e9)
    cpu_us = 30 + 2 * 4.30103
    assert told.workers == 65  # of 38.6 CPUs, used to 60%
    assert told.cpu_us_an_event == pytest.approx(cpu_us, rel=1e-4)
    assert told.partitions == 205  # 1.024 GB/s, at 5 MB/s each
    assert told.shards == 875  # 700,000 records a second, 1,000 each, a fifth to spare
    assert told.put_units_per_s == 700_000
    assert told.put_units_a_month == 700_000 * _DAY_S * 30
    assert told.worker_disk_bytes == pytest.approx(1e9 / 65 * 200 * 2)
    assert told.changelog_bytes == pytest.approx((700_000 * _DAY_S + 2e9) * 300 * 3)
    assert told.restore_s == pytest.approx((700_000 * _DAY_S + 2e9) / 65 / 200_000)


def test_large_exports_need_shards_for_their_bytes_and_more_put_units() -> None:
    told = sized(segments_mapped=1005)
    assert told.put_units_per_s == 7_000 * 2  # 50.5 KB are two units of 25 KiB
    assert told.shards == 422  # 7,000 x 50.5 KB a second, 1 MiB each, a fifth to spare


def test_partitions_leave_room_for_twice_the_workers() -> None:
    told = sized(events_per_s=100_000)
    assert told.workers == 5
    assert told.partitions == 21  # here by their bytes
    assert sized(events_per_s=100_000, event_bytes=100).partitions == 10
    assert sized(events_per_s=1).partitions == 2


def test_more_segments_take_more_memory() -> None:
    def memory_bytes(segments: int) -> float:
        told = sized(segments_mapped=segments)
        return told.worker_memory_bytes - told.partitions / told.workers * (512 << 10)

    assert memory_bytes(105) == 300 << 20
    assert memory_bytes(1) == 200 << 20


def test_more_partitions_take_more_memory() -> None:
    few, many = sized(events_per_s=1), sized(events_per_s=2_000, event_bytes=100_000)
    assert few.workers == many.workers == 1
    assert many.worker_memory_bytes - few.worker_memory_bytes == (many.partitions - few.partitions) * (
        512 << 10
    )


def test_more_of_anything_never_makes_it_smaller() -> None:
    for name, values in {
        "events_per_s": (1, 1e3, 1e6),
        "event_bytes": (500, 5e3, 5e4),
        "share_of_changes": (0.1, 0.5, 1.0),
        "profiles": (1e3, 1e6, 1e9),
        "segments_mapped": (1, 50, 500),
    }.items():
        costs = [size(replace(_REFERENCE, **{name: v}), load_constants(), _DAY_S) for v in values]
        assert [c.cpu_us_an_event for c in costs] == sorted(c.cpu_us_an_event for c in costs), name
        assert [c.shards for c in costs] == sorted(c.shards for c in costs), name
        assert [c.workers for c in costs] == sorted(c.workers for c in costs), name
        assert [c.partitions for c in costs] == sorted(c.partitions for c in costs), name
        assert [c.changelog_bytes for c in costs] == sorted(c.changelog_bytes for c in costs), name


def test_the_command_prints_all_that_is_to_be_bought() -> None:
    told = CliRunner().invoke(
        app, ["size", "--events-per-second", "1000000", "--profiles", "1000000000", "--event-bytes", "1200"]
    )
    assert told.exit_code == 0
    for name in ("workers", "partitions", "memory", "disk", "changelog", "restore", "shards", "PUT units"):
        assert name in told.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--share-of-changes", "1.5"],
        ["--events-per-second", "inf"],
        ["--events-per-second", "nan"],
        ["--profiles", "1e300"],
        ["--event-bytes", "0"],
        ["--segments-mapped", "100000"],
    ],
)
def test_the_command_refuses_what_cannot_be(options: list[str]) -> None:
    told = CliRunner().invoke(app, ["size", "--events-per-second", "10", "--profiles", "10", *options])
    assert told.exit_code == 2, told.output
