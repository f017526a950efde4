"""What a backfill would export: each profile's latest event once more, under another configuration than its state's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from processor.operations.event_file import read_events
from processor.operations.replay import export_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from processor.operations.event_file import FileEvent
    from processor.profile.core import Core, Transition


class PreviewFigures(NamedTuple):
    """What a preview came to; `invalid` profiles stay as they are, for their latest event is invalid now."""

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
    offset = -1
    for event in read_events(lines, source):
        offset = event.number
        latest.pop(event.key, None)  # so that they stand in the order of their events
        latest[event.key] = event
        made = _applied(
            former.apply,
            event,
            timestamp_ms=event.timestamp_ms,
            offset=event.number,
            state=states.get(event.key),
        )
        if made is not None and made.state is not None:
            states[event.key] = made.state
    exported = invalid = 0
    for event in latest.values():
        found = _applied(
            core.apply_again, event, timestamp_ms=at_ms, offset=offset, state=states.get(event.key)
        )
        if found is None:
            invalid += 1
        elif found.export is not None:
            exported += 1
            exports.write(export_line(event.number, found.export))
    return PreviewFigures(len(latest), exported, invalid)


def _applied(
    apply: Callable[..., Transition], event: FileEvent, *, timestamp_ms: int, offset: int, state: bytes | None
) -> Transition | None:
    """What the event did; None where it is a dead letter, which changes nothing."""
    try:
        return apply(
            event.key, event.value, event.headers, timestamp_ms=timestamp_ms, offset=offset, state=state
        )
    except Exception:  # noqa: BLE001  as in a batch of `run`, whatever it is
        return None
