"""What goes wrong between here and Kinesis, as the errors that the writer distinguishes."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import re
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme

from processor import __version__
from processor.embedded.server import free_ports
from processor.errors import (
    KinesisError,
    KinesisRefused,
    KinesisRejected,
    KinesisTooLarge,
    KinesisUnavailable,
    KinesisUnreadable,
)
from processor.profile.structs import Export
from tests.kinesis.servers import opened
from tests.support.kinesis_connection import GOOD, endpoint, http, request
from tests.support.kinesis_writer import export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from processor.kinesis.connection import Stream


async def test_a_certificate_that_is_not_trusted_is_a_refusal_and_says_where_its_ca_is_named() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        async with opened(url, "exports") as stream:
            with pytest.raises(KinesisRefused, match=r"certificate is not trusted: .*AWS_CA_BUNDLE"):
                await stream.put([export(1, 0)])


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Stream]:
    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(answer)

    async with endpoint(each) as url, opened(url, "exports") as stream:
        yield stream


@pytest.mark.parametrize(
    ("status", "code", "expected", "message"),
    [
        (400, "AccessDeniedException", KinesisRefused, "the IAM action kinesis:PutRecords is missing"),
        (400, "ResourceNotFoundException", KinesisRefused, "there is no such stream"),
        (400, "UnrecognizedClientException", KinesisRefused, "does not know the access key"),
        (403, "InvalidSignatureException", KinesisRefused, "the secret key does not fit"),
        (400, "ExpiredTokenException", KinesisRefused, "have expired"),
        (400, "KMSDisabledException", KinesisRefused, "KMS key is disabled"),
        (400, "KMSAccessDeniedException", KinesisRefused, "kms:GenerateDataKey is missing"),
        (400, "ValidationException", KinesisRejected, "ValidationException"),
        (400, "SerializationException", KinesisRejected, "SerializationException"),
        (400, "InvalidArgumentException", KinesisRejected, "InvalidArgumentException"),
        (400, "ProvisionedThroughputExceededException", KinesisUnavailable, "Provisioned"),
        (400, "KMSThrottlingException", KinesisUnavailable, "KMSThrottling"),
        (400, "LimitExceededException", KinesisUnavailable, "LimitExceeded"),
        (500, "InternalFailureException", KinesisUnavailable, "InternalFailure"),
        (503, "ServiceUnavailable", KinesisUnavailable, "ServiceUnavailable"),
        (400, "SomethingOfTheFuture", KinesisUnavailable, "SomethingOfTheFuture"),
    ],
)
@pytest.mark.parametrize("place", ["body", "namespace", "header"])
async def test_an_answers_code_says_what_to_do(
    status: int, code: str, expected: type[KinesisError], message: str, place: str
) -> None:
    if place == "header":
        answer = http(status, {}, f"x-amzn-errortype: {code}:http://internal.amazon.com/\r\n")
    else:
        answer = http(status, {"__type": f"com.amazonaws.kinesis#{code}" if place == "namespace" else code})
    async with answering(answer) as stream:
        with pytest.raises(expected, match=re.escape(message)) as raised:
            await stream.put([export(1, 0)])
    assert not getattr(raised.value, "outcome_unknown", False)
    assert "PutRecords on exports" in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"<html>a proxy's page</html>"),
        http(200, {"FailedRecordCount": 0, "Records": []}),
        http(200, {**GOOD, "Records": GOOD["Records"] * 2}),  # type: ignore[operator]
        http(200, b""),
    ],
    ids=["no JSON", "too few results", "too many results", "nothing"],
)
async def test_an_answer_that_says_nothing_of_the_records_leaves_their_outcome_unknown(answer: bytes) -> None:
    async with answering(answer) as stream:
        with pytest.raises(KinesisUnreadable, match="HTTP 200, cannot be read") as raised:
            await stream.put([export(1, 0)])
    assert raised.value.outcome_unknown


def html(status: int, title: str, headers: str = "") -> bytes:
    page = f"<html><head><title>{title}</title></head><body>no</body></html>".encode()
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: text/html; charset=utf-8\r\n{headers}"
        f"Content-Length: {len(page)}\r\n\r\n".encode()
        + page
    )


@pytest.mark.parametrize(
    ("status", "expected", "message"),
    [
        (413, KinesisTooLarge, "takes no request of this size"),
        (403, KinesisRefused, "no matter of IAM"),
        (401, KinesisRefused, "no matter of IAM"),
        (407, KinesisRefused, "a proxy or firewall"),
        (400, KinesisRefused, "no Kinesis"),
        (404, KinesisRefused, "connection.connectionUrl"),
        (302, KinesisRefused, "HTTPS_PROXY"),
        (408, KinesisUnavailable, "asks to wait"),
        (429, KinesisUnavailable, "asks to wait"),
        (500, KinesisUnavailable, "fails"),
        (502, KinesisUnavailable, "fails"),
        (504, KinesisUnavailable, "fails"),
    ],
)
async def test_an_answer_that_is_not_aws_own_is_reported_as_what_it_is(
    status: int, expected: type[KinesisError], message: str
) -> None:
    async with answering(html(status, "A Proxy")) as stream:
        for call in (lambda: stream.put([export(1, 0)]), stream.facts, stream.shards):
            with pytest.raises(expected, match=re.escape(message)) as raised:
                await call()
            assert type(raised.value) is expected
            assert f"HTTP {status} (text/html, 'A Proxy'), which is no answer of AWS" in str(raised.value)
            assert getattr(raised.value, "outcome_unknown", False) == (status in {408, 500, 502, 504})


AWS_SAYS = (
    "User: arn:aws:sts::123456789012:assumed-role/exporter/i-0123456789abcdef0 is not authorized to perform: "
    "kinesis:PutRecords on resource: arn:aws:kinesis:eu-west-1:123456789012:stream/exports because "
)


@pytest.mark.parametrize(
    ("because", "remedy"),
    [
        ("no VPC endpoint policy allows the action", "the policy of the VPC endpoint"),
        ("no identity-based policy allows the action", "the IAM action kinesis:PutRecords is missing"),
        ("no permissions boundary allows the action", "the role's permissions boundary"),
        ("no session policy allows the action", "the policy that the session was begun with"),
        ("no resource-based policy allows the action", "the stream's own policy"),
        ("of an explicit deny in a service control policy", "a service control policy of the organization"),
        ("of an explicit deny in an identity-based policy", "denies kinesis:PutRecords explicitly"),
    ],
)
async def test_aws_own_message_is_kept_and_says_which_policy_denies(because: str, remedy: str) -> None:
    answer = http(400, {"__type": "AccessDeniedException", "Message": AWS_SAYS + because})
    async with answering(answer) as stream:
        with pytest.raises(KinesisRefused, match=re.escape(remedy)) as raised:
            await stream.put([export(1, 0)])
    assert AWS_SAYS + because in str(raised.value)
    assert "HTTP 400" in str(raised.value)
    assert raised.value.code == "AccessDeniedException"


@pytest.mark.parametrize("status", [200, 400, 403, 413, 500])
@pytest.mark.parametrize("kind", ["json", "html"])
async def test_what_was_sent_is_in_no_message_whatever_echoes_it(status: int, kind: str) -> None:
    record = Export(b"1", "ann@example.org", b'{"person":{"name":"Ann Example of Nowhere in Particular"}}')

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await request(reader)
            echoed = f"cannot take ann@example.org {body.decode()} {record.data.decode()} of {head}"
            if kind == "html":
                writer.write(html(status, echoed))
            else:
                writer.write(http(status, {"__type": "ValidationException", "message": echoed}))

    async with endpoint(echo) as url, opened(url, "exports") as stream:
        with pytest.raises(KinesisError) as raised:
            await stream.put([record])
    message = str(raised.value)
    assert "ann@example.org" not in message
    assert "Ann Example" not in message
    assert "Credential" not in message
    assert len(message) < 700


@pytest.mark.parametrize("how", ["plain", "gzip"])
async def test_answers_are_read_compressed_or_not_with_nulls_and_wrong_counts(how: str) -> None:
    codes = [None, "InternalFailure", None, "ProvisionedThroughputExceededException"]
    stored = {
        "SequenceNumber": "1",
        "ShardId": "shardId-000000000000",
        "ErrorCode": None,
        "ErrorMessage": None,
    }
    tree = {
        "FailedRecordCount": None,
        "EncryptionType": None,
        "Records": [stored if code is None else {"ErrorCode": code, "ErrorMessage": "x"} for code in codes],
    }
    body = json.dumps(tree).encode()
    answer = (
        http(200, gzip.compress(body), "Content-Encoding: gzip\r\n") if how == "gzip" else http(200, body)
    )
    async with answering(answer) as stream:
        found = await stream.put([export(n, 0) for n in range(4)])
    assert [each.error_code for each in found.results] == codes
    assert found.failed == 2


async def test_an_answer_that_comes_a_byte_at_a_time_ends_with_the_time_out() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for byte in http(200, GOOD):
            if reader.at_eof():
                return
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    async with (
        endpoint(slow) as url,
        opened(url, "exports", request_timeout_ms=200, connect_timeout_ms=100) as stream,
    ):
        with pytest.raises(KinesisUnavailable, match="PROCESSOR_KINESIS_REQUEST_TIMEOUT_MS") as raised:
            await stream.put([export(1, 0)])
    assert raised.value.outcome_unknown


@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_body_that_is_not_taken_in_time_ends_with_the_time_out() -> None:
    released = asyncio.Event()

    async def thin(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        await released.wait()

    async with endpoint(thin) as url, opened(url, "exports", request_timeout_ms=200) as stream:
        with pytest.raises(KinesisUnavailable, match="PROCESSOR_KINESIS_REQUEST_TIMEOUT_MS") as raised:
            await stream.put([export(n, 0, 900_000) for n in range(9)])
        released.set()
    assert raised.value.outcome_unknown


async def test_a_stream_name_that_kinesis_does_not_take_is_a_refusal() -> None:
    async with answering(http(400, {"__type": "ValidationException", "message": "no such ARN"})) as stream:
        with pytest.raises(KinesisRefused, match=r"no such ARN.*see `stream`"):
            await stream.facts()


@pytest.mark.parametrize("when", ["in the answer", "before the answer"])
async def test_a_connection_that_breaks_after_the_request_leaves_the_outcome_unknown(when: str) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        if when == "in the answer":
            writer.write(http(200, GOOD)[:-10])

    async with endpoint(broken) as url, opened(url, "exports") as stream:
        with pytest.raises(KinesisUnavailable) as raised:
            await stream.put([export(1, 0)])
    assert raised.value.outcome_unknown


async def test_an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown() -> None:
    released = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await released.wait()
        writer.close()

    async with endpoint(silent) as url, opened(url, "exports", request_timeout_ms=100) as stream:
        with pytest.raises(KinesisUnavailable) as raised:
            await stream.put([export(1, 0)])
        released.set()
    assert raised.value.outcome_unknown


async def test_where_nothing_listens_nothing_was_stored() -> None:
    (port,) = free_ports(1)
    async with opened(f"http://127.0.0.1:{port}", "exports") as stream:
        with pytest.raises(KinesisUnavailable, match="cannot be reached") as raised:
            await stream.put([export(1, 0)])
    assert not raised.value.outcome_unknown


async def test_connections_are_kept_and_bounded() -> None:
    connections = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await request(reader)
            await asyncio.sleep(0)
            writer.write(http(200, GOOD))

    async with endpoint(slow) as url, opened(url, "exports", max_requests_in_flight=4) as stream:
        await asyncio.gather(*(stream.put([export(n, 0)]) for n in range(60)))
    assert connections <= 6, "four for calls, two for looking at the stream"


@pytest.mark.parametrize(
    ("client", "agent"),
    [
        ("processor-node7-0", f" processor/{__version__} client/processor-node7-0"),
        ("größe 1\r\nx: y", f" processor/{__version__} client/gr-e-1-x-y"),
        ("", f" processor/{__version__}"),
    ],
)
async def test_every_call_says_who_calls(client: str, agent: str) -> None:
    heads: list[str] = []

    async def kinesis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await request(reader))[0])
            writer.write(http(200, GOOD))

    async with endpoint(kinesis) as url, opened(url, "exports", client=client) as stream:
        await stream.put([export(1, 0)])
        await stream.put([export(2, 0)])
    agents = [line for head in heads for line in head.splitlines() if line.lower().startswith("user-agent:")]
    assert len(agents) == 2
    assert all(line.endswith(agent) for line in agents)


async def test_credentials_that_run_out_are_renewed_through_the_chain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = 0
    seen: list[str] = []

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal given
        while True:
            head, _ = await request(reader)
            if head.startswith("GET"):
                given += 1
                # The first are about to run out: botocore renews what has less than ten minutes.
                until = datetime.now(UTC) + timedelta(minutes=1 if given == 1 else 600)
                keys = {
                    "AccessKeyId": f"KEY{given}",
                    "SecretAccessKey": "secret",
                    "Token": f"token{given}",
                    "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
                writer.write(http(200, keys))
            else:
                seen.append(re.findall(r"Credential=(\w+)/", head)[0])
                assert f"token{seen[-1][3:]}" in head
                writer.write(http(200, GOOD))

    async with endpoint(both) as url:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/credentials")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        async with opened(url, "exports", keys=False) as stream:
            for _ in range(3):
                await stream.put([export(1, 0)])
    assert seen[-1] == "KEY2"
    assert given == 2


async def test_no_credentials_at_all_are_a_refusal_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with opened("http://127.0.0.1:9", "exports", keys=False) as stream:
        with pytest.raises(KinesisRefused, match="no credentials were found"):
            await stream.put([export(1, 0)])
        with pytest.raises(KinesisRefused, match="no credentials were found"):
            await stream.facts()


async def test_a_region_that_does_not_exist_is_a_refusal_with_a_remedy() -> None:
    with pytest.raises(KinesisRefused, match=r"no region eu-wset-1 .* correct `connection.region`"):
        async with opened(None, "exports", region="eu-wset-1"):
            pass


async def test_where_all_services_of_aws_are_is_let_go_of_once_there_is_a_client() -> None:
    def kept() -> int:
        """Partitions of botocore's `endpoints.json` in memory."""
        return sum(
            isinstance(each, dict) and {"dnsSuffix", "services"} <= each.keys() for each in gc.get_objects()
        )

    gc.collect()
    before = kept()
    gc.disable()  # as good as it is in a worker, which makes little garbage
    try:
        async with opened("http://127.0.0.1:1", "exports"):
            assert kept() == before
    finally:
        gc.enable()
