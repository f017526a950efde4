"""What one PutRecords call carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from processor.kinesis.lane import Item, Lane


class Run(NamedTuple):
    """The items of one lane in a call: from position `start` to before `end`, and their bytes together."""

    lane: Lane
    start: int
    end: int
    size_bytes: int


class Call(NamedTuple):
    """The items of a call, in order; the runs that they form; and their bytes together."""

    items: list[Item]
    runs: list[Run]
    size_bytes: int

    def end_probes(self) -> None:
        """The call ended without an answer about its items: lanes that it was a probe of may send another."""
        for run in self.runs:
            run.lane.end_probe()


def call_of_each(items: list[Item]) -> Call:
    """A call of what did not come from the lanes' queues: every item is a run."""
    runs = [Run(item.lane, at, at + 1, item.size_bytes) for at, item in enumerate(items)]
    return Call(items, runs, sum(item.size_bytes for item in items))
