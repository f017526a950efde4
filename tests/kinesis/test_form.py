"""The form that calls are written in: the one that is set, or by itself the one that an endpoint of AWS' own answers in."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import cbor2
import pytest
from botocore.session import get_session

from processor.errors import (
    KinesisError,
    KinesisRefused,
    KinesisRejected,
    KinesisTooLarge,
    KinesisUnavailable,
)
from processor.kinesis.signed_call import is_of_aws
from tests.kinesis.servers import opened
from tests.support.kinesis_connection import GOOD, endpoint, request
from tests.support.kinesis_writer import export

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from processor.kinesis.connection import Stream

CBOR, JSON = "application/x-amz-cbor-1.1", "application/x-amz-json-1.1"


class Answer(NamedTuple):
    """What a call without records is answered with."""

    status: int
    content_type: str
    body: bytes


IN_CBOR = Answer(400, CBOR, cbor2.dumps({"__type": "ValidationException"}))
IN_JSON = Answer(400, JSON, b'{"__type":"SerializationException"}')
A_PAGE = Answer(502, "text/html", b"<title>Bad Gateway</title>")
DENIED = Answer(400, CBOR, cbor2.dumps({"__type": "AccessDeniedException", "message": "no"}))


@asynccontextmanager
async def answering(
    calls: list[tuple[str, int]], *empty: Answer, form: str = "auto"
) -> AsyncIterator[Stream]:
    """A stream that answers calls without records one after the other as `empty` says, with the last from then on, and others in their form.

    `calls` are told, each by its content type and how many records it has.
    """
    to_come = list(empty)

    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await request(reader)
            content_type = CBOR if CBOR in head else JSON
            records = len((cbor2.loads if content_type == CBOR else json.loads)(body)["Records"])
            calls.append((content_type, records))
            good = cbor2.dumps(GOOD) if content_type == CBOR else json.dumps(GOOD).encode()
            answer = Answer(200, content_type, good)
            if not records:
                answer = to_come.pop(0) if len(to_come) > 1 else to_come[0]
            writer.write(
                f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.content_type}\r\n"
                f"Content-Length: {len(answer.body)}\r\n\r\n".encode()
                + answer.body
            )

    async with endpoint(each) as url, opened(url, "exports", form=form) as stream:
        yield stream


@pytest.fixture
def is_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers here passes for an endpoint of AWS' own."""
    monkeypatch.setattr("processor.kinesis.signed_call._AWS_HOST", re.compile(r"127\.0\.0\.1"))


@pytest.mark.usefixtures("is_aws")
async def test_an_endpoint_of_aws_that_answers_in_cbor_is_written_to_in_cbor_and_asked_once() -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, IN_CBOR) as stream:
        with pytest.raises(KinesisRejected):
            await stream.put([])
        for _ in range(2):
            assert (await stream.put([export(1, 0)])).failed == 0
    assert calls == [(CBOR, 0), (CBOR, 0), (CBOR, 1), (CBOR, 1)]


@pytest.mark.usefixtures("is_aws")
async def test_no_record_goes_before_it_is_known() -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, IN_CBOR) as stream:
        await stream.put([export(1, 0)])
    assert calls == [(CBOR, 0), (CBOR, 1)]


@pytest.mark.usefixtures("is_aws")
@pytest.mark.parametrize(
    "answer", [IN_JSON, Answer(404, "text/html", b""), Answer(415, "", b""), Answer(200, JSON, b"{}")]
)
async def test_one_that_answers_otherwise_is_written_to_in_json(answer: Answer) -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, answer) as stream:
        for _ in range(2):
            await stream.put([export(1, 0)])
    assert calls == [(CBOR, 0), (JSON, 1), (JSON, 1)]


@pytest.mark.usefixtures("is_aws")
async def test_while_a_gateway_answers_nothing_is_concluded() -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, A_PAGE, IN_CBOR) as stream:
        for _ in range(3):
            await stream.put([export(1, 0)])
    assert calls == [(CBOR, 0), (JSON, 1), (CBOR, 0), (CBOR, 1), (CBOR, 1)]


