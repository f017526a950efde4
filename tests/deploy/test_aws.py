"""The IAM policies against the calls that a run makes; the Terraform module against itself."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import boto3
import hcl2
import pytest
from aiohttp import web
from botocore import xform_name

from tests.support.deploy_files import DEPLOY, load
from tests.support.needs import program
from tests.support.pages import commands
from tests.support.world import plan_for, produce, running, settings_for, stored_when, until, vector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

AWS: Final = DEPLOY / "aws"
MODULE: Final = AWS / "terraform"
EXAMPLE_ACCOUNT: Final = "111122223333"


def statement(name: str) -> dict[str, Any]:
    """The only statement of a policy."""
    (found,) = json.loads((AWS / name).read_text())["Statement"]
    assert isinstance(found, dict)
    return found


@asynccontextmanager
async def recorded(url: str) -> AsyncIterator[tuple[str, Counter[str]]]:
    """A door to the emulator that counts the actions which pass it."""
    actions: Counter[str] = Counter()

    async def passed_on(request: web.Request) -> web.Response:
        actions[request.headers["X-Amz-Target"].rpartition(".")[2]] += 1
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        async with http.post(url, data=await request.read(), headers=headers) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), content_type="application/x-amz-json-1.1"
            )

    app = web.Application()
    app.add_routes([web.post("/", passed_on)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}", actions
        finally:
            await runner.cleanup()


@pytest.mark.integration
async def test_the_policy_allows_what_a_run_asks_of_kinesis_and_no_more(
    kafka: str, topic: str, kinesis: EmbeddedKinesis, kinesis_client: Any, stream: str
) -> None:
    case = vector("seed-example")
    await produce(kafka, topic, case["events"])
    async with recorded(kinesis.endpoint_url) as (url, actions):
        settings = settings_for(kafka, topic)
        async with running(settings, plan_for(case, stream, url)) as status:
            await stored_when(kinesis_client, stream, len(case["exports"]))
            await until(lambda: not status.figures.in_flight)
    allowed = statement("iam-policy.json")["Action"]
    assert sorted(allowed) == sorted(f"kinesis:{action}" for action in actions)


def test_the_policies_are_about_one_stream_and_one_key() -> None:
    for name in ("iam-policy.json", "iam-policy-kms.json"):
        only = statement(name)
        assert only["Effect"] == "Allow"
        assert "*" not in json.dumps(only)
        assert re.fullmatch(rf"arn:aws:(kinesis|kms):[a-z0-9-]+:{EXAMPLE_ACCOUNT}:[\w/-]+", only["Resource"])


def test_the_key_may_only_be_used_through_kinesis() -> None:
    only = statement("iam-policy-kms.json")
    assert only["Action"] == "kms:GenerateDataKey", (
        "what PutRecords needs of a stream with a key of one's own"
    )
    assert list(only["Condition"]["StringEquals"]) == ["kms:ViaService"]


ACTIONS: Final = {
    "topic": {
        "Read": {"DescribeTopic", "ReadData"},
        "Write": {"DescribeTopic", "WriteData"},
        "Create": {"CreateTopic"},
        "DescribeConfigs": {"DescribeTopicDynamicConfiguration"},
    },
    "group": {"Read": {"AlterGroup", "DescribeGroup"}},
}
"""What each of Kafka's operations is in MSK's IAM."""


def test_msk_s_policy_grants_what_kafka_s_acls_do() -> None:
    """Those are tried on a broker, in test_procedures."""
    granted: dict[str, set[str]] = {"events": {"Connect", "WriteDataIdempotently"}}
    for line in commands("What Kafka must allow", "kafka-acls.sh"):
        (kind, name), *_ = re.findall(r"--(topic|group) (\S+)", line)
        granted[name] = set().union(
            *(ACTIONS[kind][operation] for operation in re.findall(r"--operation (\S+)", line))
        )
    policy = json.loads((AWS / "iam-policy-msk.json").read_text())["Statement"]
    found = {
        each["Resource"].split("/")[-1 if each["Sid"] != "Connect" else 1]: each["Action"] for each in policy
    }
    assert {name: {f"kafka-cluster:{action}" for action in actions} for name, actions in granted.items()} == {
        name: set(actions) for name, actions in found.items()
    }


def test_the_role_is_the_one_that_the_service_account_names() -> None:
    (declared,) = [block['"role_name"'] for block in blocks("variable") if '"role_name"' in block]
    account = load(DEPLOY / "kubernetes" / "base" / "serviceaccount.yaml")
    role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].rpartition("/")[2]
    assert declared["default"].strip('"') == role
    assert f':{account["metadata"]["name"]}"' in (MODULE / "main.tf").read_text()


@pytest.mark.needs("terraform")
def test_terraform_formats_it_so() -> None:
    command = [program("terraform"), "fmt", "-check", "-diff", "-recursive", str(AWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def blocks(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(MODULE.glob("*.tf")):
        with path.open() as file:
            found += hcl2.load(file).get(kind, [])
    return found


def labels(kind: str) -> set[str]:
    """The names of the blocks of a kind; `type.name` where they have two."""
    found = set()
    for block in blocks(kind):
        for first, inside in block.items():
            name = first.strip('"')
            if kind in {"resource", "data"}:
                (second,) = (label for label in inside if not label.startswith("__"))
                name += "." + second.strip('"')
            found.add(name)
    return found


def test_every_variable_is_used_and_every_one_that_is_used_is_declared() -> None:
    text = (MODULE / "main.tf").read_text() + (MODULE / "outputs.tf").read_text()
    assert set(re.findall(r"\bvar\.(\w+)", text)) == labels("variable")


def test_every_reference_is_to_something_there() -> None:
    text = (MODULE / "main.tf").read_text() + (MODULE / "outputs.tf").read_text()
    assert set(re.findall(r"\b(aws_\w+\.\w+)\.", text.replace("data.aws_", "data_"))) <= labels("resource")
    assert set(re.findall(r"\bdata\.(aws_\w+\.\w+)", text)) == labels("data")
    (declared,) = blocks("locals")
    assert set(re.findall(r"\blocal\.(\w+)", text)) == {
        name for name in declared if not name.startswith("__")
    }


def test_the_module_s_policies_are_the_files() -> None:
    """What it replaces stands in the files, and nothing of the example's account is left."""
    (declared,) = blocks("locals")
    for local, name in (("export_policy", "iam-policy.json"), ("kms_policy", "iam-policy-kms.json")):
        text = (AWS / name).read_text()
        assert f'"${{path.module}}/../{name}"' in declared[local]
        replaced = re.findall(r'"(arn:aws:[^"]+)"', declared[local])
        assert replaced == [statement(name)["Resource"]]
        assert EXAMPLE_ACCOUNT not in text.replace(replaced[0], "")


