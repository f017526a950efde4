"""What must hold of a life in the end: of exports, of state, and of dead letters."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from processor.errors import Reason
from processor.kafka.changelog import OWN_KEYS
from processor.kafka.changelog_batches import BACKFILL_HEADER, OFFSET_HEADER
from processor.kafka.dead_letters import HEADER_PREFIX
from processor.profile.state_record import encode_departed, has_departed, record_order
from tests.simulation.violation import Violation
from tests.simulation.workload import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World


def check_outcome(world: World) -> None:
    """See that all holds, of a life in which no configuration changes.

    Raises:
        Violation: something does not.

    """
    _check_exports(world)
    expected = world.workload.states
    check_state(world, lambda partition, kept: _different(kept, expected[partition]))
    letters = {(*place, Reason.BAD_JSON.value) for place in world.workload.poisoned}
    rejected = {(*world.workload.origins[data], Reason.REJECTED.value) for data in world.rejected}
    found = dead_letters(world)
    if found != letters | rejected:
        raise Violation(f"dead letters {sorted(found)}, expected {sorted(letters | rejected)}")


def first_occurrences(world: World) -> dict[bytes, list[bytes]]:
    """What each profile's consumer sees, repeats left out."""
    found: dict[bytes, dict[bytes, None]] = defaultdict(dict)
    for record in world.kinesis.stored:
        found[record.partition_key.encode()][record.data] = None
    return {profile: list(exports) for profile, exports in found.items()}


def check_repeats(world: World) -> None:
    """See that no export comes again without need."""
    counts = Counter(record.data for record in world.kinesis.stored)
    repeated = {data for data, count in counts.items() if count > 1} - world.excused
    if repeated:
        raise Violation(f"repeated without need: {min(repeated).decode()[:200]}")


def check_state(world: World, find_wrong: Callable[[int, dict[bytes, bytes]], set[bytes]]) -> None:
    """See that changelog and stores agree, and hold what they should: `find_wrong` finds profiles that are wrong in a partition's state."""
    for partition in range(PARTITIONS):
        restored = restored_state(world, partition)
        log = world.broker.log(world.settings.changelog_topic, partition)
        kept = {key: state for key, state in restored.items() if not has_departed(state)}
        if wrong := find_wrong(partition, kept):
            raise Violation(f"partition {partition}: the changelog's state of {sorted(wrong)} is wrong")
        log.compact(math.inf)
        if restored_state(world, partition) != restored:
            raise Violation(f"partition {partition}: compaction loses state")
        for disk in world.disks:
            store = disk.open(partition)
            if store.position > log.end:
                raise Violation(f"partition {partition}: a store is ahead of the changelog")
            if store.position == log.end:
                held = {key: state for key, state in store.records.items() if not has_departed(state)}
                if held != kept:
                    raise Violation(f"partition {partition}: store and changelog differ")


def restored_state(world: World, partition: int) -> dict[bytes, bytes]:
    """As the naive reader of a changelog would have it: the newest wins, by backfill and source offset, the last among equals."""
    newest: dict[bytes, bytes] = {}
    for record in world.broker.log(world.settings.changelog_topic, partition).records:
        if record.key is None or record.key.startswith(OWN_KEYS):
            continue
        headers = dict(record.headers)
        state = record.value or encode_departed(
            int(headers[OFFSET_HEADER]), int(headers.get(BACKFILL_HEADER, 0))
        )
        if record.key not in newest or record_order(state) >= record_order(newest[record.key]):
            newest[record.key] = state
    return newest


def dead_letters(world: World) -> set[tuple[int, int, str]]:
    """Partition, offset and reason of each."""
    found = set()
    for log in list(world.broker.logs.values()):
        if log.topic == world.settings.kafka.dead_letter_topic:
            for record in log.records:
                headers = {name.removeprefix(HEADER_PREFIX): value.decode() for name, value in record.headers}
                found.add((int(headers["partition"]), int(headers["offset"]), headers["reason"]))
    return found


def _check_exports(world: World) -> None:
    found, expected = first_occurrences(world), world.workload.exports
    for profile in {**expected, **found}:
        taken = [data for data in expected.get(profile, []) if data not in world.rejected]
        if found.get(profile, []) != taken:
            raise Violation(_difference(profile, found.get(profile, []), taken))
    check_repeats(world)


def _different(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> set[bytes]:
    return {key for key in {**one, **other} if one.get(key) != other.get(key)}


def _difference(profile: bytes, found: list[bytes], expected: list[bytes]) -> str:
    for place, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            kind = "out of order" if one in expected else "invented"
            return f"{profile.decode()}: export {place} is {kind}: {one.decode()[:150]} and not {other.decode()[:150]}"
    return f"{profile.decode()}: {len(found)} exports, expected {len(expected)}"
