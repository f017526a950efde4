"""Which batches of a fetch belong to transactions that were aborted, as the broker lists them beside the batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.record.control_record import ABORT_MARKER, ControlRecord

if TYPE_CHECKING:
    from collections.abc import Iterable


class Aborted:
    """The aborted transactions of one partition's part of a fetch; batches are asked about in order, each once.

    The broker names each by its producer and the offset it begins at; it ends with that producer's marker. Several
    producers' transactions may lie in one another, and one that is committed looks like one that is not.
    """

    def __init__(self, transactions: Iterable[tuple[int, int]]) -> None:
        self._ahead = sorted(transactions, key=lambda each: each[1], reverse=True)
        self._producers: set[int] = set()
        """Those whose transaction has begun and does not end before the next batch."""

    def has(self, batch: Any) -> bool:  # noqa: ANN401  aiokafka's, of the old formats or the new one
        """Whether the batch is part of one of them; control batches are not."""
        producer = batch.producer_id
        if producer is None:  # a format that is older than transactions
            return False
        while self._ahead and self._ahead[-1][1] <= batch.base_offset:
            self._producers.add(self._ahead.pop()[0])
        if batch.is_control_batch:
            if producer in self._producers and _is_abort(batch):
                self._producers.remove(producer)
            return False
        return bool(batch.is_transactional and producer in self._producers)


def _is_abort(batch: Any) -> bool:  # noqa: ANN401  as above
    return any(ControlRecord.parse(record.key) == ABORT_MARKER for record in batch)
