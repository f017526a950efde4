"""The files that a set-up makes are those that the loader takes."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import example, given

from processor.configuration import parse_configuration
from processor.errors import ConfigurationError
from processor.governance.destination import Segment
from processor.governance.document import CORE_MARKETING_ACTIONS
from processor.operations.destination_draft import (
    Action,
    Draft,
    destination_text,
    governance_text,
    plan_of_draft,
    problems_with,
    removals_of,
)
from processor.operations.marketing_actions import MEANINGS
from processor.operations.new_files import trouble_with, write_new
from processor.operations.suggestions import AttributeSeen, Sample, outermost
from tests.support.strategies import values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WHOLE = Draft(name="n", region="eu-west-1", stream="s", segments=(Segment("ups", "one"),))
TEXTS = st.text(min_size=1)
NAMES = st.text(min_size=1).filter(lambda text: "\0" not in text)
HOSTILE = (
    "x\n  evil: 1",
    "${HOME}",
    "$$",
    "*a",
    "&a",
    "!!int 1",
    "- a",
    "# a",
    "a: b",
    "null",
    "no",
    "1e3",
    "\x1b[2J",
    "'\"\\",
    "\ufeff",
    "\U0001f600",
    "\u2028",
    "",
)


@given(
    TEXTS,
    st.text(),
    st.lists(st.tuples(NAMES, NAMES, st.none() | TEXTS), min_size=1, unique_by=lambda each: each[:2]),
)
@example("${HOME}", "a\n#b", [("x\n  evil: 1", "${A}", "y: {"), ("no", "null", "- \x1b[2J")])
@example("\ufffe\x85", "\x7f", [("\U0001f600", "\u2028", "'\"\\")])
def test_every_text_means_itself_in_the_file(
    name: str, description: str, segments: Sequence[tuple[str, str, str | None]]
) -> None:
    mapped = tuple(Segment(*each) for each in segments)
    draft = Draft(name, description, "eu-west-1", stream="s", segments=mapped)
    (destination, _) = parse_configuration((destination_text(draft), "d"), None, {})
    assert (destination.name, destination.description or "", destination.segments) == (
        name,
        description,
        mapped,
    )


@pytest.mark.parametrize("text", [each for each in HOSTILE if each])
def test_another_reader_of_yaml_sees_the_same_texts(text: str) -> None:
    tree = yaml.safe_load(
        destination_text(Draft(name=text, segments=(Segment("ups", text),), attributes=(text,)))
    )
    assert tree["name"] == tree["segments"][0]["id"] == tree["attributes"][0] == text.replace("$", "$$")


@given(st.lists(values(), max_size=5))
def test_whatever_a_sample_holds_all_that_it_suggests_can_be_mapped(events: list[bytes]) -> None:
    sample = Sample()
    for number, value in enumerate(events):
        sample.add(str(number).encode(), value)
    found = sample.suggestions()
    segments = tuple(Segment(each.namespace, each.id, each.name) for each in found.segments)
    draft = Draft(
        region="eu-west-1",
        stream="s",
        segments=segments or WHOLE.segments,
        attributes=tuple(outermost(each.path for each in found.attributes)),
        seen=found.attributes,
    )
    plan = plan_of_draft(draft, {})
    assert plan.destination.segments == draft.segments
    assert plan.destination.attributes == draft.attributes


@given(st.text(min_size=1))
@example("a\nsegments: []")
def test_what_is_not_mapped_stands_in_the_file_as_a_comment_alone(path: str) -> None:
    seen = (AttributeSeen(path, "text", 1, ""),)
    with_comment = Draft(region="eu-west-1", stream="s", segments=WHOLE.segments, seen=seen)
    assert plan_of_draft(with_comment, {}).destination.attributes == ()


def test_keys_are_named_and_never_held() -> None:
    draft = Draft(
        region="eu-west-1",
        stream="s",
        segments=WHOLE.segments,
        access_key_variable="A",
        secret_key_variable="B",
    )
    text = destination_text(draft)
    assert "accessKeyId: ${A}\n  secretKey: ${B}\n" in text
    environ = {"A": "AKIAEXAMPLE", "B": "hush"}
    connection = plan_of_draft(draft, environ).destination.connection
    assert connection.secret_key is not None
    assert connection.secret_key.get_secret_value() == "hush"
    assert "hush" not in text
    assert plan_of_draft(draft, {}).destination.stream == "s", "variables that are not set yet are no fault"


@given(TEXTS, st.text())
def test_own_actions_are_declared_in_a_governance_file_that_loads(name: str, description: str) -> None:
    if name in CORE_MARKETING_ACTIONS:
        return
    action = Action(name, description)
    draft = Draft(
        region="eu-west-1",
        stream="s",
        segments=WHOLE.segments,
        marketing_actions=(name,),
        own_actions=(action,),
    )
    assert plan_of_draft(draft, {}).governance.custom_actions == (name,)
    assert yaml.safe_load(governance_text([action]))["marketingActions"][0]["name"] == name.replace("$", "$$")


def test_one_answer_is_checked_by_itself() -> None:
    (problem,) = problems_with("stream", Draft(stream="a b"), {})
    assert problem.member == "stream"
    assert problems_with("stream", Draft(stream="fine"), {}) == []
    assert [each.member for each in problems_with("attributes", Draft(attributes=("a", "a.b", "")), {})]
    assert problems_with("segments", Draft(segments=WHOLE.segments * 2), {})


def test_what_governance_removes_is_said_with_its_reason_also_where_it_blocks() -> None:
    text = """
