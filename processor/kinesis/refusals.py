"""What Kinesis and the way to it may answer, as this package's errors, each with what to do about it."""

from __future__ import annotations

from typing import Final

from aiohttp import ClientConnectorError
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

FOREIGN: Final = (BotoCoreError, ClientError, HttpError, OSError, TimeoutError)
"""What aiobotocore may raise."""

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


def from_code(code: str, action: str, stream: str) -> KinesisError:
    """The error that an answer's code means."""
    doing = f"{action} on {stream}"
    if code in _REFUSALS:
        return KinesisRefused(f"{doing}: {_REFUSALS[code].format(action=action)} ({code})")
    if code in _REJECTIONS:
        return KinesisRejected(f"{doing}: {code}")
    # A 5xx, a throttle or something new: waiting is the only safe answer to what is not known.
    return KinesisUnavailable(f"{doing}: {code or 'an answer without a code'}")


def from_foreign(error: Exception, action: str, stream: str) -> KinesisError:
    """The error that one of `FOREIGN` means."""
    doing = f"{action} on {stream}"
    if isinstance(error, ClientError):
        return from_code(str(error.response.get("Error", {}).get("Code", "")), action, stream)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return KinesisRefused(
            f"{doing}: no credentials were found: see `connection` and the credential chain"
        )
    if isinstance(error, ConnectTimeoutError) or _never_connected(error):
        return KinesisUnavailable(f"{doing}: the endpoint cannot be reached ({type(error).__name__})")
    unknown = isinstance(error, (HTTPClientError, HttpError, OSError, TimeoutError, EndpointConnectionError))
    return KinesisUnavailable(f"{doing}: {type(error).__name__}", outcome_unknown=unknown)


def _never_connected(error: Exception) -> bool:
    # aiobotocore says "could not connect" of a connection that was reset after the request, too.
    cause = error.kwargs.get("error") if isinstance(error, EndpointConnectionError) else None
    return isinstance(error, EndpointConnectionError) and isinstance(cause, ClientConnectorError)
