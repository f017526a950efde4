"""`processor flow-service import`: what the two services answer and take, as our two files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from processor.cli.app import app
from processor.errors import EXIT_BAD_CONFIGURATION

if TYPE_CHECKING:
    from typer.testing import Result

DOCUMENTS = Path(__file__).parent / "documents"
ALL = sorted(map(str, DOCUMENTS.glob("*.json")))
SECRETS = ("AKIAABCDEFGHIJKLMNOP", "not-to-be-seen-anywhere")

KINESIS = {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"}
TARGET: dict[str, Any] = {
    "baseConnectionId": "{BASE_CONNECTION_ID}",
    "connectionSpec": KINESIS,
    "data": {"format": "json"},
    "params": {"stream": "profile-exports", "region": "eu-west-1"},
}


def segment(**value: Any) -> dict[str, Any]:
    return {"type": "PLATFORM_SEGMENT", "value": {"id": "s1", **value}}


def attribute(path: str, **value: Any) -> dict[str, Any]:
    return {"type": "JSON_PATH", "value": {"path": path, "operator": "EXISTS", **value}}


def flow(*selectors: Any, **members: Any) -> dict[str, Any]:
    lists = {
        "segmentSelectors": [each for each in selectors if "JSON_PATH" not in str(each)],
        "profileSelectors": [each for each in selectors if "JSON_PATH" in str(each)],
    }
    params = {name: {"selectors": each} for name, each in lists.items()}
    return {
        "name": "Loyalty exports",
        "flowSpec": {"id": "{FLOW_SPEC_ID}", "version": "1.0"},
        "transformations": [{"name": "GeneralTransform", "params": params}],
        **members,
    }


def run(*arguments: str, documents: Any = None) -> Result:
    text = documents if documents is None or isinstance(documents, str | bytes) else json.dumps(documents)
    given = () if documents is None else ("-",)
    return CliRunner().invoke(app, ["flow-service", "import", *given, *arguments], input=text)


def files(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def refusal(*arguments: str, documents: Any = None) -> str:
    result = run(*arguments, documents=documents)
    assert result.exit_code == EXIT_BAD_CONFIGURATION, result.output
    assert result.stdout == ""
    assert "nothing was written" in result.stderr
    return result.stderr


def test_answers_of_both_services_become_the_two_files() -> None:
    destination, governance = files(run(*ALL, "--marketing-action", "exportToThirdParty"))
    assert destination == {
        "name": "Loyalty exports",
        "description": "Loyalty segments for the data platform team",
        "connection": {
            "region": "eu-west-1",
            "accessKeyId": "${EXPORT_KEY_ID}",
            "secretKey": "${EXPORT_SECRET}",
        },
        "stream": "profile-exports",
        "marketingActions": ["exportToThirdParty"],
        "segments": [
            {
                "id": "7841ba61-23c1-4bb3-a495-00d3g5fe1e93",
                "name": "High propensity to convert",
                "mappingCreatedAt": 1649856570000,
                "mappingUpdatedAt": 1649856571000,
            },
            {"id": "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"},
        ],
        "attributes": ["person.email"],
    }
    assert governance["marketingActions"] == [
        {"name": "partner sync", "description": "Share with the partner"},
        {"name": "combineData"},
    ]
    assert [
        (each["name"], each["status"], each["marketingActionRefs"]) for each in governance["policies"]
    ] == [
        ("Nothing under contract to partners", "ENABLED", ["exportToThirdParty", "partner sync"]),
        ("No joined identities", "DISABLED", ["combineData"]),
        ("Sketch", "DRAFT", ["emailTargeting"]),
    ]
    assert governance["policies"][0]["deny"] == {
        "operator": "OR",
        "operands": [{"label": "C2"}, {"operator": "AND", "operands": [{"label": "C3"}, {"label": "C7"}]}],
    }


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_files_does_not_matter_but_to_lists(order: int) -> None:
    assert files(run(*ALL[::order])) == files(run(*ALL))


def test_a_key_is_never_written_and_a_reference_is_kept(tmp_path: Path) -> None:
    result = run(*ALL)
    assert not [secret for secret in SECRETS if secret in result.output]
    assert "connections.json: /items/1/auth/params/secretKey: keys are never written" in result.stderr
    assert "${EXPORT_SECRET}" in result.stderr

    base = {"connectionSpec": KINESIS, "auth": {"params": {"accessKeyId": "${ID}", "secretKey": "****"}}}
    (destination,) = files(run(documents=[flow(segment()), TARGET, base]))
    assert destination["connection"]["accessKeyId"] == "${ID}"
    assert destination["connection"]["secretKey"] == "${EXPORT_SECRET}"


def test_the_tutorial_s_patch_activates_the_flow_that_was_created_empty() -> None:
    adds = [
        {"op": "add", "path": f"/transformations/0/params/{member}/selectors/-", "value": value}
        for member, value in (
            ("segmentSelectors", segment(name="Men over 50", description="Fifty and more")),
            ("profileSelectors", attribute("person.lastName")),
        )
    ]
    result = run(documents=[flow(), TARGET, adds])
    (destination,) = files(result)
    assert destination["segments"] == [{"id": "s1", "name": "Men over 50"}]
    assert destination["attributes"] == ["person.lastName"]
    assert "/2/0/value/value/description: a segment has no description here" in result.stderr

    remove = {"op": "remove", "path": "/transformations/0/params/segmentSelectors/selectors/0"}
    assert "/2: it is a JSON Patch that does more" in refusal(documents=[flow(segment()), TARGET, remove])
    assert "there is no flow" in refusal(documents=adds)


def test_what_has_no_counterpart_is_listed_with_its_place_and_strict_refuses_it() -> None:
    result = run(*ALL)
    lines = result.stderr.splitlines()
    at = "/items/0/transformations/0/params/"
    for place in (
        f"{at}profileSelectors/mandatoryFields",
        f"{at}segmentSelectors/selectors/1/value/filenameTemplate",
        f"{at}segmentSelectors/selectors/1/value/exportMode",
        f"{at}segmentSelectors/selectors/1/value/schedule",
    ):
        assert any(line.startswith("left out ") and f"flow.json: {place}: " in line for line in lines), place
    assert any("segmentMembership.status: it is exported by itself" in line for line in lines)
    strict = run(*ALL, "--strict")
    assert strict.exit_code == EXIT_BAD_CONFIGURATION
    assert strict.stdout == ""
    assert "5 members are left out; nothing was written" in strict.stderr


def test_strict_takes_documents_of_which_nothing_that_matters_is_left_out() -> None:
    documents = [flow(segment(), id="1", createdAt=1, imsOrgId="o"), TARGET | {"etag": "e"}]
    assert files(run("--strict", documents=documents))


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([flow(segment(), colour="red"), TARGET], "/0/colour: no member of our files"),
        ([flow(segment(), state="disabled"), TARGET], "/0/state: it is disabled"),
        ([flow(segment(), {"type": "EVENT", "value": 1}), TARGET], "selectors/1: selectors of type 'EVENT'"),
        (
            [flow(segment(), attribute("a", operator="NOT_EXISTS")), TARGET],
            "a is not mapped: the operator NOT_EX",
        ),
        (
            [flow(segment(), attribute("a", mapping={"destination": "b"})), TARGET],
            "mapping/destination: a is",
        ),
        ([flow(segment(), attribute("a", identity={"namespace": "Email"})), TARGET], "value/identity: every"),
        ([flow(segment()), TARGET | {"data": {"format": "avro"}}], "/1/data/format: exports are JSON"),
        ([flow(segment()), TARGET | {"connectionSpec": {"id": "x"}}], "/1/connectionSpec/id: x is not"),
        ([flow(segment()), TARGET, {"policyIds": ["1"]}], "/2: a list of enabled core policies"),
        ({"items": [flow(segment()), TARGET], "_links": {"next": {"href": "?"}}}, "the list goes on"),
        ([flow(segment(**{"a/b~c": 1})), TARGET], "value/a~1b~0c: no member"),
    ],
)
def test_left_out(documents: Any, told: str) -> None:
    result = run(documents=documents)
    files(result)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("left out")]
    assert told in line


def test_a_destination_s_marketing_actions_are_asked_for_where_policies_need_them() -> None:
    assert "set aside standard input: /0: no document says the destination's marketing actions" in (
        run(documents=[flow(segment()), TARGET]).stderr
    )
    assert "left out" in run(documents=[flow(segment()), TARGET, policy()]).stderr
    assert "--marketing-action: /0: 'nonsense' is neither" in refusal(
        "--marketing-action", "nonsense", documents=[flow(segment()), TARGET]
    )


def policy(*refs: str, **members: Any) -> dict[str, Any]:
    return {
        "name": "p",
        "status": "ENABLED",
        "marketingActionRefs": list(refs or ("exportToThirdParty",)),
        "deny": {"label": "C2"},
        **members,
    }


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("emailTargeting", "emailTargeting"),
        ("../marketingActions/core/emailTargeting", "emailTargeting"),
        ("https://platform.adobe.io/data/foundation/dulepolicy/marketingActions/custom/a%20b", "a b"),
        ("https://elsewhere:8080/marketingActions/custom/%C3%A9%24/?x#y", "é$"),
        ("https://h/marketingActions/custom/a%2520b", "a%20b"),
        ("https://h/marketingActions/custom/exportToThirdParty", "exportToThirdParty"),
    ],
)
def test_references_to_marketing_actions_are_decoded_once(ref: str, name: str) -> None:
    (governance,) = files(run(documents=policy(ref)))
    assert governance["policies"][0]["marketingActionRefs"] == [name.replace("$", "$$")]
    declared = [action["name"] for action in governance.get("marketingActions", [])]
    assert declared == ([] if name in {"emailTargeting", "exportToThirdParty"} else [name.replace("$", "$$")])


def test_consent_policies_in_our_own_form_are_taken() -> None:
    consent = {"name": "c", "status": "ENABLED", "marketingActionRefs": ["emailTargeting"]}
    requires = {"path": "consents.email.val", "in": ["y"]}
    (governance,) = files(run(documents=[consent | {"requires": requires}]))
    assert governance == {"consentPolicies": [consent | {"requires": requires}]}


def test_the_tutorial_s_bodies_are_told_apart_with_its_placeholders_in_them() -> None:
    spec = {"connectionSpec": {"id": "{CONNECTION_SPEC_ID}", "version": "1.0"}, "name": "n"}
    platform = [
        spec,
        spec | {"baseConnectionId": "{BASE_CONNECTION_ID}", "data": {"format": "json"}, "params": {}},
    ]
    auth = {
        "specName": "{AUTHENTICATION_CREDENTIALS}",
        "params": {"accessKeyId": "{ID}", "secretKey": "{KEY}"},
    }
    bodies = [
        *platform,
        spec | {"auth": auth},
        TARGET | spec,
        flow(segment(), targetConnectionIds=["{TARGET}"]),
    ]
    (destination,) = files(run("--strict", documents=bodies))
    assert destination["connection"]["secretKey"] == "${EXPORT_SECRET}"
    assert destination["stream"] == "profile-exports"


def test_a_marketing_action_with_a_member_that_is_not_known_is_still_one() -> None:
    links = {"self": {"href": "https://h/data/foundation/dulepolicy/marketingActions/custom/a"}}
    result = run(documents={"name": "a", "colour": "red", "_links": links})
    assert files(result) == [{"marketingActions": [{"name": "a"}]}]
    assert "left out standard input: /colour" in result.stderr


def test_a_long_text_comes_through_unbroken() -> None:
    name = "a  b " * 200 + "$"
    (destination,) = files(run(documents=[flow(segment(name=name), name=name), TARGET]))
    assert destination["name"] == destination["segments"][0]["name"] == name.replace("$", "$$")


def test_a_core_marketing_action_is_known_and_not_declared() -> None:
    (governance,) = files(run(documents=[{"name": "crossSiteTargeting", "description": "d"}, policy()]))
    assert "marketingActions" not in governance


def test_several_flows_are_refused_unless_one_is_named_and_ids_lead_to_its_connections() -> None:
    answers = [
        flow(segment(id=f"s{n}"), id=f"flow{n}", targetConnectionIds=[f"target{n}"], name=f"n{n}")
        for n in range(2)
    ]
    targets = [
        TARGET | {"id": f"target{n}", "baseConnectionId": f"base{n}", "params": {"stream": f"stream{n}"}}
        for n in range(2)
    ]
    bases = [
        {"id": f"base{n}", "connectionSpec": KINESIS, "auth": {"params": {"region": f"eu-west-{n}"}}}
        for n in range(2)
    ]
    documents = [{"items": each} for each in (answers, targets, bases)]
    assert "/0/items/1: it is a second flow" in refusal(documents=documents)
    result = run("--flow", "flow1", documents=documents)
    (destination,) = files(result)
    assert (destination["name"], destination["stream"]) == ("n1", "stream1")
    assert destination["connection"] == {"region": "eu-west-1"}
    assert "left out standard input: /0/items/0: another flow" in result.stderr
    assert "there is no flow flow2" in refusal("--flow", "flow2", documents=documents)
    assert "no connection that is given has the id target1" in refusal(
        "--flow", "flow1", documents=[answers[1], targets[0]]
    )


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([flow(segment())], "there is no target connection"),
        ([TARGET], "there is no flow"),
        ([flow(segment()), TARGET, TARGET], "/2: it is a second target connection"),
        (
            [flow(segment(), targetConnectionIds=["a", "b"]), TARGET | {"id": "a"}],
            "targetConnectionIds: there are sev",
        ),
        ([flow(), TARGET], "/0/transformations: nothing is mapped"),
        ([flow(segment(), segment()), TARGET], "segmentSelectors/selectors/1: ups/s1 is given already"),
        (
            [flow(segment(), attribute("a"), attribute("a.b")), TARGET],
            "profileSelectors/selectors/1/value/path: a.b lies",
        ),
        (
            [flow(segment(), attribute("a..b")), TARGET],
            "profileSelectors/selectors/0/value/path: 'a..b' has an empty",
        ),
        ([flow(segment(), name=None), TARGET], "/0/name: it is missing"),
        ([flow(segment(), name=7), TARGET], "/0/name: Input should be a valid string"),
        ([flow(segment(), transformations={}), TARGET], "/0/transformations: Input should be a valid list"),
        ([flow(segment(id=7)), TARGET], "segmentSelectors/selectors/0/value/id: Input should be"),
        ([flow("x"), TARGET], "segmentSelectors/selectors/0: it is no selector"),
        ([flow(segment(createTime="soon")), TARGET], "value/createTime: 'soon' is no time"),
        ([flow(segment(createTime=[])), TARGET], "value/createTime: Input should be"),
        ([flow(segment()), TARGET | {"params": {"stream": "a b"}}], "/1/params/stream: it is neither"),
        ([flow(segment()), TARGET | {"params": {"stream": "a"}}], "/1/params/region: it is missing"),
        ([flow(segment()), TARGET | {"params": {"region": "a"}}], "/1/params/stream: it is missing"),
        (
            [
                flow(segment()),
                TARGET,
                {"connectionSpec": KINESIS, "auth": {"params": {"region": "us-east-1"}}},
            ],
            "/2/auth/params/region: it is us-east-1, and the target connection's is eu-west-1",
        ),
        (
            [flow(segment()), TARGET, {"connectionSpec": KINESIS, "auth": {"params": {"secretKey": "s"}}}],
            "/2/auth/params: accessKeyId and secretKey go together",
        ),
        (
            [flow(segment()), TARGET, {"auth": {"params": {"connectionUrl": "https://me:word@h"}}}],
            "/2/auth/params/connectionUrl: it may hold a password",
        ),
        (
            [{"connectionSpec": {"id": "bf9f5905-92b7-48bf-bf20-455bc6b60a4e"}, "auth": {}}],
            "/0: it is of Azure Event Hubs",
        ),
        ([policy("unknown")], "/0/marketingActionRefs/0: there is no marketing action 'unknown'"),
        ([policy("https://h/marketingActions/core/x")], "there is no marketing action 'x'"),
        ([policy("https://h/marketingActions/custom/a%2Fb")], "the marketing action 'a/b' holds one of"),
        ([policy("https://h/marketingActions/custom/%FF")], "what it encodes is not UTF-8"),
        ([policy(status="ON")], "/0/status: Input should be 'ENABLED', 'DRAFT' or 'DISABLED'"),
        ([policy(deny={"operator": "NOT", "operands": [{"label": "C1"}]})], "/0/deny/operator: Input should"),
        ([policy(deny={"label": 1})], "/0/deny/label: it must be a text"),
        ([policy(deny=None)], "/0: it has no deny"),
        ([policy(), policy()], "/1/name: 'p' is given already"),
        ([{"name": "a"}, {"name": "a"}], "/1: a is given already"),
        ([{"colour": 1}], "/0: it is no object that is known here (members: colour)"),
        (
            [{"name": "a", "expression": {}}],
            "/0: it is no object that is known here (members: name, expression)",
        ),
        ([7], "/0: it is no object of either service"),
        ({"items": []}, "there is neither a flow nor a policy"),
    ],
)
def test_refused_with_place_and_reason(documents: Any, told: str) -> None:
    assert told in " ".join(refusal(documents=documents).split("\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ('{"a": 1,\n "b": }', "standard input:2: (the file): it is not JSON at column 7"),
        ('{"name": "a", "name": "b"}', "/name: it is given twice"),
        ('[{"x": {"a/b": 1, "a/b": 2}}]', "/0/x/a~1b: it is given twice"),
        ('{"name": NaN}', "NaN is no number"),
        ('{"name": "\\ud800"}', "/name: an escaped surrogate stands alone"),
        ('{"\\ud800": 1}', "an escaped surrogate stands alone"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"deny": ' * 70 + "1" + "}" * 70, "it is nested too deeply"),
        ('{"created": ' + "9" * 5000 + "}", "it is not JSON"),
        ('{"op": "add", "path": ["\\u001b[31m"]}', "it is a JSON Patch"),
        (b'{"name": "\xe9"}', "it is not UTF-8 at byte 10"),
        ('{"name": "a"}'.encode("utf-16"), "it is not UTF-8 at byte 0"),
    ],
)
def test_what_is_no_sound_json_is_refused(text: str | bytes, told: str) -> None:
    assert told in refusal(documents=text)


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert files(run(documents=b"\xef\xbb\xbf" + json.dumps(policy()).encode()))


def test_control_characters_do_not_reach_the_terminal() -> None:
    result = run(documents=[flow(segment(), **{"a\x1b[31m": 1}), TARGET])
    assert "\x1b" not in result.stderr
    assert "/0/a\\x1b[31m" in result.stderr


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "bad.json").write_text(json.dumps([flow(segment(id=1)), policy("unknown")]))
    said = refusal(*(str(tmp_path / name) for name in ("broken.json", "absent.json", "bad.json")))
    for told in (
        "broken.json:1:",
        "absent.json: (the file): it cannot be read: No such",
        "value/id",
        "'unknown'",
    ):
        assert told in said
    assert "4 problems" in said


def test_of_very_many_problems_the_first_are_shown_and_all_counted() -> None:
    said = refusal(documents=[flow(*[segment()] * 151), TARGET])
    assert said.count("is given already") == 100
    assert "and 50 more" in said
    assert "150 problems" in said


def test_files_are_written_over_only_when_told_to(tmp_path: Path) -> None:
    outs = ["--destination-out", str(tmp_path / "d.yaml"), "--governance-out", str(tmp_path / "g.yaml")]
    (tmp_path / "g.yaml").write_text("mine")
    refused = run(*ALL, *outs)
    assert refused.exit_code == 2
    assert "it is there already" in refused.stderr
    assert (tmp_path / "g.yaml").read_text() == "mine"
    assert not (tmp_path / "d.yaml").exists()
    assert run(*ALL, *outs, "--force").exit_code == 0
    assert yaml.safe_load((tmp_path / "d.yaml").read_text())["stream"] == "profile-exports"
    assert "policies" in yaml.safe_load((tmp_path / "g.yaml").read_text())


def test_a_file_for_which_there_is_nothing_is_not_written(tmp_path: Path) -> None:
    result = run("--destination-out", str(tmp_path / "d.yaml"), documents=policy())
    assert "not written, for there is no flow" in result.stderr
    assert not (tmp_path / "d.yaml").exists()
    assert files(result) == files(run("--governance-out", "-", documents=policy()))


def test_replay_exports_the_published_example_s_shape_under_imported_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(
        *ALL,
        "--marketing-action",
        "exportToThirdParty",
        "--destination-out",
        "d.yaml",
        "--governance-out",
        "g.yaml",
    )
    first, second = "7841ba61-23c1-4bb3-a495-00d3g5fe1e93", "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"
    identities = {
        "ecid": [{"id": "14575006536349286404619648085736425115"}],
        "email_lc_sha256": [{"id": "655332b5"}],
    }

    def event(at: str, **statuses: str) -> str:
        entries = {
            id_: {"status": statuses[name], "lastQualificationTime": at}
            for id_, name in ((first, "first"), (second, "second"))
        }
        value = {
            "person": {"email": "someone@example.com"},
            "segmentMembership": {"ups": entries},
            "identityMap": identities,
        }
        return json.dumps({"key": "p1", "timestamp": 1_590_000_000_000, "value": value}) + "\n"

    events = event("2020-05-24T21:24:39Z", first="realized", second="realized") + event(
        "2020-05-25T21:24:39Z", first="exited", second="realized"
    )
    monkeypatch.setenv("EXPORT_KEY_ID", "id")
    monkeypatch.setenv("EXPORT_SECRET", "secret")
    arguments = ["replay", "--destination", "d.yaml", "--governance", "g.yaml", "-"]
    result = CliRunner().invoke(app, arguments, input=events)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["data"] == {
        "person": {"email": "someone@example.com"},
        "segmentMembership": {
            "ups": {
                first: {"lastQualificationTime": "2020-05-25T21:24:39Z", "status": "exited"},
                second: {"lastQualificationTime": "2020-05-25T21:24:39Z", "status": "existing"},
            }
        },
        "identityMap": identities,
    }
