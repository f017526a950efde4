"""What a backfill would export: each profile's latest event once more, under another configuration than its state's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from processor.operations.event_file import read_events
from processor.operations.replay import export_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from processor.operations.event_file import FileEvent
    from processor.profile.core import Core
    from processor.profile.transition import Transition


class Event(Protocol):
    """An event of a file, or of a sample."""

    @property
    def key(self) -> bytes:
        """The profile's id."""

    @property
    def value(self) -> bytes | None:
        """The profile; None where it was deleted."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The headers, in order."""

    @property
    def timestamp_ms(self) -> int:
        """The event's time, in ms since the epoch."""


_Event = TypeVar("_Event", bound=Event)


class PreviewFigures(NamedTuple):
    """What a preview came to; `invalid` profiles stay as they are, for their latest event is invalid now."""

    profiles: int
    exports: int
    invalid: int


class Looked(Generic[_Event]):
    """Each profile's latest event, and its state under `former`; None is that nothing was exported by then.

    Needs memory for both.
    """

    def __init__(self, former: Core | None) -> None:
        self._former = former
        self._latest: dict[bytes, _Event] = {}
        self._states: dict[bytes, bytes] = {}
        self._offset = -1

    @property
    def profiles(self) -> int:
        """How many there are."""
        return len(self._latest)

    def take(self, event: _Event) -> None:
        """Take the next event."""
        self._offset += 1
        self._latest.pop(event.key, None)  # so that they stand in the order of their events
        self._latest[event.key] = event
        if self._former is None:
            return
        made = applied(
            self._former.apply,
            event,
            timestamp_ms=event.timestamp_ms,
            offset=self._offset,
            state=self._states.get(event.key),
        )
        if made is not None and made.state is not None:
            self._states[event.key] = made.state

    def again(self, core: Core, at_ms: int) -> Iterator[tuple[_Event, Transition | None]]:
        """Each profile's latest event, and what a backfill under `core` that begins at `at_ms` would do by it.

        None is that the event is invalid under `core`: the profile stays as it is.
        """
        for event in self._latest.values():
            yield (
                event,
                applied(
                    core.apply_again,
                    event,
                    timestamp_ms=at_ms,
                    offset=self._offset,
                    state=self._states.get(event.key),
                ),
            )


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
    looked: Looked[FileEvent] = Looked(former)
    for event in read_events(lines, source):
        looked.take(event)
    exported = invalid = 0
    for event, found in looked.again(core, at_ms):
        if found is None:
            invalid += 1
        elif found.export is not None:
            exported += 1
            exports.write(export_line(event.number, found.export))
    return PreviewFigures(looked.profiles, exported, invalid)


def applied(
    apply: Callable[..., Transition], event: Event, *, timestamp_ms: int, offset: int, state: bytes | None
) -> Transition | None:
    """What the event did; None where it is a dead letter, which changes nothing."""
    try:
        return apply(
            event.key, event.value, event.headers, timestamp_ms=timestamp_ms, offset=offset, state=state
        )
    except Exception:  # noqa: BLE001  as in a batch of `run`, whatever it is
        return None
