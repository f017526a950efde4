"""The connection to one stream: aiobotocore's client, and Kinesis' errors as this package's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as HttpError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from processor.errors import KinesisError, KinesisRefused, KinesisRejected, KinesisUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from processor.destination import Destination
    from processor.profile.export import Export
    from processor.settings import KinesisSettings

RECORD_BYTES_DEFAULT: Final = 1024 * 1024
"""A stream's record maximum, data and partition key, where it cannot be read."""

_REJECTIONS: Final = {"ValidationException", "SerializationException", "InvalidArgumentException"}
_REFUSALS: Final = {
    "AccessDeniedException": "the IAM action kinesis:{action} is missing for this stream: grant it",
    "ResourceNotFoundException": "there is no such stream in this region and account: create it, or see `stream`",
    "ExpiredTokenException": "the credentials have expired: renew them",
    "ExpiredToken": "the credentials have expired: renew them",
    "UnrecognizedClientException": "AWS does not know the access key: see `connection` and the credential chain",
    "InvalidClientTokenId": "AWS does not know the access key: see `connection` and the credential chain",
    "MissingAuthenticationTokenException": "no credentials were sent: see `connection` and the credential chain",
    "IncompleteSignature": "the credentials are incomplete: see `connection`",
    "InvalidSignatureException": "the secret key does not fit the access key, or the clock is wrong",
    "SignatureDoesNotMatch": "the secret key does not fit the access key, or the clock is wrong",
    "OptInRequired": "the account is not subscribed to Kinesis in this region",
    "KMSAccessDeniedException": "the IAM action kms:GenerateDataKey is missing for the stream's key: grant it",
    "KMSDisabledException": "the stream's KMS key is disabled: enable it",
    "KMSInvalidStateException": "the stream's KMS key is not usable: see its state",
    "KMSNotFoundException": "the stream's KMS key does not exist: see the stream's encryption",
    "KMSOptInRequired": "the account is not subscribed to KMS",
}


class Stream:
    """One stream, by name or ARN."""

    def __init__(self, client: Any, stream: str) -> None:  # noqa: ANN401  aiobotocore's clients have no type
        self.name = stream
        self._client = client
        self._address = {"StreamARN": stream} if stream.startswith("arn:") else {"StreamName": stream}

    async def put(self, records: Sequence[Export]) -> list[str | None]:
        """Put records in one call; for each its error code, None where it is stored.

        Raises:
            KinesisUnavailable, KinesisRejected, KinesisRefused: none is stored, as far as is known.

        """
        request = [{"Data": record.data, "PartitionKey": record.partition_key} for record in records]
        answer = await self._call("PutRecords", self._client.put_records(Records=request, **self._address))
        results = answer["Records"]
        if len(results) != len(records):
            raise KinesisUnavailable(
                f"PutRecords on {self.name}: {len(results)} results for {len(records)} records",
                outcome_unknown=True,
            )
        return [result.get("ErrorCode") for result in results]

    async def max_record_bytes(self) -> int:
        """The largest record that the stream takes.

        Raises:
            KinesisUnavailable, KinesisRefused: it cannot be read.

        """
        answer = await self._call(
            "DescribeStreamSummary", self._client.describe_stream_summary(**self._address)
        )
        kib = answer["StreamDescriptionSummary"].get("MaxRecordSizeInKiB")
        return RECORD_BYTES_DEFAULT if kib is None else int(kib) * 1024

    async def _call(self, action: str, answer: Any) -> Any:  # noqa: ANN401  a response is a tree of JSON
        try:
            return await answer
        except (BotoCoreError, ClientError, HttpError, OSError, TimeoutError) as error:
            raise _mapped(error, action, self.name) from error


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
    try:
        creating = get_session().create_client(
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


def _mapped(error: Exception, action: str, stream: str) -> KinesisError:
    doing = f"{action} on {stream}"
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _REFUSALS:
            return KinesisRefused(f"{doing}: {_REFUSALS[code].format(action=action)} ({code})")
        if code in _REJECTIONS:
            return KinesisRejected(f"{doing}: {code}")
        # A 5xx, a throttle or something new: waiting is the only safe answer to what is not known.
        return KinesisUnavailable(f"{doing}: {code or 'an answer without a code'}")
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return KinesisRefused(
            f"{doing}: no credentials were found: see `connection` and the credential chain"
        )
    if isinstance(error, (EndpointConnectionError, ConnectTimeoutError)):
        return KinesisUnavailable(f"{doing}: the endpoint cannot be reached ({type(error).__name__})")
    unknown = isinstance(error, (HTTPClientError, HttpError, OSError, TimeoutError))
    return KinesisUnavailable(f"{doing}: {type(error).__name__}", outcome_unknown=unknown)
