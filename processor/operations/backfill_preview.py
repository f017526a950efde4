"""What a backfill would export: each profile's latest event once more, under another configuration than its state's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processor.errors import InvalidEvent
from processor.operations.replay import export_line, replayed
from processor.profile.state_record import record_offset

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from processor.operations.replay import EventLine
    from processor.profile.core import Core


class PreviewFigures(NamedTuple):
    """What a preview came to; `invalid` profiles stay as they are, for their latest event is invalid now."""

    events: int
    profiles: int
    exports: int
    invalid: int


def preview_backfill(
    former: Core, core: Core, lines: Iterable[bytes], source: str, exports: BinaryIO, *, at_ms: int
) -> PreviewFigures:
    """Apply the events in `lines` under `former`, then write what a backfill under `core` would export.

    The backfill begins at `at_ms`, in ms since the epoch: `validUntil` is compared with that. Exports are written as
    `replay` writes them, in the order of their events. Nothing is written for events that `former` finds invalid, nor
    for profiles whose latest event is invalid under `core`. Needs memory for each profile's state and latest event.

    Raises:
        ConfigurationError: a line is not an event in the form that is asked for.

    """
    latest: dict[bytes, EventLine] = {}
    states: dict[bytes, bytes] = {}
    events = 0
    for line, state in replayed(former, lines, source, states):
        events = line.number + 1
        latest.pop(line.key, None)  # they stand in the order of their events
        latest[line.key] = line
    exported = invalid = 0
    for line in latest.values():
        try:
            transition = core.apply_again(
                line.key,
                line.value,
                line.headers,
                timestamp_ms=at_ms,
                offset=events,
                state=states.get(line.key),
            )
        except InvalidEvent:
            invalid += 1
            continue
        if transition.export is not None:
            exported += 1
            exports.write(export_line(line.number, transition.export))
    return PreviewFigures(events, len(latest), exported, invalid)
