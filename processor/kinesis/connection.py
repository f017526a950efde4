"""The connection to one stream: aiobotocore's credentials, endpoint rules, signer and connections."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from processor.errors import KinesisRefused, KinesisUnavailable
from processor.kinesis.refusals import FOREIGN, from_code, from_foreign
from processor.kinesis.shards import Shard
from processor.kinesis.wire import Answer, read_answer, read_error_code, request_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from processor.destination import Destination
    from processor.profile.structs import Export
    from processor.settings import KinesisSettings

RECORD_BYTES_DEFAULT: Final = 1024 * 1024
"""A stream's record maximum, data and partition key, where it cannot be read."""

_OK: Final = 200
_SIGNED_ANEW: Final = {"authorization", "x-amz-date", "x-amz-security-token", "content-length", "host"}


class StreamFacts(NamedTuple):
    """What of a stream's description matters: its record maximum, and whether it ignores partition keys."""

    max_record_bytes: int
    ignores_keys: bool


class Stream:
    """One stream, by name or ARN."""

    def __init__(self, client: Any, stream: str) -> None:  # noqa: ANN401  aiobotocore's clients have no type
        self.name = stream
        self._client = client
        self._address = {"StreamARN": stream} if stream.startswith("arn:") else {"StreamName": stream}
        self._frame: tuple[str, dict[str, str]] | None = None

    async def put(self, records: Sequence[Export]) -> Answer:
        """Put records in one call.

        The body is built here and signed and sent by the client's own parts: what botocore does beside, for every
        call alike, costs as much as all of this.

        Raises:
            KinesisUnavailable, KinesisRejected, KinesisRefused: none is stored, as far as is known.

        """
        try:
            response = await self._sent(request_body(self._address, records))
            body = await response.content
        except FOREIGN as error:
            raise from_foreign(error, "PutRecords", self.name) from error
        if response.status_code != _OK:
            code = read_error_code(response.headers.get("x-amzn-errortype"), body)
            raise from_code(code, "PutRecords", self.name)
        answer = read_answer(body)
        if answer is None or len(answer.results) != len(records):
            raise KinesisUnavailable(
                f"PutRecords on {self.name}: the answer has no result for each of {len(records)} records",
                outcome_unknown=True,
            )
        return answer

    async def facts(self) -> StreamFacts:
        """Look at the stream.

        Raises:
            KinesisUnavailable, KinesisRefused: it cannot be looked at.

        """
        answer = await self._call(
            "DescribeStreamSummary", self._client.describe_stream_summary(**self._address)
        )
        summary = answer["StreamDescriptionSummary"]
        kib = summary.get("MaxRecordSizeInKiB")
        return StreamFacts(
            RECORD_BYTES_DEFAULT if kib is None else int(kib) * 1024,
            summary.get("RecordDistributionStrategy") == "AUTO",
        )

    async def shards(self) -> list[Shard]:
        """The open shards.

        Raises:
            KinesisUnavailable, KinesisRefused: they cannot be listed.

        """
        found, page = list[Shard](), self._address
        while True:
            answer = await self._call("ListShards", self._client.list_shards(**page))
            for shard in answer["Shards"]:
                if "EndingSequenceNumber" not in shard.get("SequenceNumberRange", {}):
                    hashes = shard["HashKeyRange"]
                    found.append(
                        Shard(shard["ShardId"], int(hashes["StartingHashKey"]), int(hashes["EndingHashKey"]))
                    )
            if not answer.get("NextToken"):
                return found
            page = {"NextToken": answer["NextToken"]}

    async def _sent(self, body: bytes) -> AioAWSResponse:
        if self._frame is None:
            self._frame = await self._framed()
        url, headers = self._frame
        request = AWSRequest("POST", url, headers, data=body)
        await self._client._request_signer.sign("PutRecords", request)  # noqa: SLF001  see `put`
        response: AioAWSResponse = await self._client._endpoint.http_session.send(request.prepare())  # noqa: SLF001
        return response

    async def _framed(self) -> tuple[str, dict[str, str]]:
        """The address and headers of a call, as the client makes them; it is kept from being sent."""
        frames: list[tuple[str, dict[str, str]]] = []

        def keep(request: Any, **_: object) -> AioAWSResponse:  # noqa: ANN401  botocore's requests have no type
            headers = {
                name: value.decode() if isinstance(value, bytes) else str(value)
                for name, value in request.headers.items()
                if name.lower() not in _SIGNED_ANEW and not name.lower().startswith("amz-sdk-")
            }
            frames.append((request.url, headers))
            return _Nothing(request.url, _OK, {}, None)

        events = self._client.meta.events
        events.register("before-send.kinesis.PutRecords", keep)
        try:
            await self._client.put_records(Records=[], **self._address)
        finally:
            events.unregister("before-send.kinesis.PutRecords", keep)
        return frames[0]

    async def _call(self, action: str, answer: Any) -> Any:  # noqa: ANN401  a response is a tree of JSON
        try:
            return await answer
        except FOREIGN as error:
            raise from_foreign(error, action, self.name) from error


class _Nothing(AioAWSResponse):  # type: ignore[misc]  # aiobotocore has no types
    """The answer to a call that is not sent."""

    async def _content_prop(self) -> bytes:
        return b"{}"


async def _regions(session: AioSession) -> set[str]:
    found: set[str] = set()
    for partition in session.get_available_partitions():
        found.update(await session.get_available_regions("kinesis", partition_name=partition))
    return found


@asynccontextmanager
async def open_stream(destination: Destination, settings: KinesisSettings) -> AsyncIterator[Stream]:
    """Connect to the destination's stream; nothing is sent yet.

    Raises:
        KinesisRefused: the region or the endpoint cannot be used.

    """
    connection = destination.connection
    keys = connection.access_key_id, connection.secret_key
    config = AioConfig(
        connect_timeout=settings.connect_timeout_ms / 1000,
        read_timeout=settings.request_timeout_ms / 1000,
        max_pool_connections=settings.max_requests_in_flight + 2,
        # Retries are the writer's: botocore would send whole requests again, stored records and all.
        retries={"total_max_attempts": 1},
        parameter_validation=False,
    )
    session = get_session()
    known = connection.connection_url or connection.region in await _regions(session)
    if not known:
        raise KinesisRefused(
            f"connecting to {destination.stream}: no region {connection.region} with Kinesis is known: correct "
            "`connection.region`; for one that is newer than this version give `connection.connectionUrl`"
        )
    try:
        creating = session.create_client(
            "kinesis",
            region_name=connection.region,
            endpoint_url=connection.connection_url,
            aws_access_key_id=None if keys[0] is None else keys[0].get_secret_value(),
            aws_secret_access_key=None if keys[1] is None else keys[1].get_secret_value(),
            config=config,
        )
        client = await creating.__aenter__()
    except (BotoCoreError, ValueError) as error:
        raise KinesisRefused(f"connecting to {destination.stream}: {error}: see `connection`") from error
    try:
        yield Stream(client, destination.stream)
    finally:
        await creating.__aexit__(None, None, None)
