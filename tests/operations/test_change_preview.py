"""What a change would do to a sample of profiles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st

from processor.governance.destination import Connection, Destination, Segment
from processor.governance.document import ConsentPolicy, Governance, HasLabel, Policy, ValueIn
from processor.governance.plan import Plan
from processor.operations import change_preview
from processor.operations.change_preview import ChangePreview, preview_of_change
from processor.operations.suggestions import SampledEvent
from tests.support.core_with_state import CoreWithState
from tests.support.strategies import Given, destinations, events, governances

if TYPE_CHECKING:
    import pytest

AT_MS: Final = 1_700_000_000_000
TIME: Final = "2020-05-25T21:24:39Z"
NONE: Final = Governance()


def plan(*segments: str, attributes: tuple[str, ...] = (), governance: Governance = NONE) -> Plan:
    mapped = tuple(Segment("ups", each) for each in segments)
    destination = Destination("d", Connection("eu-west-1"), "s", ("exportToThirdParty",), mapped, attributes)
    return Plan(destination, governance)


def event(key: str, statuses: dict[str, str], **attributes: Any) -> SampledEvent:
    entries = {id_: {"status": status, "lastQualificationTime": TIME} for id_, status in statuses.items()}
    value = {
        "segmentMembership": {"ups": entries},
        "identityMap": {"email": [{"id": f"{key}@b.c"}]},
        **attributes,
    }
    return SampledEvent(key.encode(), json.dumps(value).encode(), (), AT_MS)


def counts(found: ChangePreview) -> tuple[int, int, int, int]:
    return found.profiles, found.exported, found.unchanged, found.refused


SAMPLE: Final = [
    event("p1", {"s1": "realized", "s2": "existing"}, loyalty=7),
    event("p2", {"s1": "realized"}, loyalty=8),
    event("p3", {"s2": "exited"}, loyalty=9),
]


def test_a_further_segment_is_realized_for_its_members_and_what_they_had_is_existing() -> None:
    found = preview_of_change(plan("s1"), plan("s1", "s2"), SAMPLE, AT_MS)
    assert counts(found) == (3, 1, 2, 0)
    assert [(each.id, each.realized, each.existing, each.exited) for each in found.segments] == [
        ("s1", 0, 1, 0),
        ("s2", 1, 0, 0),
    ]
    (export,) = found.exports
    assert export.is_of_backfill
    assert export.profile == "x9"
    assert export.record["segmentMembership"] == {
        "ups": {
            "s1": {"lastQualificationTime": TIME, "status": "existing"},
            "s2": {"lastQualificationTime": TIME, "status": "realized"},
        }
    }


def test_a_segment_that_is_taken_off_is_exported_no_more_and_no_exit_is() -> None:
    found = preview_of_change(plan("s1", "s2"), plan("s1"), SAMPLE, AT_MS)
    assert counts(found) == (3, 0, 3, 0)
    assert [(each.id, each.exited) for each in found.segments] == [("s1", 0)]
    assert len(found.exports) == 2, "what is exported next is shown in place of a backfill's records"
    for export in found.exports:
        assert not export.is_of_backfill
        assert set(export.record["segmentMembership"]["ups"]) == {"s1"}  # type: ignore[index,call-overload,arg-type]


def test_a_further_attribute_is_exported_for_all_members_and_its_value_is_masked() -> None:
    found = preview_of_change(plan("s1"), plan("s1", attributes=("loyalty",)), SAMPLE, AT_MS)
    assert counts(found) == (3, 2, 1, 0)
    assert [each.record["loyalty"] for each in found.exports] == ["9", "9"], "of 7 and 8"


def test_what_a_policy_begins_to_forbid_is_exited_and_counted_by_policy_and_action() -> None:
    policy = Policy("no third party", "ENABLED", ("exportToThirdParty",), HasLabel("C2"))
    governance = Governance(segment_labels={("ups", "s1"): frozenset({"C2"})}, policies=(policy,))
    found = preview_of_change(plan("s1", "s2"), plan("s1", "s2", governance=governance), SAMPLE, AT_MS)
    assert counts(found) == (3, 2, 1, 0)
    assert [(each.id, each.existing, each.exited) for each in found.segments] == [("s1", 0, 2), ("s2", 1, 0)]
    assert found.removed_by == (("no third party", "exportToThirdParty", 2),)


def test_consent_that_begins_to_be_asked_for_takes_profiles_out() -> None:
    policy = ConsentPolicy("opt-in", "ENABLED", ("exportToThirdParty",), ValueIn("loyalty", (7,)))
    found = preview_of_change(
        plan("s1"), plan("s1", governance=Governance(consent_policies=(policy,))), SAMPLE, AT_MS
    )
    assert [(each.id, each.existing, each.exited) for each in found.segments] == [("s1", 0, 1)]
    assert found.removed_by == (("consent", "any", 1),)


def test_where_nothing_was_exported_yet_all_members_are_realized() -> None:
    found = preview_of_change(None, plan("s1"), SAMPLE, AT_MS)
    assert counts(found) == (3, 2, 1, 0)
    assert [(each.realized, each.existing) for each in found.segments] == [(2, 0)]


def test_deleted_profiles_are_no_profiles_and_invalid_ones_are_refused() -> None:
    sample = [
        SampledEvent(b"gone", None, (), AT_MS),
        SampledEvent(b"bad", b"no JSON", (), AT_MS),
        SampledEvent(b"labels", b'{"segmentMembership": {}}', (("duleLabels", None),), AT_MS),
        *SAMPLE,
    ]
    assert counts(preview_of_change(plan("s1"), plan("s1", "s2"), sample, AT_MS)) == (5, 1, 2, 2)


def test_three_exports_are_shown_those_that_show_the_most() -> None:
    sample = [event(f"p{number}", {"s1": "realized"}) for number in range(10)]
    sample.insert(5, event("pp", {"s1": "realized", "s2": "realized"}))
    found = preview_of_change(None, plan("s1", "s2"), sample, AT_MS)
    assert found.exported == 11
    assert [each.profile for each in found.exports] == ["xx", "x9", "x9"]


def test_where_very_much_is_mapped_profiles_from_all_over_the_sample_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(change_preview, "LOOKED_MAX", 8)
    sample = [event(f"p{number}", {"s1": "realized"} if number < 5 else {}) for number in range(10)]
    found = preview_of_change(None, plan("s1", "s2"), sample, AT_MS)
    assert counts(found) == (4, 2, 2, 0)


@given(destinations(), governances(), destinations(), governances(), st.lists(events(), max_size=6))
def test_the_figures_are_those_of_a_backfill_over_the_profiles_latest_events(
    before: Destination,
    governance_before: Governance,
    after: Destination,
    governance: Governance,
    given: list[Given],
) -> None:
    latest = {each.key: each for each in given if each.key is not None and each.value is not None}
    former, new = CoreWithState(before, governance_before), CoreWithState(after, governance)
    for each in latest.values():
        former.apply(each)
    new.states, new.offset = former.states, former.offset
    answers = [new.apply_again(each, AT_MS) for each in latest.values()]
    sample = [
        SampledEvent(each.key or b"", each.value, each.headers, each.timestamp_ms) for each in latest.values()
    ]
    found = preview_of_change(Plan(before, governance_before), Plan(after, governance), sample, AT_MS)
    refused = sum(1 for reason, _, _ in answers if reason is not None)
    exports = [data for _, _, data in answers if data is not None]
    assert counts(found) == (len(latest), len(exports), len(latest) - len(exports) - refused, refused)
    statuses = [
        entry["status"]
        for data in exports
        for segments in json.loads(data)["segmentMembership"].values()
        for entry in segments.values()
    ]
    assert sum(each.realized for each in found.segments) == statuses.count("realized")
    assert sum(each.existing for each in found.segments) == statuses.count("existing")
    assert sum(each.exited for each in found.segments) == statuses.count("exited")
