"""What a life looks at in partitions while they work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from processor.backfill.note import decode_note
from processor.profile.batch import Batch
from processor.worker.partition import Partition
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.world import World


def noting_let_go(world: World) -> Any:
    """`Batch.let_go` that tells the world what it is that is let go."""
    let_go = Batch.let_go

    def noting(self: Batch) -> int:
        world.let_go[self] = [export.data for export in self.exports]
        return let_go(self)

    return noting


def exports_in_flight(world: World, partition: Partition) -> set[bytes]:
    """Those of a partition's batches that are not acknowledged, let go or not."""
    found = set[bytes]()
    for batch in partition._in_flight:
        found.update(world.let_go.get(batch, ()), (export.data for export in batch.exports))
    return found


def noting_abandon(world: World) -> Any:
    """`Partition.abandon` that tells the world what was given up, and may come again."""
    abandon = Partition.abandon

    async def noting(self: Partition) -> None:
        world.excused.update(exports_in_flight(world, self))
        world.begun_again.add(self.number)
        await abandon(self)

    return noting


def looking_at_the_note() -> Any:
    """`Partition._begin` that sees first that what its events are worked on under is noted."""
    begin = Partition._begin

    async def looking(self: Partition, *batch: Any) -> None:
        noted, followed = self._stages.state.store.backfill, self._core.fingerprint
        if noted is None or decode_note(noted).fingerprint != followed:
            raise Violation(
                f"partition {self.number}: events are worked on under {followed}, noted is {noted!r}"
            )
        await begin(self, *batch)

    return looking
