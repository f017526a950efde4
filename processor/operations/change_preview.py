"""What a change of the configuration would do to a sample of profiles: to those that were exported, and to the next export of each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import orjson

from processor.operations.backfill_preview import Looked, applied
from processor.operations.masked_record import masked_record
from processor.operations.suggestions import masked
from processor.profile.core import Core
from processor.profile.event import MEMBERSHIP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.governance.plan import Plan
    from processor.operations.masked_record import Json
    from processor.operations.suggestions import SampledEvent
    from processor.profile.structs import Export

LOOKED_MAX: Final = 4_000_000
"""Of segments and attributes of profiles, together: some seconds of work, for which somebody waits."""

_EXPORTS_SHOWN: Final = 3
_Statuses: TypeAlias = "Counter[str]"


class SegmentPreview(NamedTuple):
    """How many profiles a backfill would export with each status of a segment."""

    namespace: str
    id: str
    name: str | None
    realized: int
    existing: int
    exited: int


class ExportPreview(NamedTuple):
    """A record as it will look, masked; `is_of_backfill` says that the backfill would export it, else an event of the profile."""

    profile: str
    record: dict[str, Json]
    is_of_backfill: bool


class ChangePreview(NamedTuple):
    """What a backfill under the new configuration would come to for `profiles` of the sample that are still there.

    These are all of them, or, where very much is mapped, some from all over the sample. `refused` have a latest event that would
    be a dead letter. `removed_by` counts the profiles of which a policy, by a marketing action, would keep something back.
    """

    profiles: int = 0
    exported: int = 0
    unchanged: int = 0
    refused: int = 0
    segments: tuple[SegmentPreview, ...] = ()
    removed_by: tuple[tuple[str, str, int], ...] = ()
    exports: tuple[ExportPreview, ...] = ()


def preview_of_change(
    former: Plan | None, plan: Plan, latest: Sequence[SampledEvent], at_ms: int
) -> ChangePreview:
    """Take it that each profile's latest event was exported under `former`, and look at it again under `plan`, at `at_ms`.

    Without a `former` plan nothing was exported yet.
    """
    looked: Looked[SampledEvent] = Looked(None if former is None else Core(former))
    for event in _some(latest, len(plan.items)):
        looked.take(event)
    core, counts, shown = Core(plan), _Counts(), _Shown()
    left: list[SampledEvent] = []
    for event, found in looked.again(core, at_ms):
        if found is None:
            counts.refused += 1
            continue
        counts.removed_by.update({(each.policy, each.action) for each in found.removed})
        if found.export is None:
            left.append(event)
        else:
            shown.offer(event, found.export, is_of_backfill=True)
            counts.add(found.export)
    if not counts.exported:
        # What is exported later is shown in its place: as of a profile that comes to the destination anew.
        for event in left:
            found = applied(core.apply, event, timestamp_ms=at_ms, offset=0, state=None)
            if found is not None and found.export is not None:
                shown.offer(event, found.export, is_of_backfill=False)
    return ChangePreview(
        profiles=looked.profiles,
        exported=counts.exported,
        unchanged=len(left),
        refused=counts.refused,
        segments=counts.segments(plan),
        removed_by=tuple((*by, profiles) for by, profiles in counts.removed_by.most_common()),
        exports=shown.previews(),
    )


def _some(latest: Sequence[SampledEvent], items: int) -> Sequence[SampledEvent]:
    """Profiles that are still there, no more than there is time for so many items of each."""
    there = [each for each in latest if each.value is not None]
    most = max(LOOKED_MAX // max(items, 1), 1)
    return there[:: -(-len(there) // most)] if len(there) > most else there


class _Counts:
    """Counts over what a backfill exports."""

    def __init__(self) -> None:
        self.exported = self.refused = 0
        self.removed_by: Counter[tuple[str, str]] = Counter()
        self._statuses: dict[tuple[str, str], _Statuses] = {}

    def add(self, export: Export) -> None:
        self.exported += 1
        for namespace, segments in _memberships(export).items():
            for id_, entry in segments.items():
                self._statuses.setdefault((namespace, id_), Counter())[entry["status"]] += 1

    def segments(self, plan: Plan) -> tuple[SegmentPreview, ...]:
        found = []
        for each in plan.destination.segments:
            counted = self._statuses.get((each.namespace, each.id), Counter())
            statuses = counted["realized"], counted["existing"], counted["exited"]
            found.append(SegmentPreview(each.namespace, each.id, each.name, *statuses))
        return tuple(found)


class _Shown:
    """Of the exports the few that show the most: the most memberships, then the most attributes."""

    def __init__(self) -> None:
        self._best: list[tuple[tuple[int, int], SampledEvent, Export, bool]] = []

    def offer(self, event: SampledEvent, export: Export, *, is_of_backfill: bool) -> None:
        weight = sum(map(len, _memberships(export).values())), export.data.count(b":")
        if len(self._best) == _EXPORTS_SHOWN and weight <= self._best[-1][0]:
            return
        self._best.append((weight, event, export, is_of_backfill))
        self._best.sort(key=lambda each: each[0], reverse=True)
        del self._best[_EXPORTS_SHOWN:]

    def previews(self) -> tuple[ExportPreview, ...]:
        return tuple(
            ExportPreview(masked(event.key.decode()), masked_record(export.data), is_of_backfill)
            for _, event, export, is_of_backfill in self._best
        )


def _memberships(export: Export) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    found: Mapping[str, Mapping[str, Mapping[str, str]]] = orjson.loads(export.data)[MEMBERSHIP]
    return found