@pytest.mark.usefixtures("is_aws")
async def test_who_may_not_write_is_told_so_in_either_form() -> None:
    async with answering([], DENIED) as stream:
        with pytest.raises(KinesisRefused, match="kinesis:PutRecords is missing"):
            await stream.put([])


async def test_what_is_not_of_aws_is_never_asked() -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, IN_CBOR) as stream:
        await stream.put([export(1, 0)])
    assert calls == [(JSON, 1)]


@pytest.mark.parametrize(("form", "content_type"), [("cbor", CBOR), ("json", JSON)])
@pytest.mark.usefixtures("is_aws")
async def test_what_is_set_holds_wherever_it_goes(form: str, content_type: str) -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, IN_CBOR, form=form) as stream:
        await stream.put([export(1, 0)])
    assert calls == [(content_type, 1)]


SIGN_IN = Answer(302, "text/html", b"<title>Sign in</title>")


@pytest.mark.usefixtures("is_aws")
@pytest.mark.parametrize("page", [SIGN_IN, Answer(407, "text/html", b""), Answer(200, "text/html", b"<p>")])
async def test_it_is_json_not_before_kinesis_has_taken_a_call_in_it(page: Answer) -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, page, page, IN_CBOR) as stream:
        with pytest.raises(KinesisError):
            await stream.put([])  # which the page answers as well
        await stream.put([export(1, 0)])
    assert calls == [(CBOR, 0), (JSON, 0), (CBOR, 0), (CBOR, 1)]


@pytest.mark.usefixtures("is_aws")
@pytest.mark.parametrize("status", [408, 429, 502, 503])
async def test_where_cbor_alone_is_never_let_through_it_is_asked_for_no_more_in_the_end(status: int) -> None:
    calls: list[tuple[str, int]] = []
    async with answering(calls, Answer(status, "text/html", b"")) as stream:
        for _ in range(60):
            await stream.put([export(1, 0)])
    assert calls.count((JSON, 1)) == 60
    assert 10 < calls.count((CBOR, 0)) < 30
    assert calls[-20:] == [(JSON, 1)] * 20


@pytest.mark.usefixtures("is_aws")
async def test_a_question_that_is_not_answered_leaves_nothing_open_of_the_records() -> None:
    async def hangs_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await request(reader)

    async with endpoint(hangs_up) as url, opened(url, "exports") as stream:
        with pytest.raises(KinesisUnavailable, match="the connection broke") as raised:
            await stream.put([export(1, 0)])
    assert not raised.value.outcome_unknown


@asynccontextmanager
async def turning(calls: list[tuple[str, int]], in_json: Answer, form: str = "auto") -> AsyncIterator[Stream]:
    """A stream where CBOR is understood by the first call alone, and JSON is always; CBOR is answered with `in_json` from then on."""

    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await request(reader)
            is_cbor = CBOR in head
            calls.append(
                (CBOR if is_cbor else JSON, len((cbor2.loads if is_cbor else json.loads)(body)["Records"]))
            )
            answer = in_json if is_cbor else Answer(200, JSON, json.dumps(GOOD).encode())
            if len(calls) == 1:
                answer = IN_CBOR
            writer.write(
                f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.content_type}\r\n"
                f"Content-Length: {len(answer.body)}\r\n\r\n".encode()
                + answer.body
            )

    async with endpoint(each) as url, opened(url, "exports", form=form) as stream:
        yield stream


NOT_UNDERSTOOD = [
    (IN_JSON, KinesisUnavailable, "SerializationException, HTTP 400; it was in CBOR"),
    (Answer(400, JSON, b'{"__type":"ValidationException"}'), KinesisUnavailable, "it was in CBOR"),
    (Answer(404, JSON, b'{"__type":"UnknownOperationException"}'), KinesisUnavailable, "UnknownOperation"),
    (Answer(415, "", b""), KinesisRefused, "no answer of AWS"),
    (Answer(403, "text/html", b"<title>Blocked</title>"), KinesisRefused, "Blocked"),
    (Answer(400, JSON, b'{"__type":"ExpiredTokenException"}'), KinesisRefused, "have expired"),
]