enforcement: block
labels: {fields: {loyalty: [C2]}}
policies: [{name: No sharing, status: ENABLED, marketingActionRefs: [exportToThirdParty], deny: {label: C2}}]
"""
    draft = Draft(
        region="eu-west-1",
        stream="s",
        marketing_actions=("exportToThirdParty",),
        segments=WHOLE.segments,
        attributes=("loyalty", "person.email"),
        governance=(text, "governance.yaml"),
    )
    assert removals_of(plan_of_draft(draft, {})) == [
        "attribute loyalty (labels: C2): policy 'No sharing' forbids it for exportToThirdParty"
    ]


def test_a_governance_file_that_is_wrong_is_told() -> None:
    draft = Draft(region="r", stream="s", segments=WHOLE.segments, governance=("nonsense: 1", "g.yaml"))
    with pytest.raises(ConfigurationError, match=r"g\.yaml:1: nonsense"):
        plan_of_draft(draft, {})


def test_every_core_marketing_action_has_its_meaning() -> None:
    assert set(MEANINGS) == CORE_MARKETING_ACTIONS


def test_files_are_written_whole_with_the_usual_permissions_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    write_new({tmp_path / "a.yaml": "a", tmp_path / "b.yaml": "b"}, ())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.yaml": "a",
        "b.yaml": "b",
        "there": "",
    }
    assert stat.S_IMODE((tmp_path / "a.yaml").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "there").stat().st_mode
    )


def test_a_file_that_came_in_between_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("theirs")
    with pytest.raises(FileExistsError):
        write_new({tmp_path / "b": "ours"}, ())
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b": "theirs"}


def test_where_one_file_cannot_be_prepared_none_is_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        write_new({tmp_path / "a": "a", tmp_path / "absent" / "b": "b"}, ())
    assert list(tmp_path.iterdir()) == []


def test_writing_over_keeps_permissions_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "folder" / "real", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_new({link: "new"}, {link})
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(target.parent.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_told_beforehand(tmp_path: Path) -> None:
    assert trouble_with(tmp_path / "a") is None
    assert "is a directory" in str(trouble_with(tmp_path))
    assert "make it first" in str(trouble_with(tmp_path / "absent" / "a"))
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert "cannot be used" in str(trouble_with(tmp_path / "self"))
