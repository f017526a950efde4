"""A dry run of the core on a file of events: what would be exported, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from processor.errors import InvalidEvent, Reason
from processor.operations.event_file import read_events
from processor.profile.state_record import has_departed
from processor.profile.unexpected import described

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from processor.profile.core import Core
    from processor.profile.structs import Export


class ReplayFigures(NamedTuple):
    """What a dry run came to."""

    events: int
    exports: int
    dead_letters: int


class _DeadLetterLine(msgspec.Struct, frozen=True):
    """An event that would be a dead letter: its number in the file, from 0."""

    event: int
    reason: Reason
    detail: str


_encode: Final = msgspec.json.Encoder().encode


def replay(
    core: Core, lines: Iterable[bytes], source: str, exports: BinaryIO, dead_letters: BinaryIO
) -> ReplayFigures:
    """Apply the events in `lines`, one JSON object a line, to a state that starts empty.

    Writes a line for each export and each invalid event. Needs memory for the state of the profiles alone.

    Raises:
        ConfigurationError: a line is not an event in the form that is asked for.

    """
    records: dict[bytes, bytes] = {}
    events = exported = invalid = 0
    for event in read_events(lines, source):
        events += 1
        try:
            transition = core.apply(
                event.key,
                event.value,
                event.headers,
                timestamp_ms=event.timestamp_ms,
                offset=event.number,
                state=records.get(event.key),
            )
        except InvalidEvent as error:
            invalid += 1
            dead_letters.write(_dead_letter(event.number, error.reason, error.detail))
        except Exception as error:  # noqa: BLE001  as in a batch of `run`
            invalid += 1
            dead_letters.write(_dead_letter(event.number, Reason.INTERNAL, described(error)))
        else:
            if transition.state is not None:
                # Nothing is ever read again, so a profile that left need not be remembered.
                if has_departed(transition.state):
                    records.pop(event.key, None)
                else:
                    records[event.key] = transition.state
            if transition.export is not None:
                exported += 1
                exports.write(export_line(event.number, transition.export))
    return ReplayFigures(events, exported, invalid)


def export_line(event: int, export: Export) -> bytes:
    """A line of output: the export that event number `event` of the file causes."""
    return b'{"event": %d, "partitionKey": %b, "data": %b}\n' % (
        event,
        _encode(export.partition_key),
        export.data,
    )


def _dead_letter(event: int, reason: Reason, detail: str) -> bytes:
    return _encode(_DeadLetterLine(event, reason, detail)) + b"\n"
