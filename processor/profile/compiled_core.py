"""A plan's compiled core (native/): what it is sure of it takes, and hands the rest to the plain core.

It never refuses an event and never guesses. Whatever is out of the ordinary - what is invalid, a tombstone, a member that
is given twice, a state record of another release - is not its own, so every rule and every reason is written once, in plain
Python, and what is written twice is only the way of what is in order. Both ways lead to the same bytes
(tests/profile/test_native.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import orjson

from processor.governance.document import ConsentRule, ValueIn
from processor.profile.canonical import canonical_tree
from processor.profile.consent import Consent
from processor.profile.state_record import path_digest
from processor.profile.structs import Export
from processor.profile.transition import SKIPPED, Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from processor.governance.destination import Segment
    from processor.governance.plan import Plan, Removal, Verdict
    from processor.profile.batch import Again, Batch, Limits
    from processor.profile.export import SegmentText
    from processor.profile.source_record import Record
    from processor.profile.verdicts import Headers, Verdicts

_Described: TypeAlias = "tuple[Any, ...]"  # read by native/src/profile/described_plan.rs, and by nothing else
_NO_AGAIN: Final = (None, 0)


class Counts(NamedTuple):
    """What became of the events of a plan: how many the compiled core took, and handed on; `panics` are of its own making."""

    taken: int
    handed_on: int
    panics: int


class CompiledCore:
    """One plan's compiled core; make one with `compiled_core`."""

    def __init__(self, library: ModuleType, core: object, verdicts: Verdicts) -> None:
        self._core = core
        self._verdict_of: Callable[[Headers], _Described] = lambda headers: _described_verdict(
            verdicts.of(headers)
        )
        self._apply: Callable[..., tuple[Export | None, bytes | None, list[Removal], int] | None] = (
            library.apply
        )
        self._process: Callable[..., int | None] = library.process
        self._counts: Callable[[object], tuple[int, int, int]] = library.counts

    @property
    def counts(self) -> Counts:
        """What became of events so far."""
        return Counts(*self._counts(self._core))

    def apply(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        *,
        timestamp_ms: int,
        offset: int,
        state: bytes | None,
        backfill: int,
        is_again: bool,
    ) -> Transition | None:
        """As `Core.apply`, or where `is_again` as `Core.apply_again`; None where the plain core is to say."""
        taken = self._apply(
            self._core,
            self._verdict_of,
            key,
            value,
            headers,
            timestamp_ms,
            offset,
            state,
            backfill,
            is_again,
        )
        if taken is None:
            return None
        export, new_state, removed, is_skipped = taken
        return SKIPPED if is_skipped else Transition(export, new_state, removed)

    def process(
        self,
        states: dict[bytes, bytes | None],
        records: Sequence[Record],
        limits: Limits,
        batch: Batch,
        hand_on: Callable[[Record], None],
        *,
        number: int,
        again: Again | None = None,
    ) -> int:
        """Take `records`, in their order, to `batch` and `states`; `hand_on` is given each that is not its own, in its turn.

        `number` is that of the partition's note, or of the backfill where events are taken `again`. Returns how many were
        skipped by itself. What `hand_on` raises is raised.
        """
        at_ms, offset = _NO_AGAIN if again is None else (again.at_ms, again.offset)
        skipped = self._process(
            self._core,
            self._verdict_of,
            hand_on,
            states,
            records,
            batch.exports,
            batch.exported,
            batch.changes,
            batch.removed,
            limits.export_bytes,
            limits.state_bytes,
            number,
            at_ms,
            offset,
        )
        if skipped is not None:
            return skipped
        # Another thread is at work with this core.
        for record in records:
            hand_on(record)
        return 0


def compiled_core(
    library: ModuleType,
    plan: Plan,
    segments: Sequence[SegmentText],
    without_consent: Sequence[Removal | None],
    verdicts: Verdicts,
) -> CompiledCore | None:
    """Have the library compile a plan; None where it leaves one like it to the plain core (a segment mapped twice, say)."""
    try:
        described = _described_plan(plan, segments, without_consent)
        standing = _described_verdict(plan.standing)
    except UnicodeEncodeError:  # a name that no event in UTF-8 can have
        return None
    core = library.core(described, standing, Export)
    return None if core is None else CompiledCore(library, core, verdicts)


def _described_plan(
    plan: Plan, segments: Sequence[SegmentText], without_consent: Sequence[Removal | None]
) -> _Described:
    destination = plan.destination
    paths = Consent(plan.consent_policies).paths
    namespace = destination.partition_key_namespace
    return (
        [
            (_way(path), [orjson.dumps(name) for name in path.split(".")], path_digest(path))
            for path in destination.attributes
        ],
        [
            _described_segment(segment, text)
            for segment, text in zip(destination.segments, segments, strict=True)
        ],
        [_way(path) for path in paths],
        [_described_rule(policy.requires, paths) for policy in plan.consent_policies],
        None if namespace is None else namespace.encode(),
        without_consent,
    )


def _described_segment(segment: Segment, text: SegmentText) -> list[bytes]:
    texts = (
        segment.namespace,
        segment.id,
        text.key,
        f"{text.namespace}{{",
        text.prefix,
        text.realized,
        text.existing,
        text.exited,
    )
    return [each.encode() for each in texts]


def _described_rule(rule: ValueIn | ConsentRule, paths: Sequence[str]) -> _Described:
    if isinstance(rule, ValueIn):
        return (b"IN", paths.index(rule.path), [canonical_tree(value) for value in rule.values])
    return (rule.operator.encode(), 0, [_described_rule(operand, paths) for operand in rule.operands])


def _described_verdict(verdict: Verdict) -> _Described:
    namespaces = [(name.encode(), removal) for name, removal in verdict.namespaces.items()]
    return (verdict.segments, verdict.attributes, namespaces, verdict.event)


def _way(path: str) -> list[bytes]:
    return [name.encode() for name in path.split(".")]
