"""Latest events taken again by a backfill: what it exports and changes, what it leaves as it is, and how its changes meet those of live events."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.errors import InvalidStateRecord, Reason
from processor.governance.document import Governance, HasLabel, Policy
from processor.governance.plan import compile_plan
from processor.profile.batch import Again, Batch, BatchAgain, Limits, merged_changes
from processor.profile.core import Core
from processor.profile.processing import process, process_again
from processor.profile.state_record import (
    decode_record,
    encode_departed,
    encode_record,
    has_departed,
    record_offset,
    record_order,
)
from processor.profile.structs import StateRecord
from tests.support.changed_plans import ENTRY, plan
from tests.support.failing_core import SECRET, Record, core_that_fails
from tests.support.failing_core import record as failing_record

NO_LIMITS = Limits(1 << 30, 1 << 30)
AGAIN = Again(number=3, offset=99, at_ms=5_000)
ONE = plan([("ups", "s1")])
TWO = plan([("ups", "s1"), ("crm", "s1")])


def event(
    offset: int, key: bytes | None, *namespaces: str, until: str | None = None, labels: bytes | None = b""
) -> Record:
    entry = ENTRY if until is None else {**ENTRY, "validUntil": until}
    membership = {namespace: {"s1": entry} for namespace in namespaces}
    value = json.dumps({"segmentMembership": membership}).encode()
    return Record(offset, key, value, () if labels == b"" else (("duleLabels", labels),))


def state_of(*records: Record) -> dict[bytes, bytes | None]:
    """What live events leave under the plan with one segment."""
    states: dict[bytes, bytes | None] = {record.key or b"": None for record in records}
    process(Core(compile_plan(ONE)), states, records, NO_LIMITS)
    return states


def again(
    states: dict[bytes, bytes | None], *records: Record, core: Core | None = None, limits: Limits = NO_LIMITS
) -> BatchAgain:
    return process_again(core or Core(compile_plan(TWO)), states, records, limits, AGAIN, next_offset=100)


def statuses(batch: Batch) -> dict[bytes, dict[str, str]]:
    """By profile, the exported statuses by namespace."""
    return {
        export.profile: {
            namespace: entries["s1"]["status"]
            for namespace, entries in json.loads(export.data)["segmentMembership"].items()
        }
        for export in batch.exports
    }


def test_members_of_a_new_segment_are_exported_and_their_records_bear_the_offset_and_number_of_the_backfill() -> (
    None
):
    events = [event(1, b"p", "ups", "crm"), event(2, b"q", "ups"), event(3, b"r", "crm")]
    batch = again(state_of(*events), *events)
    assert statuses(batch) == {b"p": {"ups": "existing", "crm": "realized"}, b"r": {"crm": "realized"}}
    assert {profile: record_order(state) for profile, state in batch.changes.items()} == {
        b"p": (3, 99),
        b"r": (3, 99),
    }
    assert [record.offset for record in batch.exported] == [1, 3]
    assert (batch.number, batch.next_offset, batch.profiles, batch.refused) == (3, 100, 3, {})


def test_what_a_backfill_takes_out_of_its_last_segment_departs_in_it() -> None:
    member = event(1, b"p", "ups")
    batch = again(state_of(member), event(1, b"p", "crm"), core=Core(compile_plan(plan([("ups", "s1")]))))
    assert statuses(batch) == {b"p": {"ups": "exited"}}
    assert batch.changes == {b"p": encode_departed(99, 3)}
    assert batch.has_departed


def test_what_a_policy_forbids_from_now_on_leaves_and_is_told_of() -> None:
    policy = Policy("no contract data", "ENABLED", ("emailTargeting",), HasLabel("C2"))
    governed = replace(ONE, marketing_actions=("emailTargeting",))
    member = event(1, b"p", "ups", labels=b"C2")
    batch = again(state_of(member), member, core=Core(compile_plan(governed, Governance(policies=(policy,)))))
    assert statuses(batch) == {b"p": {"ups": "exited"}}
    assert {removal.policy for removal in batch.removed} == {"no contract data"}


def test_validity_is_judged_at_the_time_at_which_the_backfill_began() -> None:
    ended, ends_later = "1970-01-01T00:00:05Z", "1970-01-01T00:00:05.001Z"
    events = [event(1, b"p", "ups", until=ended), event(2, b"q", "ups", until=ends_later)]
    batch = again({b"p": None, b"q": None}, *events)
    assert statuses(batch) == {b"q": {"ups": "realized"}}


def test_a_second_look_changes_nothing() -> None:
    events = [event(1, b"p", "ups", "crm"), event(2, b"q", "ups"), event(3, b"r", "crm")]
    states = state_of(*events)
    states.update(again(states, *events).changes)
    batch = again(states, *events)
    assert (batch.exports, batch.changes, batch.refused) == ([], {}, {})


def test_it_counts_no_events_as_received_and_holds_none_of_their_bytes() -> None:
    batch = again({b"p": None}, event(1, b"p", "ups"))
    assert (batch.received, batch.size_bytes, batch.skipped, batch.dead_letters) == (0, 0, 0, [])


def test_profiles_whose_event_is_refused_now_stay_as_they_are_counted_by_reason() -> None:
    known = [event(number, b"p%d" % number, "ups", "crm") for number in range(3)]
    batch = again(
        {**state_of(*known), b"": None},
        Record(0, b"p0", b"no JSON"),
        Record(1, b"p1", json.dumps({"segmentMembership": {"crm": {"s1": {"status": "?"}}}}).encode()),
        event(2, b"p2", "ups", "crm"),
        event(3, b"", "ups"),
        event(4, b"p0", "ups", labels=None),
    )
    assert batch.refused == {"bad-json": 1, "bad-membership": 1, "bad-key": 1, "bad-labels": 1}
    assert list(batch.changes) == [b"p2"]
    assert (batch.dead_letters, batch.failures) == ([], [])
    assert batch.profiles == 5


def test_what_would_be_too_large_stays_as_it_is() -> None:
    events = [event(1, b"p", "ups", "crm"), event(2, b"q", "ups")]
    states = state_of(*events)
    for limits in (Limits(10, 1 << 30), Limits(1 << 30, 10)):
        batch = again(states, *events, limits=limits)
        assert batch.refused == {"too-large": 1}, "what does not change is not too large"
        assert (batch.exports, batch.changes) == ([], {})


def test_an_event_that_the_core_fails_on_leaves_its_profile_and_all_others_as_they_are_to_be() -> None:
    records = [failing_record(offset, f"p{offset}", fails=offset == 1) for offset in range(3)]
    states = dict.fromkeys([record.key or b"" for record in records])
    batch = again(states, *records, core=core_that_fails(KeyError(SECRET)))
    assert batch.refused == {Reason.INTERNAL.value: 1}
    assert [(failure.offset, failure.error) for failure in batch.failures] == [(1, "KeyError")]
    assert [export.profile for export in batch.exports] == [b"p0", b"p2"]
    assert batch.dead_letters == []


def test_state_that_another_release_wrote_is_no_fault_of_an_event() -> None:
    with pytest.raises(InvalidStateRecord):
        again({b"p": b"\x02new"}, event(1, b"p", "ups"))


# How changes of both kinds meet.

PROFILES = st.sampled_from([b"p", b"q", b"r", b"s", b"t"])


@st.composite
def mixed_batches(draw: st.DrawFn) -> list[Batch]:
    """Batches as a partition makes them: offsets rise, and a backfill's boundary is one that was reached when it began."""
    batches, offset, boundary, number = list[Batch](), 0, 0, 0
    for kind in draw(st.lists(st.sampled_from(["live", "again", "begin"]), min_size=1, max_size=12)):
        if kind == "begin":
            boundary, number = offset, number + 1
            continue
        batch: Batch
        if kind == "live":
            batch = Batch(offset, 0, 0)
            for profile in draw(st.lists(PROFILES, max_size=4)):
                batch.changes.pop(profile, None)
                batch.changes[profile] = encode_record(StateRecord(offset, memberships={"one": "t"}))
                offset += draw(st.integers(1, 3))
            batch.next_offset = offset
        elif number:
            batch = BatchAgain(number, offset, 0)
            for profile in draw(st.sets(PROFILES, max_size=4)):
                batch.changes[profile] = encode_departed(boundary - 1, number)
        else:
            continue
        batches.append(batch)
    return batches