@pytest.mark.needs("terraform")
def test_the_module_s_policy_on_msk_is_the_file_with_one_s_own_cluster_topic_and_group(
    tmp_path: Path,
) -> None:
    """Terraform itself works it out: the locals and variables need no provider."""
    (tmp_path / "terraform").mkdir()
    for name in ("iam-policy.json", "iam-policy-kms.json", "iam-policy-msk.json"):
        shutil.copy(AWS / name, tmp_path)
    main = (MODULE / "main.tf").read_text()
    (local_values,) = re.findall(r"^locals \{\n.*?^\}\n", main, flags=re.MULTILINE | re.DOTALL)
    text = (
        local_values.replace("aws_kinesis_stream.exports.arn", '"arn"')
        + (MODULE / "variables.tf").read_text()
    )
    (tmp_path / "terraform" / "main.tf").write_text(text)
    cluster = "arn:aws:kafka:us-east-1:444455556666:cluster/mine/aaaa-1"
    given = {
        "oidc_provider_arn": "a:oidc-provider/b",
        "msk_cluster_arn": cluster,
        "kafka_topic": "changes",
        "kafka_group": "exports",
    }
    command = [program("terraform"), "console", *(f"-var={name}={value}" for name, value in given.items())]
    done = subprocess.run(
        command,
        input="local.msk_policy",
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path / "terraform",
    )
    written = json.loads(json.loads(done.stdout))
    expected = (AWS / "iam-policy-msk.json").read_text()
    for example, own in (
        (f"eu-west-1:{EXAMPLE_ACCOUNT}", "us-east-1:444455556666"),
        ("events/1234abcd-12ab-34cd-56ef-1234567890ab-1", "mine/aaaa-1"),
        ("profile-changes", "changes"),
        ("loyalty-exports", "exports"),
    ):
        expected = expected.replace(example, own)
    assert written == json.loads(expected)


def test_the_stream_is_not_destroyed_by_a_slip() -> None:
    (stream,) = [
        block['"aws_kinesis_stream"']['"exports"']
        for block in blocks("resource")
        if '"aws_kinesis_stream"' in block
    ]
    (lifecycle,) = stream["lifecycle"]
    assert lifecycle["prevent_destroy"] is True


AWS_PAGES: Final = (DEPLOY.parent / "docs" / "deploy.md", AWS / "README.md")
TYPED: Final = {
    line: page
    for page in AWS_PAGES
    for line in re.findall(r"^\$ (aws .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
}


def called(line: str, endpoint_url: str) -> None:
    """Make the call that a line of AWS' command line makes: its service, its operation, its options by their names."""
    _, service, operation, *options = shlex.split(line)
    client = boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    method = operation.replace("-", "_")
    members = client.meta.service_model.operation_model(
        client.meta.method_to_api_mapping[method]
    ).input_shape.members
    names = {xform_name(member, "-"): member for member in members}
    given = {}
    for option, text in zip(options[::2], options[1::2], strict=True):
        member = names[option.removeprefix("--")]
        path = text.removeprefix("file://")
        value = text if path == text else (DEPLOY.parent / path).read_text(encoding="utf-8")
        given[member] = int(value) if members[member].type_name == "integer" else value
    getattr(client, method)(**given)


def test_the_pages_have_the_shards_of_a_stream_doubled_and_a_policy_put(
    kinesis_client: Any, kinesis: EmbeddedKinesis
) -> None:
    assert [line.split()[1:3] for line in TYPED] == [
        ["kinesis", "update-shard-count"],
        ["iam", "put-role-policy"],
    ]
    resharded, granted = TYPED
    stream = "profile-exports"
    kinesis_client.create_stream(StreamName=stream, ShardCount=8)
    called(resharded, kinesis.endpoint_url)
    summary = kinesis_client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 16
    iam = boto3.client(
        "iam",
        region_name="eu-west-1",
        endpoint_url=kinesis.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    iam.create_role(RoleName="processor", AssumeRolePolicyDocument="{}")
    called(granted, kinesis.endpoint_url)
    kept = iam.get_role_policy(RoleName="processor", PolicyName="export")["PolicyDocument"]
    assert kept == json.loads((AWS / "iam-policy.json").read_text(encoding="utf-8"))
