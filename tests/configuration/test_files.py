"""The two configuration files: what is wrong is told at once, with line, member and remedy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processor.configuration import load_configuration, parse_configuration
from processor.configuration.located import parse_yaml
from processor.errors import ConfigurationError
from processor.governance.destination import SegmentTimes
from processor.governance.plan import compile_plan
from processor.profile.core import Core

if TYPE_CHECKING:
    from pathlib import Path

    from processor.errors import Problem
    from processor.governance.destination import Destination
    from processor.governance.document import Governance

GOOD = """\
name: Loyalty exports
connection: {region: eu-west-1}
stream: profile-exports
marketingActions: [exportToThirdParty]
segments:
  - id: one
  - {id: one, namespace: crm}
attributes: [person.email]
"""
GOOD_GOVERNANCE = """\
marketingActions: [{name: partnerSync}]
labels:
  fields: {person.email: [I1]}
  segments:
    - {id: one, labels: [C5]}
policies:
  - name: first
    status: ENABLED
    marketingActionRefs: [https://example.com/actions/partnerSync]
    deny: {operator: AND, operands: [{label: C2}, {label: I1}]}
consentPolicies:
  - name: opt-in
    status: ENABLED
    marketingActionRefs: [emailTargeting]
    requires: {path: consents.email, in: ["y", true, 1]}
"""


def parse(
    destination: str = GOOD, governance: str | None = None, environ: dict[str, str] | None = None
) -> tuple[Destination, Governance]:
    second = None if governance is None else (governance, "governance.yaml")
    return parse_configuration((destination, "destination.yaml"), second, environ or {})


def problems(
    destination: str = GOOD, governance: str | None = None, environ: dict[str, str] | None = None
) -> list[Problem]:
    with pytest.raises(ConfigurationError) as refused:
        parse(destination, governance, environ)
    return list(refused.value.problems)


def told(destination: str, governance: str | None = None) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.member) for problem in problems(destination, governance)]


def test_the_files_become_value_objects() -> None:
    destination, governance = parse(GOOD, GOOD_GOVERNANCE)
    assert [(s.namespace, s.id) for s in destination.segments] == [("ups", "one"), ("crm", "one")]
    assert destination.attributes == ("person.email",)
    assert governance.policies[0].actions == ("partnerSync",)
    assert governance.field_labels == {"person.email": {"I1"}}


def test_json_is_yaml_too() -> None:
    text = '{"name": "d", "connection": {"region": "r"}, "stream": "s", "marketingActions": [], "segments": [{"id": "1"}]}'
    assert parse(text)[0].name == "d"


def test_escaped_surrogates_are_joined_as_in_json() -> None:
    text = GOOD.replace("name: Loyalty exports", 'name: "\\ud83d\\ude00"').replace(
        "email]", '"\\ud83d\\ude00"]'
    )
    destination, _ = parse(text.replace("[person.", "[person.email, "))
    assert (destination.name, destination.attributes) == ("😀", ("person.email", "😀"))


@pytest.mark.parametrize(
    "value", ["18446744073709551616", "-9" + "0" * 60, "1.5", '{"a": [null, "\\ud83d\\ude00"]}']
)
def test_any_value_that_a_profile_can_have_may_give_consent(value: str) -> None:
    destination, governance = parse(
        GOOD.replace("exportToThirdParty", "emailTargeting"), GOOD_GOVERNANCE.replace('"y", true, 1', value)
    )
    core = Core(compile_plan(destination, governance))
    entry = '{"status": "realized", "lastQualificationTime": "2020-05-25T21:24:39Z"}'
    for consent, is_given in ((value, True), ('"n"', False)):
        event = f'{{"consents": {{"email": {consent}}}, "segmentMembership": {{"ups": {{"one": {entry}}}}}}}'
        transition = core.apply(b"p", event.encode(), (), timestamp_ms=0, offset=0, state=None)
        assert (transition.export is not None) is is_given


def test_descriptions_have_no_effect() -> None:
    described = GOOD_GOVERNANCE.replace("    status:", "    description: What it is for\n    status:")
    assert described.count("description") == 2
    assert parse(GOOD, described)[1] == parse(GOOD, GOOD_GOVERNANCE)[1]
    assert parse(GOOD, described.replace("What it is for", "null"))[1] == parse(GOOD, GOOD_GOVERNANCE)[1]
    assert parse(GOOD + "description: What it is for\n")[0].description == "What it is for"


def test_times_of_segments_are_kept_whether_exports_carry_them_or_not() -> None:
    text = GOOD.replace("id: one\n", "id: one\n    createdAt: 0\n    mappingUpdatedAt: 1649856570000\n")
    destination, _ = parse(text)
    assert destination.segments[0].times == SegmentTimes(
        created_at_ms=0, mapping_updated_at_ms=1_649_856_570_000
    )
    assert destination.segments[1].times == SegmentTimes()
    assert not destination.include_segment_timestamps
    assert parse(text + "includeSegmentTimestamps: true\n")[0].include_segment_timestamps


def test_words_and_dates_that_old_yaml_converts_stay_texts() -> None:
    destination, _ = parse(
        GOOD.replace("id: one", "id: no", 1).replace("name: Loyalty exports", "name: 2020-01-01")
    )
    assert (destination.name, destination.segments[0].id) == ("2020-01-01", "no")


@pytest.mark.parametrize(
    ("was", "becomes", "line", "member"),
    [
        ("name: Loyalty exports", "name: ''", 1, "name"),
        ("name: Loyalty exports", "name: 5", 1, "name"),
        ("name: Loyalty exports", "titel: x", 1, "titel"),
        ("{region: eu-west-1}", "{region: eu-west-1, accessKeyId: A}", 2, "connection"),
        ("{region: eu-west-1}", "{region: eu-west-1, accessKeyIdFile: /a}", 2, "connection"),
        (
            "{region: eu-west-1}",
            "{region: r, secretKeyFile: /a, secretKey: S}",
            2,
            "connection.secretKeyFile",
        ),
        (
            "{region: eu-west-1}",
            "{region: r, accessKeyIdFile: 5, secretKey: S}",
            2,
            "connection.accessKeyIdFile",
        ),
        ("{region: eu-west-1}", "{regoin: eu-west-1}", 2, "connection.regoin"),
        ("{region: eu-west-1}", "{region: r, connectionUrl: localhost}", 2, "connection.connectionUrl"),
        (
            "{region: eu-west-1}",
            "{region: r, connectionUrl: 'http://a:99999'}",
            2,
            "connection.connectionUrl",
        ),
        ("profile-exports", "profile exports", 3, "stream"),
        ("profile-exports", "arn:aws:kinesis:us-east-1:123456789012:stream/s", 3, "stream"),
        ("[exportToThirdParty]", "[exportToThirdparty]", 4, "marketingActions[0]"),
        ("[exportToThirdParty]", "[analytics, analytics]", 4, "marketingActions[1]"),
        ("[exportToThirdParty]", "exportToThirdParty", 4, "marketingActions"),
        ("namespace: crm", "namespace: ups", 7, "segments[1]"),
        ("namespace: crm", "nmaespace: crm", 7, "segments[1].nmaespace"),
        ("id: one\n", "id: one\n    createdAt: -1\n", 7, "segments[0].createdAt"),
        ("id: one\n", "id: one\n    updatedAt: 2020-05-25T21:24:39Z\n", 7, "segments[0].updatedAt"),
        ("id: one\n", "id: one\n    mappingCreatedAt: 1.5\n", 7, "segments[0].mappingCreatedAt"),
        ("id: one\n", "id: one\n    mappingUpdatedAt: true\n", 7, "segments[0].mappingUpdatedAt"),
        ("[person.email]", "[person.email]\nincludeSegmentTimestamps: 1", 9, "includeSegmentTimestamps"),
        ("name: Loyalty exports", 'name: "\\udc00"', 1, "name"),
        ("[person.email]", '["\\ud800.email"]', 8, "attributes[0]"),
        ("[person.email]", '[person.email]\n"\\ud800": 1', 1, "(the file)"),
        ("[person.email]", "[person.email, person.email]", 8, "attributes[1]"),
        ("[person.email]", "[person.email, person]", 8, "attributes[0]"),
        ("[person.email]", "[segmentMembership.ups]", 8, "attributes[0]"),
        ("[person.email]", "[identityMap]", 8, "attributes[0]"),
        ("[person.email]", "[person..email]", 8, "attributes[0]"),
        ("[person.email]", "[person.email]\npartitionKey: 'identity:'", 9, "partitionKey"),
        ("[person.email]", "[person.email]\npartitionKey: email", 9, "partitionKey"),
        ("[person.email]", "[person.email]\nstream: again", 9, "stream"),
        ("[person.email]", "[person.email]\ndescription: ${UNSET}", 9, "description"),
        ("[person.email]", "[person.email]\ndescription: ${", 9, "description"),
        ("[person.email]", "[person.email]\ndescription: !!python/name:os.system", 9, "description"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_member(
    was: str, becomes: str, line: int, member: str
) -> None:
    assert was in GOOD
    assert (line, member) in told(GOOD.replace(was, becomes))


@pytest.mark.parametrize(
    ("was", "becomes", "line", "member"),
    [
        ("partnerSync}]", "analytics}]", 1, "marketingActions[0]"),
        ("partnerSync}]", "partnerSync}, {name: partnerSync}]", 1, "marketingActions[1]"),
        ("{person.email: [I1]}", "{person..email: [I1]}", 3, "labels.fields.person..email"),
        ("- {id: one, labels: [C5]}", "- {id: one, labels: [C5]}\n    - {id: one, labels: []}", 6, "labels.segments[1]"),
        ("status: ENABLED", "status: enabled", 8, "policies[0].status"),
        ("partnerSync]", "nowhere]", 9, "policies[0].marketingActionRefs[0]"),
        ("{operator: AND, operands: [{label: C2}, {label: I1}]}", "{operator: AND}", 10, "policies[0].deny"),
        ("{operator: AND, operands: [{label: C2}, {label: I1}]}", "{operator: AND, operands: []}", 10, "policies[0].deny"),
        ("{operator: AND, operands: [{label: C2}, {label: I1}]}", "{label: C2, operator: AND}", 10, "policies[0].deny"),
        ("{label: I1}", "{lable: I1}", 10, "policies[0].deny.operands[1].lable"),
        ('["y", true, 1]', '["y", 1e999]', 15, "consentPolicies[0].requires.in[1]"),
        ('["y", true, 1]', f"[{'9' * 400}]", 15, "consentPolicies[0].requires.in[0]"),
        ('["y", true, 1]', '["\\ud800"]', 15, "consentPolicies[0].requires.in[0]"),
        ("path: consents.email, ", "", 15, "consentPolicies[0].requires"),
        ("path: consents.email", "path: identityMap.x", 15, "consentPolicies[0].requires.path"),
        ("opt-in", "''", 12, "consentPolicies[0].name"),
    ],
)  # fmt: skip
def test_a_mistake_in_governance_is_reported_with_its_line_and_member(
    was: str, becomes: str, line: int, member: str
) -> None:
    assert was in GOOD_GOVERNANCE
    assert (line, member) in told(GOOD, GOOD_GOVERNANCE.replace(was, becomes, 1))


def test_all_that_is_wrong_with_both_files_is_reported_at_once() -> None:
    wrong = (
        GOOD.replace("name: Loyalty exports", "name: 5")
        .replace("namespace: crm", "namespace: ups")
        .replace("[person.email]", "[person.email, person, identityMap]")
        .replace("stream:", "straem:")
    )
    wrong_governance = GOOD_GOVERNANCE.replace("ENABLED", "ON", 1).replace("{person.email:", "{a..b:")
    assert told(wrong, wrong_governance) == [
        (1, "name"),
        (1, "stream"),
        (3, "straem"),
        (7, "segments[1]"),
        (8, "attributes[0]"),
        (8, "attributes[2]"),
        (3, "labels.fields.a..b"),
        (8, "policies[0].status"),
    ]


def test_each_problem_names_its_file_and_a_remedy() -> None:
    for problem in problems("name: 5\nstraem: x\n", "enforcement: maybe\n"):
        assert problem.source in {"destination.yaml", "governance.yaml"}
        assert problem.message
        assert problem.remedy
        assert str(problem).startswith(f"{problem.source}:{problem.line}: {problem.member}: ")


def test_a_misspelt_member_is_recognised() -> None:
    (problem, *_) = [p for p in problems(GOOD.replace("stream:", "straem:")) if p.member == "straem"]
    assert problem.remedy == "Did you mean stream?"


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n", "null", "[]", "5", "a: [", "a:\n\tb: 1", "*x"]
)
def test_a_file_that_is_no_mapping_is_reported(text: str) -> None:
    assert problems(text)


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert any("repeats itself" in problem.message for problem in problems("\n".join(lines)))


def test_deep_nesting_is_stopped() -> None:
    assert problems("a: " + "[" * 5_000 + "]" * 5_000)


def test_references_to_the_environment_are_filled_in() -> None:
    text = GOOD.replace("Loyalty exports", "'${A}-$$-${B_2}'")
    assert parse(text, environ={"A": "x", "B_2": "${A}"})[0].name == "x-$-${A}"


def test_secrets_are_in_no_message_and_no_representation() -> None:
    connection = "{region: eu-west-1, accessKeyId: '${ID}', secretKey: '${KEY}'}"
    environ = {"ID": "AKIAsecret", "KEY": "verysecret"}
    text = GOOD.replace("{region: eu-west-1}", connection)
    destination, _ = parse(text, environ=environ)
    assert not any(secret in repr(destination) for secret in environ.values())
    for wrong in (text.replace("region:", "regoin:"), text.replace("secretKey", "secretkey")):
        assert not any(
            "verysecret" in str(p) or "AKIAsecret" in str(p) for p in problems(wrong, environ=environ)
        )


def test_files_that_cannot_be_read_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4")
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(tmp_path / "latin.yaml", tmp_path / "absent.yaml", {})
    assert [p.message for p in refused.value.problems] == [
        "it is not UTF-8 at byte 6",
        "there is no such file",
    ]


words = st.sampled_from(
    [
        "name",
        "stream",
        "segments",
        "attributes",
        "connection",
        "labels",
        "policies",
        "deny",
        "${X}",
        "x",
        "1e999",
    ]
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(trees, trees)
def test_any_tree_is_a_configuration_or_refused(destination: object, governance: object) -> None:
    try:
        parse(repr(destination), repr(governance))
    except ConfigurationError as refusal:
        told_of = refusal.problems
    else:
        told_of = ()
    assert all(problem.message and problem.remedy for problem in told_of)


any_text = st.text(max_size=30) | st.sampled_from(
    ["${X}", "${Y}", "$$", "a${", "\ud83d", "\ud83d\ude00", "no", "1e5", "\x85", "  "]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(any_text, json_values, max_size=4))
@example({"a": {"b": [[[[]]]]}})
def test_json_says_the_same_on_one_line_and_on_several(value: dict[str, object]) -> None:
    on_one = parse_yaml(json.dumps(value), "", {"X": "x"})
    on_several = parse_yaml(json.dumps(value, indent=1), "", {"X": "x"})
    assert on_one.tree == on_several.tree
    assert repr(on_one.tree) == repr(on_several.tree)  # 1 is not 1.0
    assert [(each.member, each.message) for each in on_one.problems] == [
        (each.member, each.message) for each in on_several.problems
    ]
    assert {each.line for each in on_one.problems} <= {1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "a", "name": "b"}', "it is given twice"),
        ("{name: a, name: b}", "it is given twice"),
        ('{"name": NaN, "stream": 1, "stream": 2}', "it is given twice"),
        ('{"name": ' + "[" * 70 + "]" * 70 + "}", "it is nested too deeply, or repeats itself"),
        ('{"name": ' + "[" * 5000 + "]" * 5000 + "}", "it is not YAML: maximum recursion depth exceeded"),
        ('{"segments": [' + "1," * 200_000 + "1]}", "it is nested too deeply, or repeats itself"),
    ],
)
def test_one_line_is_refused_as_several_are(text: str, message: str) -> None:
    on_one = parse_yaml(text, "", {}).problems
    on_several = parse_yaml(f"# a line before\n{text}", "", {}).problems
    assert on_one[0].message.startswith(message)
    assert [each.message for each in on_one] == [each.message for each in on_several]


@given(st.text())
@example("\x00")
@example("{a: 1, ? [b] : 2}")
@example("&a [*a]")
@example("9" * 5000)
@example("? ")
@example("!!binary x")
def test_any_text_is_a_configuration_or_refused(text: str) -> None:
    assert problems(text, text)