@given(mixed_batches())
def test_of_consecutive_batches_each_profiles_last_change_is_kept_in_an_order_that_a_store_can_take(
    batches: list[Batch],
) -> None:
    if not batches:
        return
    merged = merged_changes(batches)
    last: dict[bytes, bytes] = {}
    for batch in batches:
        last.update(batch.changes)
    assert merged == last
    live = [record_offset(state) for state in merged.values() if not has_departed(state)]
    assert live == sorted(live)
    if merged:
        offsets = [record_offset(state) for state in merged.values()]
        assert offsets[-1] == max(offsets), "a store takes the last one's for the highest that it holds"


def test_a_backfills_change_is_laid_over_a_live_one_and_a_live_one_over_a_backfills() -> None:
    def live(offset: int, *profiles: bytes) -> Batch:
        batch = Batch(offset + 1, 1, 0)
        batch.changes.update(
            {each: encode_record(StateRecord(offset, memberships={"one": "t"})) for each in profiles}
        )
        return batch

    def of_backfill(*profiles: bytes) -> Batch:
        batch = BatchAgain(1, 10, len(profiles))
        batch.changes.update({each: encode_departed(9, 1) for each in profiles})
        return batch

    merged = merged_changes([live(9, b"p", b"q"), of_backfill(b"p", b"r"), live(12, b"r")])
    assert {profile: decode_record(state).offset for profile, state in merged.items()} == {
        b"p": 9,
        b"q": 9,
        b"r": 12,
    }
    assert record_order(merged[b"p"]) == (1, 9)
    assert record_order(merged[b"r"]) == (0, 12)
