"""What is in force by the topic's records in their order: the same for every reader, also of a log that was compacted.

A proposal is accepted that was made from the version in force, or from a later one, whose own record compaction took. All
others were made from an older version, and change nothing. Tombstones change nothing either: they let compaction take what was
superseded or refused, and are appended only once that is certain.

A reader from the beginning may meet a refused proposal whose accepted rival compaction took. It takes the refused one for
accepted, until the next that was accepted comes: that one is there, for its record came before the rival's tombstone. No reader
is ever at a higher version than what is truly in force, for a proposal's version is one more than what it was made from; so whatever is
accepted in truth is accepted by such a reader as well. What a fold says holds, therefore, where all has come that the topic has: `Followed.is_at_end`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from processor.definition.model import Definition
from processor.definition.record import decoded, is_proposal_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.definition.record import Proposal


class Record(Protocol):
    """A record of Kafka's."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value; None of a tombstone."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force. `lineage` has the ids of the changes that led to it, the latest first: its own, and those before it.

    `definition` is None where a later release wrote it.
    """

    version: int = 0
    lineage: Sequence[str] = ()
    definition: Definition | None = field(default_factory=Definition, repr=False)

    def became_of(self, id_: str, version: int) -> bool | None:
        """Whether the proposal `id_` of `version` was accepted; None where that is not decided yet.

        Raises:
            LookupError: it is too long ago to be told.

        """
        if id_ in self.lineage:
            return True
        if self.version < version:
            return None
        if self.version - version >= len(self.lineage):
            raise LookupError(id_)
        return False


class Fold:
    """Takes the topic's records in their order, from the first on."""

    def __init__(self) -> None:
        self.in_force = InForce()
        """What is in force by the records that were taken."""
        self.passed_over = 0
        """Records that say nothing of use."""
        self._key: bytes | None = None
        self._keys: dict[bytes, None] = {}
        """Of all that has a value in the log."""

    @property
    def is_kept(self) -> bool:
        """Whether what is in force has its value in the log, and every later reader will find it; so it is where nothing is."""
        return self._key is None or self._key in self._keys

    @property
    def superfluous(self) -> list[bytes]:
        """The keys of what was superseded or refused, and still has a value: to be given tombstones, where all has come."""
        return [each for each in self._keys if each != self._key]

    def take(self, records: Iterable[Record]) -> None:
        """Take the next records."""
        for record in records:
            self._take(record.key or b"", record.value)

    def _take(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._keys.pop(key, None)
            self.passed_over += not is_proposal_key(key)
            return
        proposal = decoded(key, value)
        if proposal is None:
            self.passed_over += 1
            return
        self._keys[key] = None
        if proposal.from_ >= self.in_force.version:
            self._accept(key, proposal)

    def _accept(self, key: bytes, proposal: Proposal) -> None:
        self._key = key
        self.in_force = InForce(proposal.version, (proposal.id, *proposal.lineage), proposal.definition)
