"""The form that calls are written in: the one that is set, or by itself the one that an endpoint of AWS' own answers in."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import cbor2
import pytest

from processor.errors import KinesisRefused, KinesisRejected
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
    monkeypatch.setattr("processor.kinesis.signed_call._AWS_DOMAINS", ("127.0.0.1",))


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


@pytest.mark.parametrize(
    ("url", "is_aws_own"),
    [
        ("https://kinesis.eu-west-1.amazonaws.com", True),
        ("https://KINESIS.eu-west-1.amazonaws.com:443/", True),
        ("https://kinesis-fips.us-east-1.api.aws", True),
        ("https://kinesis.cn-north-1.amazonaws.com.cn", True),
        ("https://vpce-0123-abcd.kinesis.eu-west-1.vpce.amazonaws.com", True),
        ("https://amazonaws.com.example.org", False),
        ("https://notamazonaws.com", False),
        ("http://localhost:4566", False),
        ("http://127.0.0.1", False),
    ],
)
def test_an_endpoint_of_aws_is_known_by_its_name(url: str, is_aws_own: bool) -> None:
    assert is_of_aws(url) is is_aws_own
