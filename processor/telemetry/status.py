"""The figures and the health of one worker, as plain numbers; metrics and logs read them from here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processor.batch import Batch


@dataclass(slots=True)
class Figures:
    """Events since the start.

    At every instant: `received = exported + unchanged + skipped + dead_lettered + abandoned + in_flight`.
    An event that is taken and given back before it was begun counts as abandoned: another member reads it.
    """

    received: int = 0
    exported: int = 0
    unchanged: int = 0
    skipped: int = 0
    abandoned: int = 0
    in_flight: int = 0
    intruder_records: int = 0
    dead_lettered: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)


class Status:
    """One worker's figures and its health.

    `conditions` maps what is not as it should be (`starting`, `kafka`, `kinesis`, …) to a sentence; the worker
    is ready when there is none.
    """

    def __init__(self) -> None:
        self.figures = Figures()
        self.partitions: set[int] = set()
        self.restoration: dict[int, tuple[int, int]] = {}
        """Partitions that are being restored: the changelog offset that is reached, and the one to reach."""
        self.conditions: dict[str, str] = {"starting": "connecting"}

    @property
    def is_ready(self) -> bool:
        """Whether all is as it should be."""
        return not self.conditions

    def unhealthy(self, what: str, why: str) -> None:
        """Note that something is not as it should be."""
        self.conditions[what] = why

    def healthy(self, what: str) -> None:
        """Note that it is again."""
        self.conditions.pop(what, None)

    def assigned(self, partition: int) -> None:
        """A partition is this worker's; its state is to be restored."""
        self.partitions.add(partition)
        self.restoration[partition] = (0, 0)
        self.unhealthy("restoring", "state is being restored")

    def restoring(self, partition: int, position: int, end: int) -> None:
        """How far a partition's state is."""
        self.restoration[partition] = (position, end)

    def restored(self, partition: int) -> None:
        """A partition's state is complete."""
        self.restoration.pop(partition, None)
        if not self.restoration:
            self.healthy("restoring")

    def revoked(self, partition: int) -> None:
        """A partition is this worker's no more."""
        self.partitions.discard(partition)
        self.restored(partition)

    def received(self, records: int) -> None:
        """Records were taken from Kafka."""
        self.figures.received += records
        self.figures.in_flight += records

    def abandoned(self, records: int) -> None:
        """Records were given up, or given back, before they were acknowledged."""
        self.figures.abandoned += records
        self.figures.in_flight -= records

    def acknowledged(self, batch: Batch, rejected: int) -> None:
        """A batch has gone all its way; `rejected` of its exports are in the dead letters after all."""
        figures = self.figures
        figures.in_flight -= batch.received
        figures.exported += len(batch.exports) - rejected
        figures.unchanged += batch.unchanged
        figures.skipped += batch.skipped
        for letter in batch.letters:
            figures.dead_lettered[letter.reason.value] += 1
        if rejected:
            figures.dead_lettered["rejected"] += rejected
        for removal in batch.removed:
            figures.removed[removal.policy] += 1
