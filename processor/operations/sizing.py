"""How large a deployment must be: a model of what was measured, for any number of events and profiles.

Its constants stand in `sizing.json`; they are derived from the benchmarks' results, and a test keeps them so. The
model is linear where the measurements are: an event costs what the reference event costs, and more or less for each
change, mapped segment, KiB and tenfold number of profiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

_CONSTANTS: Final = Path(__file__).with_name("sizing.json")
_SHARD_RECORDS_PER_S: Final = 1000
_SHARD_BYTES_PER_S: Final = 1 << 20
_PUT_UNIT_BYTES: Final = 25 * 1024
"""What Kinesis bills as one PUT payload unit."""
_STREAM_HEADROOM: Final = 0.8
_PARTITION_BYTES_PER_S: Final = 5_000_000
"""What is asked of one partition, at most; its broker has others."""
_FETCHED_BYTES_A_PARTITION: Final = 512 * 1024
"""What is fetched and waits to be unpacked: PROCESSOR_KAFKA_PARTITION_FETCH_MAX_BYTES."""
_PARTITIONS_PER_WORKER: Final = 2
"""Partitions cannot be added later: so many workers can be."""
_CHANGELOG_DIRTY: Final = 2.0
"""A compacted topic holds about as many outdated records as current ones."""
_STORE_SLACK: Final = 2.0
"""RocksDB may need as much again while it compacts."""


class Constants(msgspec.Struct, frozen=True):
    """What was measured, of one worker on one CPU, unless the name says otherwise."""

    cpu_us: float
    """An event of the reference workload, the figures of which follow."""
    event_bytes: float
    share_of_changes: float
    segments_mapped: float
    profiles: float
    cpu_us_a_change: float
    cpu_us_a_segment: float
    cpu_us_a_kib: float
    cpu_us_a_tenfold: float
    """Ten times as many profiles."""
    export_bytes: float
    export_bytes_a_segment: float
    state_bytes: float
    """On the local disk, a profile."""
    state_bytes_a_segment: float
    changelog_bytes: float
    """In the changelog, a change."""
    worker_bytes: float
    """Resident, at full load, at most."""
    worker_bytes_a_segment: float
    restored_per_s: float
    """Changelog records, into an empty store."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for; `utilisation` is the share of a CPU that a worker is to use at most."""

    events_per_s: float
    event_bytes: float
    share_of_changes: float
    profiles: float
    segments_mapped: float = 5
    utilisation: float = 0.6
    replicas: float = 3


@dataclass(frozen=True, slots=True)
class Size:
    """What a load takes. Bytes are per worker for memory and local disk, and of all replicas for the changelog."""

    cpu_us_an_event: float
    workers: int
    partitions: int
    worker_memory_bytes: float
    worker_disk_bytes: float
    changelog_bytes: float
    restore_s: float
    """Of one worker whose stores are gone."""
    source_bytes_per_s: float
    shards: int
    put_units_per_s: float
    put_units_a_month: float


def load_constants() -> Constants:
    """Return the constants that were measured of this release."""
    return msgspec.json.decode(_CONSTANTS.read_bytes(), type=Constants)


def size(load: Load, constants: Constants, changelog_kept_s: float) -> Size:
    """Size a deployment for `load`; the changelog keeps every record for `changelog_kept_s`, then one a profile."""
    cpu_us = _cpu_us(load, constants)
    workers = max(1, math.ceil(load.events_per_s * cpu_us / 1e6 / load.utilisation))
    source_bytes_per_s = load.events_per_s * load.event_bytes
    partitions = max(
        workers * _PARTITIONS_PER_WORKER,
        math.ceil(source_bytes_per_s / _PARTITION_BYTES_PER_S),
    )
    more_segments = load.segments_mapped - constants.segments_mapped
    record_bytes = max(200.0, constants.export_bytes + more_segments * constants.export_bytes_a_segment)
    state_bytes = max(64.0, constants.state_bytes + more_segments * constants.state_bytes_a_segment)
    changes_per_s = load.events_per_s * load.share_of_changes
    changelog_records = changes_per_s * changelog_kept_s + load.profiles * _CHANGELOG_DIRTY
    changelog_record_bytes = constants.changelog_bytes + more_segments * constants.state_bytes_a_segment
    put_units_per_s = changes_per_s * math.ceil(record_bytes / _PUT_UNIT_BYTES)
    return Size(
        cpu_us_an_event=cpu_us,
        workers=workers,
        partitions=partitions,
        worker_memory_bytes=constants.worker_bytes
        + partitions / workers * _FETCHED_BYTES_A_PARTITION
        + max(0.0, more_segments) * constants.worker_bytes_a_segment,
        worker_disk_bytes=load.profiles / workers * state_bytes * _STORE_SLACK,
        changelog_bytes=changelog_records * max(64.0, changelog_record_bytes) * load.replicas,
        restore_s=changelog_records / workers / constants.restored_per_s,
        source_bytes_per_s=source_bytes_per_s,
        shards=_shards(changes_per_s, record_bytes),
        put_units_per_s=put_units_per_s,
        put_units_a_month=put_units_per_s * 86_400 * 30,
    )


def _cpu_us(load: Load, constants: Constants) -> float:
    cpu_us = (
        constants.cpu_us
        + (load.share_of_changes - constants.share_of_changes) * constants.cpu_us_a_change
        + (load.segments_mapped - constants.segments_mapped) * constants.cpu_us_a_segment
        + (load.event_bytes - constants.event_bytes) / 1024 * constants.cpu_us_a_kib
        # Fewer profiles than were measured are not counted on to be cheaper.
        + max(0.0, math.log10(max(load.profiles, 1) / constants.profiles)) * constants.cpu_us_a_tenfold
    )
    return max(cpu_us, constants.cpu_us / 4)


def _shards(records_per_s: float, record_bytes: float) -> int:
    needed = max(records_per_s / _SHARD_RECORDS_PER_S, records_per_s * record_bytes / _SHARD_BYTES_PER_S)
    return max(1, math.ceil(needed / _STREAM_HEADROOM))
