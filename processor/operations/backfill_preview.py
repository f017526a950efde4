"""What a backfill would export: each profile's latest event once more, under another configuration than its state's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processor.operations.event_file import read_events
from processor.operations.replay import export_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from processor.operations.event_file import FileEvent
    from processor.profile.core import Core, Transition


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

    The backfill begins at `at_ms`, in ms since the epoch: `validUntil` is compared with that, for all profiles alike.
    Exports are written as `replay` writes them, in the order of their events. Nothing is written of events that are
    invalid under `former`, and a profile whose latest event is invalid under `core` stays as it is. Needs memory for each
    profile's state and latest event.

    Raises:
        ConfigurationError: a line is not an event in the form that is asked for.

    """
    latest: dict[bytes, FileEvent] = {}
    states: dict[bytes, bytes] = {}
    events = 0
    for event in read_events(lines, source):
        events += 1
        latest.pop(event.key, None)  # so that they stand in the order of their events
        latest[event.key] = event
        made = _made_by(event, former, states.get(event.key))
        if made is not None and made.state is not None:
            states[event.key] = made.state
    exported = invalid = 0
    for event in latest.values():
        found = _found_by(event, core, states.get(event.key), at_ms=at_ms, offset=events)
        if found is None:
            invalid += 1
        elif found.export is not None:
            exported += 1
            exports.write(export_line(event.number, found.export))
    return PreviewFigures(events, len(latest), exported, invalid)


def _made_by(event: FileEvent, former: Core, state: bytes | None) -> Transition | None:
    """What the event did when it came; None where it was a dead letter."""
    try:
        return former.apply(
            event.key,
            event.value,
            event.headers,
            timestamp_ms=event.timestamp_ms,
            offset=event.number,
            state=state,
        )
    except Exception:  # noqa: BLE001  as in a batch of `run`, whatever it is: a dead letter changes nothing
        return None


def _found_by(
    event: FileEvent, core: Core, state: bytes | None, *, at_ms: int, offset: int
) -> Transition | None:
    """What the backfill finds; None where the event is invalid now."""
    try:
        return core.apply_again(
            event.key, event.value, event.headers, timestamp_ms=at_ms, offset=offset, state=state
        )
    except Exception:  # noqa: BLE001  as above
        return None