@pytest.mark.usefixtures("is_aws")
@pytest.mark.parametrize(("answer", "error", "message"), NOT_UNDERSTOOD)
async def test_where_cbor_is_no_longer_understood_no_record_is_to_blame_and_it_is_asked_anew(
    answer: Answer, error: type[KinesisError], message: str
) -> None:
    calls: list[tuple[str, int]] = []
    async with turning(calls, answer) as stream:
        with pytest.raises(error, match=message):
            await stream.put([export(1, 0)])
        for _ in range(2):
            assert (await stream.put([export(1, 0)])).failed == 0
    assert calls == [(CBOR, 0), (CBOR, 1), (CBOR, 0), (JSON, 1), (JSON, 1)]


@pytest.mark.usefixtures("is_aws")
async def test_a_call_that_is_too_large_for_a_gateway_says_nothing_of_its_form() -> None:
    calls: list[tuple[str, int]] = []
    async with turning(calls, Answer(413, "text/html", b"")) as stream:
        for _ in range(2):
            with pytest.raises(KinesisTooLarge):
                await stream.put([export(1, 0)])
    assert calls == [(CBOR, 0), (CBOR, 1), (CBOR, 1)]


@pytest.mark.parametrize("answer", [IN_JSON, Answer(415, "", b""), NOT_UNDERSTOOD[2][0]])
async def test_where_cbor_is_set_and_not_understood_the_setting_is_named_also_by_a_check(
    answer: Answer,
) -> None:
    async with answering([], answer, form="cbor") as stream:
        with pytest.raises(KinesisRefused, match=r"is CBOR understood there\? .* PROCESSOR_KINESIS_FORM"):
            await stream.put([])


async def test_where_cbor_is_set_a_refusal_of_credentials_stays_one() -> None:
    async with answering([], NOT_UNDERSTOOD[5][0], form="cbor") as stream:
        with pytest.raises(KinesisRefused, match="have expired: renew them") as raised:
            await stream.put([])
    assert "FORM" not in str(raised.value)
    assert raised.value.code == "ExpiredTokenException"


@pytest.mark.parametrize(
    ("url", "is_aws_own"),
    [
        ("https://kinesis.eu-west-1.amazonaws.com", True),
        ("https://KINESIS.eu-west-1.amazonaws.com:443/", True),
        ("https://kinesis-fips.us-east-1.api.aws", True),
        ("https://kinesis.cn-north-1.amazonaws.com.cn", True),
        ("https://vpce-0123-abcd.kinesis.eu-west-1.vpce.amazonaws.com", True),
        ("https://123456789012.data-kinesis.eu-west-1.amazonaws.com", True),
        ("https://123456789012.control-kinesis-fips.us-east-1.api.aws", True),
        ("https://vpce-0123-abcd-eu-west-1a.kinesis-fips.us-gov-west-1.vpce.amazonaws.com", True),
        ("https://kinesis.cn-north-1.api.amazonwebservices.com.cn", True),
        ("http://mine-123456.eu-west-1.elb.amazonaws.com:4567", False),
        ("http://kinesis-123456.eu-west-1.elb.amazonaws.com:4567", False),
        ("http://ec2-198-51-100-1.eu-west-1.compute.amazonaws.com:4567", False),
        ("https://abcdef.execute-api.eu-west-1.amazonaws.com/kinesis", False),
        ("https://amazonaws.com.example.org", False),
        ("https://kinesis.eu-west-1.amazonaws.com.example.org", False),
        ("https://kinesis.eu-west-1.amazonaws.com@example.org", False),
        ("http://[::1]:4566", False),
        ("https://notamazonaws.com", False),
        ("http://localhost:4566", False),
        ("http://127.0.0.1", False),
    ],
)
def test_an_endpoint_of_aws_is_known_by_its_name(url: str, is_aws_own: bool) -> None:
    assert is_of_aws(url) is is_aws_own


def test_every_endpoint_that_botocore_knows_is_of_aws_but_for_those_of_closed_regions() -> None:
    session = get_session()
    others = set()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("kinesis", partition, allow_non_regional=True):
            url = session.create_client(
                "kinesis", region, aws_access_key_id="a", aws_secret_access_key="b"
            ).meta.endpoint_url
            if not is_of_aws(url):
                others.add(partition)
    assert all(partition.startswith("aws-iso") for partition in others)
