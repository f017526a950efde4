"""Streams that credentials show, against an endpoint that answers by a script: what is told, and what never is."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from structlog.testing import capture_logs

from processor.definition.sealing import Sealing, sealed_body
from processor.errors import DefinitionUnavailable
from processor.operations import streams_seen
from processor.operations.streams_seen import see_streams
from processor.settings import KinesisSettings
from tests.api.own.served import OWN, own_api
from tests.api.test_http import READ_TOKEN
from tests.support.dataflows import resource, whole_definition
from tests.support.flow_service_calls import SEALING_KEY
from tests.support.kinesis_connection import endpoint, http, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from processor.definition.model import Definition
    from processor.governance.destination import Connection
    from processor.operations.streams_seen import StreamsSeen
    from tests.api.test_http import Api

KEY_ID: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
STREAMS: Final = f"{OWN}/streams"
DENIED: Final = (400, {"__type": "AccessDeniedException", "message": "User is not authorized"})
ABSENT: Final = (400, {"__type": "ResourceNotFoundException", "message": "Stream not found"})
VALID: Final = (400, {"__type": "ValidationException", "message": "1 validation error"})
SUMMARY: Final = {
    "StreamStatus": "ACTIVE",
    "StreamModeDetails": {"StreamMode": "PROVISIONED"},
    "OpenShardCount": 3,
}
GOOD: Final[Mapping[str, tuple[int, Any]]] = {
    "ListStreams": (200, {"StreamNames": ["exports", "others"], "HasMoreStreams": False}),
    "DescribeStreamSummary": (200, {"StreamDescriptionSummary": SUMMARY}),
    "PutRecords": VALID,
    "ListShards": (200, {"Shards": []}),
}


@asynccontextmanager
async def answering(
    answers: Mapping[str, tuple[int, Any]], asked: list[str] | None = None
) -> AsyncIterator[str]:
    """An endpoint that answers each action so; its URL. What is asked of it is added to `asked`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await request(reader)
            action = head.partition("X-Amz-Target: Kinesis_20131202.")[2].partition("\r\n")[0]
            if asked is not None:
                asked.append(f"{action} {body.decode()}")
            status, tree = answers[action]
            writer.write(http(status, tree(head) if callable(tree) else tree))
            await writer.drain()

    async with endpoint(serve) as url:
        yield url


async def see(connection: Connection, stream: str | None) -> StreamsSeen:
    return await see_streams(connection, stream, KinesisSettings.model_validate({}))


def account(url: str | None, **params: Any) -> dict[str, Any]:
    members = {
        "accessKeyId": KEY_ID,
        "secretKey": SECRET,
        "region": "eu-west-1",
        "connectionUrl": url,
        **params,
    }
    return {"auth": {"params": {name: value for name, value in members.items() if value is not None}}}


async def looked(served: Api, body: Any, status: int = 200) -> Any:
    with capture_logs() as lines:
        answer = await served.ask("POST", STREAMS, json=body)
    assert answer.status == status, answer.body
    for secret in (KEY_ID, SECRET):
        assert secret not in json.dumps(answer.body) + str(lines)
    return answer.body


async def seen_of(
    answers: Mapping[str, tuple[int, Any]], stream: str | None = "exports", **params: Any
) -> Any:
    async with answering({**GOOD, **answers}) as url, own_api(see_streams=see) as served:
        return await looked(served, account(url, **params) | ({"stream": stream} if stream else {}))


async def test_streams_are_listed_and_the_one_asked_for_is_described_with_no_record_written() -> None:
    asked: list[str] = []
    async with answering(GOOD, asked) as url, own_api(see_streams=see) as served:
        found = await looked(served, account(url) | {"stream": "exports"})
    assert found == {
        "region": "eu-west-1",
        "list": {"names": ["exports", "others"], "isWhole": True},
        "stream": {"name": "exports", "exists": True, "status": "ACTIVE", "mode": "PROVISIONED", "shards": 3},
        "missingPermissions": [],
        "problems": [],
    }
    (put,) = [each for each in asked if each.startswith("PutRecords")]
    assert json.loads(put.partition(" ")[2]) == {"StreamName": "exports", "Records": []}


async def test_without_a_stream_the_list_alone_is_looked_at() -> None:
    asked: list[str] = []
    async with answering(GOOD, asked) as url, own_api(see_streams=see) as served:
        assert (await looked(served, account(url)))["stream"] is None
    assert [each.partition(" ")[0] for each in asked] == ["ListStreams"]


