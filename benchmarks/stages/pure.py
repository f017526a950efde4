"""The stages of the pure core, and the floor of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import xxhash
from msgspec import Raw

from benchmarks.stages.samples import applied, changed, plan, samples, unchanged
from processor.profile.core import Core
from processor.profile.event import EventDecoder
from processor.profile.state_record import decode_record, encode_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.stages.samples import Sample
    from benchmarks.workload import Event

_LATER = 1 << 40


def decode(count: int) -> Callable[[], None]:
    """Bytes to what the plan wants of them."""
    destination = plan().destination
    decoder = EventDecoder(destination.attributes, destination.segments)
    values = [sample.event.value for sample in samples()[:count]]

    def run() -> None:
        for value in values:
            decoder.decode(value)

    return run


def decode_floor(count: int) -> Callable[[], None]:
    """The same members by msgspec alone: no check for UTF-8 and surrogates, nothing taken out."""
    destination = plan().destination
    entry = msgspec.defstruct("Entry", [("status", str), ("lastQualificationTime", str)], gc=False)
    namespace = msgspec.defstruct(
        "Namespace",
        [(f"s{n}", entry | None, None) for n in range(len(destination.segments))],
        rename={f"s{n}": segment.id for n, segment in enumerate(destination.segments)},
        gc=False,
    )
    membership = msgspec.defstruct("Membership", [("ups", namespace)], gc=False)
    person = msgspec.defstruct("Person", [("email", Raw)], gc=False)
    loyalty = msgspec.defstruct("Loyalty", [("lastActivity", Raw), ("points", Raw)], gc=False)
    event = msgspec.defstruct(
        "Event",
        [("segmentMembership", membership), ("identityMap", Raw), ("person", person), ("loyalty", loyalty)],
        gc=False,
    )
    decoder = msgspec.json.Decoder(event).decode
    values = [sample.event.value for sample in samples()[:count]]

    def run() -> None:
        for value in values:
            decoder(value)

    return run


def view(count: int) -> Callable[[], None]:
    """Decode, and what the destination may see of a profile that is in no mapped segment, nor was before."""
    core = Core(plan())
    outside = [
        (sample.event._replace(value=_without_membership(sample.event)), _left(sample.before))
        for sample in unchanged(count)
    ]

    def run() -> None:
        for event, state in outside:
            applied(core, event, state, _LATER)

    return run


def view_floor(count: int) -> Callable[[], None]:
    """A digest of each mapped attribute's text."""
    paths = [path.split(".") for path in plan().destination.attributes]
    texts = []
    for sample in samples()[:count]:
        event = msgspec.json.decode(sample.event.value)
        texts.append([msgspec.json.encode(event[path[0]][path[1]]) for path in paths])

    def run() -> None:
        for attributes in texts:
            for text in attributes:
                xxhash.xxh3_64_digest(text)

    return run


def diff(count: int) -> Callable[[], None]:
    """Decode, view, and the diff of an event that changes nothing."""
    return _through_the_core(unchanged(count))


def export(count: int) -> Callable[[], None]:
    """All of the core, for an event that is exported: decode, view, diff, export, state record."""
    return _through_the_core(changed(count))


def export_floor(count: int) -> Callable[[], None]:
    """An export's bytes joined from texts that are there already."""
    pieces = [sample.export.data.split(b",") for sample in changed(count) if sample.export is not None]

    def run() -> None:
        for texts in pieces:
            b",".join(texts)

    return run


def record(count: int) -> Callable[[], None]:
    """A state record read and written."""
    records = [sample.before for sample in changed(count) if sample.before is not None]

    def run() -> None:
        for text in records:
            encode_record(decode_record(text))

    return run


def record_floor(count: int) -> Callable[[], None]:
    """The same MessagePack by msgspec alone."""
    trees = [
        msgspec.msgpack.decode(sample.before[1:]) for sample in changed(count) if sample.before is not None
    ]
    texts = [msgspec.msgpack.encode(tree) for tree in trees]
    decoder, encoder = msgspec.msgpack.Decoder().decode, msgspec.msgpack.Encoder().encode

    def run() -> None:
        for text in texts:
            encoder(decoder(text))

    return run


def _through_the_core(batch: list[Sample]) -> Callable[[], None]:
    core = Core(plan())

    def run() -> None:
        for sample in batch:
            applied(core, sample.event, sample.before, _LATER)

    return run


def _left(state: bytes | None) -> bytes | None:
    return (
        None
        if state is None
        else encode_record(msgspec.structs.replace(decode_record(state), memberships={}))
    )


def _without_membership(event: Event) -> bytes:
    tree = msgspec.json.decode(event.value)
    tree["unmapped"] = tree["segmentMembership"]  # as long as before
    tree["segmentMembership"] = {}
    return msgspec.json.encode(tree)