async def test_a_stream_that_is_not_there_is_told() -> None:
    found = await seen_of({"DescribeStreamSummary": ABSENT}, "absent")
    assert found["stream"] == {"name": "absent", "exists": False}
    assert (found["problems"], found["missingPermissions"]) == ([], [])


async def test_permissions_that_are_missing_are_told_each() -> None:
    found = await seen_of({"ListStreams": DENIED, "DescribeStreamSummary": DENIED, "PutRecords": DENIED})
    assert found["list"]["permission"] == "kinesis:ListStreams"
    assert found["stream"]["exists"] is True, "its shards were listed"
    assert found["stream"]["permission"] == "kinesis:DescribeStreamSummary"
    assert found["missingPermissions"] == [
        "kinesis:ListStreams",
        "kinesis:DescribeStreamSummary",
        "kinesis:PutRecords",
    ]
    assert found["problems"] == [], "the account itself is right"
    nothing = await seen_of(dict.fromkeys(GOOD, DENIED))
    assert nothing["stream"]["exists"] is None
    assert "kinesis:ListShards" in nothing["missingPermissions"]


@pytest.mark.parametrize(
    ("code", "member"),
    [
        ("UnrecognizedClientException", "/auth/params/accessKeyId"),
        ("InvalidSignatureException", "/auth/params/secretKey"),
        ("ExpiredTokenException", "/auth"),
    ],
)
async def test_keys_that_aws_does_not_take_are_told_beside_their_field(code: str, member: str) -> None:
    said = {"__type": code, "message": f"the signature of {KEY_ID} with {SECRET} is not it"}
    found = await seen_of(dict.fromkeys(GOOD, (400, said)))
    assert [each["member"] for each in found["problems"]][:1] == [member]
    assert len({each["message"] for each in found["problems"]}) == len(found["problems"])


async def test_an_endpoint_that_echoes_what_it_was_sent_gets_no_key_into_the_answer() -> None:
    def echo(head: str) -> Any:
        return {"__type": "InternalFailure", "message": head.replace("'", "")}

    found = await seen_of(dict.fromkeys(GOOD, (500, echo)))
    assert [each["member"] for each in found["problems"]]
    page = f"<html><title>{KEY_ID} {SECRET}</title></html>".encode()
    found = await seen_of(dict.fromkeys(GOOD, (403, page)))
    assert "no answer of AWS" in found["list"]["problem"]


@pytest.mark.parametrize("answer", [b"<html>", {}, {"StreamDescriptionSummary": 7}, {"StreamNames": [7]}])
async def test_what_is_no_kinesis_is_told(answer: Any) -> None:
    found = await seen_of(dict.fromkeys(GOOD, (200, answer)))
    assert "no Kinesis" in found["list"]["problem"]
    assert found["stream"]["exists"] is None
    assert "no Kinesis" in found["stream"]["problem"]


async def test_short_keys_as_emulators_take_leave_the_words_of_a_message_whole() -> None:
    found = await seen_of({"ListStreams": DENIED}, accessKeyId="test", secretKey="t")
    assert "ListStreams on the region's streams" in found["list"]["problem"]


async def test_an_endpoint_that_cannot_be_reached_is_told_beside_its_field() -> None:
    async with own_api(see_streams=see) as served:
        found = await looked(served, account("http://127.0.0.1:1") | {"stream": "exports"})
    assert {each["member"] for each in found["problems"]} == {"/auth/params/connectionUrl"}
    assert "cannot be reached" in found["list"]["problem"]


async def test_an_endpoint_that_is_slow_is_given_up_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_seen, "_LOOKED_S", 0.2)

    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with endpoint(never) as url, own_api(see_streams=see) as served:
        found = await looked(served, account(url) | {"stream": "exports"})
    assert found["list"]["problem"] == "Kinesis has not answered within 0.2 s"
    assert [each["member"] for each in found["problems"]] == ["/auth/params/connectionUrl"]


async def test_a_look_whose_asker_leaves_is_ended() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()
        left.set()

    async with endpoint(never) as url, own_api(see_streams=see) as served:
        asking = asyncio.create_task(served.ask("POST", STREAMS, json=account(url)))
        await begun.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await left.wait()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"connectionUrl": "ftp://elsewhere"}, "/auth/params/connectionUrl"),
        ({"secretKey": None}, "/auth/params"),
        ({"accessKeyId": "${HOME}"}, "/auth/params/accessKeyId"),
        ({"region": None}, "/auth/params/region"),
        ({"sessionToken": "x"}, "/auth/params/sessionToken"),
        ({"secretKeyFile": "/etc/passwd"}, "/auth/params/secretKeyFile"),
        ({"region": 7}, "/auth/params/region"),
    ],
)
async def test_an_account_that_could_not_be_kept_is_refused_with_where(
    change: dict[str, Any], pointer: str
) -> None:
    async with own_api(see_streams=see) as served:
        found = await looked(served, account(None, **change), 400)
    assert pointer in [each["pointer"] for each in found["report"]["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"connectionId": "base", **account(None)},
        {"connectionId": "unknown"},
        {"connectionId": "platform"},
    ],
)
async def test_an_account_is_asked_for_in_one_way_of_two(body: Any) -> None:
    async with own_api(whole_definition(), see_streams=see) as served:
        await looked(served, body, 400)


async def test_a_secret_is_refused_where_there_is_no_key_to_keep_it_with() -> None:
    async with own_api(sealing=Sealing(), see_streams=see) as served:
        found = await looked(served, account(None), 400)
    assert "PROCESSOR_API_SECRET_KEY_FILE" in found["report"]["errors"][0]["remedy"]


VARIABLES: Final = {"accessKeyId": "${EXPORT_ID}", "secretKey": "${EXPORT_KEY}"}


async def test_variables_are_those_of_the_service_and_one_that_is_not_set_is_told_beside_its_field() -> None:
    async with answering(GOOD) as url:
        async with own_api(see_streams=see, environ={"EXPORT_ID": KEY_ID, "EXPORT_KEY": SECRET}) as served:
            assert (await looked(served, account(url, **VARIABLES)))["list"]["isWhole"]
        async with own_api(see_streams=see, environ={"EXPORT_ID": KEY_ID}) as served:
            found = await looked(served, account(url, **VARIABLES) | {"stream": "exports"})
    (problem,) = found["problems"]
    assert problem["member"] == "/auth/params/secretKey"
    assert "EXPORT_KEY" in problem["message"]
    assert found["stream"] == {"name": "exports", "exists": None}


def with_sealed_keys(url: str, key: str = SEALING_KEY) -> Definition:
    whole = whole_definition(keys={"accessKeyId": KEY_ID, "secretKey": SECRET, "connectionUrl": url})
    body = whole.resources["connections", "base"].body
    return whole.with_(
        resource("connections", "base", sealed_body("connections", "base", body, Sealing([key])))
    )


async def test_a_connection_that_is_kept_is_looked_at_with_its_own_secrets() -> None:
    async with answering(GOOD) as url, own_api(with_sealed_keys(url), see_streams=see) as served:
        found = await looked(served, {"connectionId": "base", "stream": "exports"})
        assert (found["region"], found["stream"]["exists"]) == ("eu-west-1", True)
        served.kept.unavailable = DefinitionUnavailable("it was not read yet")
        await looked(served, {"connectionId": "base"}, 503)
        assert (await looked(served, account(url)))["list"]["isWhole"], "what is not kept needs no definition"


async def test_a_secret_that_does_not_open_here_is_told() -> None:
    other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    async with own_api(with_sealed_keys("http://127.0.0.1:1", other), see_streams=see) as served:
        found = await looked(served, {"connectionId": "base"})
    assert {each["member"] for each in found["problems"]} == {"/connectionId"}
    assert "decrypts" in found["problems"][0]["message"]


@pytest.mark.parametrize(
    "name", ["no name", "a" * 129, "arn:aws:kinesis:us-east-1:123456789012:stream/exports"]
)
async def test_a_name_that_no_stream_can_have_there_is_told_while_the_list_is_shown(name: str) -> None:
    found = await seen_of({}, name)
    assert [each["member"] for each in found["problems"]] == ["/stream"]
    assert (found["stream"]["exists"], found["list"]["names"]) == (None, ["exports", "others"])


async def test_a_region_that_is_not_known_is_told() -> None:
    async with own_api(see_streams=see) as served:
        found = await looked(served, account(None, region="eu-nowhere-1"))
    assert "no region eu-nowhere-1" in found["list"]["problem"]
    (problem,) = found["problems"]
    assert (problem["member"], "connection." in str(problem)) == ("/auth/params/region", False)


async def test_a_token_that_may_only_read_has_no_credentials_used() -> None:
    async with own_api(whole_definition(), see_streams=see) as served:
        assert (
            await served.ask("POST", STREAMS, token=READ_TOKEN, json={"connectionId": "base"})
        ).status == 403
