"""What Kinesis and the way to it may answer, as this package's errors, each with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import ClientConnectorCertificateError, ClientConnectorError
from aiohttp import ClientError as HttpError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as ConnectingError,
)

from processor.errors import (
    KinesisError,
    KinesisRefused,
    KinesisRejected,
    KinesisTooLarge,
    KinesisUnavailable,
)
from processor.kinesis.log_text import line

if TYPE_CHECKING:
    from processor.kinesis.fault import Fault

FOREIGN: Final = (BotoCoreError, ClientError, HttpError, OSError, TimeoutError)
"""What aiobotocore may raise."""

_REJECTIONS: Final = {"ValidationException", "SerializationException", "InvalidArgumentException"}
_KEY_UNKNOWN: Final = "AWS does not know the access key: see `connection` and the credential chain"
_EXPIRED: Final = "the credentials have expired: renew them"
_SECRET_WRONG: Final = "the secret key does not fit the access key, or the clock is wrong"  # noqa: S105  words
ACCESS_DENIED: Final = "AccessDeniedException"
UNKNOWN_REGION: Final = "UnknownRegion"
"""A code of our own: no call was made."""
_REFUSALS: Final = {
    ACCESS_DENIED: "the IAM action kinesis:{action} is missing for this stream: grant it",
    "ResourceNotFoundException": "there is no such stream in this region and account: create it, or see `stream`",
    "ExpiredTokenException": _EXPIRED,
    "ExpiredToken": _EXPIRED,
    "UnrecognizedClientException": _KEY_UNKNOWN,
    "InvalidClientTokenId": _KEY_UNKNOWN,
    "MissingAuthenticationTokenException": "no credentials were sent: see `connection` and the credential chain",
    "IncompleteSignature": "the credentials are incomplete: see `connection`",
    "InvalidSignatureException": _SECRET_WRONG,
    "SignatureDoesNotMatch": _SECRET_WRONG,
    "OptInRequired": "the account is not subscribed to Kinesis in this region",
    "KMSAccessDeniedException": "the IAM action kms:GenerateDataKey is missing for the stream's key: grant it",
    "KMSDisabledException": "the stream's KMS key is disabled: enable it",
    "KMSInvalidStateException": "the stream's KMS key is not usable: see its state",
    "KMSNotFoundException": "the stream's KMS key does not exist: see the stream's encryption",
    "KMSOptInRequired": "the account is not subscribed to KMS",
}
OF_CREDENTIALS: Final = frozenset(
    code for code, remedy in _REFUSALS.items() if remedy in {_EXPIRED, _KEY_UNKNOWN, _SECRET_WRONG}
)
"""Codes that other credentials cure."""

# What AWS says of a denial, which the code alone does not: not every one is an action that a policy of the role lacks.
_DENIALS: Final = (
    (
        "vpc endpoint policy",
        "the policy of the VPC endpoint on the way does not allow kinesis:{action}: extend it",
    ),
    (
        "service control policy",
        "a service control policy of the organization does not allow kinesis:{action}",
    ),
    (
        "resource control policy",
        "a resource control policy of the organization does not allow kinesis:{action}",
    ),
    ("permissions boundary", "the role's permissions boundary does not allow kinesis:{action}: extend it"),
    (
        "session policy",
        "the policy that the session was begun with does not allow kinesis:{action}: extend it",
    ),
    ("resource-based policy", "the stream's own policy does not allow kinesis:{action}: extend it"),
)

_TOO_LARGE: Final = 413
_PASSING: Final = frozenset({408, 421, 425, 429})
"""Client errors that waiting cures; 408 and gateways' errors leave open what became of the request."""
_NOT_SENT_ON: Final = frozenset({421, 425, 429})
_NO_ACCESS: Final = frozenset({401, 403, 407})
_ELSEWHERE: Final = range(300, 400)
_SERVER_ERRORS: Final = 500
_OPEN: Final = frozenset({502, 504})
"""A gateway that had no answer from what is behind it."""


def from_fault(fault: Fault, action: str, stream: str) -> KinesisError:
    """The error that an answer other than 200 means."""
    doing = f"{action} on {stream}"
    code = fault.code
    if not code:
        return _from_another(fault, doing)
    aws = f"{code}, HTTP {fault.status}: {fault.message}" if fault.message else f"{code}, HTTP {fault.status}"
    if code in _REFUSALS:
        return KinesisRefused(f"{doing}: {_remedy(fault).format(action=action)} ({aws})", code=code)
    if code in _REJECTIONS:
        return KinesisRejected(f"{doing}: {aws}")
    if fault.status == _TOO_LARGE or code == "RequestEntityTooLargeException":
        return KinesisTooLarge(f"{doing}: {aws}")
    if fault.status in _NO_ACCESS:
        return KinesisRefused(
            f"{doing}: access is denied: see `connection`, and what stands between here and AWS ({aws})",
            code=code,
        )
    # A 5xx, a throttle or something new: waiting is the only safe answer to what is not known.
    return KinesisUnavailable(f"{doing}: {aws}", outcome_unknown=fault.status in _OPEN)


def from_foreign(error: Exception, action: str, stream: str) -> KinesisError:
    """The error that one of `FOREIGN` means."""
    doing = f"{action} on {stream}"
    if isinstance(error, (ProxyConnectionError, SSLError, ConnectTimeoutError)) or _never_connected(error):
        return _not_connected(error, doing)
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        return KinesisUnavailable(
            f"{doing}: it did not end within PROCESSOR_KINESIS_REQUEST_TIMEOUT_MS", outcome_unknown=True
        )
    if isinstance(error, (HTTPClientError, ConnectionClosedError, HttpError, OSError, ConnectingError)):
        return KinesisUnavailable(
            f"{doing}: the connection broke ({type(error).__name__}: {_cause(error)})", outcome_unknown=True
        )
    return KinesisRefused(f"{doing}: {line(str(error))}: see `connection` and AWS's variables and files")


def _not_connected(error: Exception, doing: str) -> KinesisError:
    if isinstance(error, ProxyConnectionError):
        return KinesisUnavailable(
            f"{doing}: the proxy of HTTPS_PROXY or HTTP_PROXY does not let through: {_cause(error)}"
        )
    if isinstance(error, SSLError):
        if isinstance(error.kwargs.get("error"), ClientConnectorCertificateError):
            return KinesisRefused(
                f"{doing}: the endpoint's certificate is not trusted: {_cause(error)}. If a proxy here opens TLS, "
                "name its CA in AWS_CA_BUNDLE"
            )
        return KinesisUnavailable(f"{doing}: TLS failed: {_cause(error)}")
    return KinesisUnavailable(
        f"{doing}: the endpoint cannot be reached ({type(error).__name__}: {_cause(error)})"
    )


def _from_another(fault: Fault, doing: str) -> KinesisError:
    """The error that an answer without one of AWS' codes means: it came from something else on the way."""
    status = fault.status
    said = f"{doing}: {fault.http}, which is no answer of AWS"
    if status in _ELSEWHERE:
        return KinesisRefused(
            f"{said}: it sends us elsewhere, and records are not sent on to where an answer says. See "
            "`connection.connectionUrl`, HTTPS_PROXY and NO_PROXY"
        )
    if status == _TOO_LARGE:
        return KinesisTooLarge(f"{said}: a proxy or gateway on the way takes no request of this size")
    if status >= _SERVER_ERRORS:
        return KinesisUnavailable(
            f"{said}: a proxy or gateway on the way, or the endpoint, fails", outcome_unknown=True
        )
    if status in _PASSING:
        return KinesisUnavailable(
            f"{said}: a proxy or gateway on the way asks to wait", outcome_unknown=status not in _NOT_SENT_ON
        )
    if status in _NO_ACCESS:
        return KinesisRefused(
            f"{said}, and no matter of IAM: a proxy or firewall on the way refuses. Have it let this host through, "
            "or see HTTPS_PROXY, NO_PROXY and `connection.connectionUrl`"
        )
    return KinesisRefused(
        f"{said}: what answers there is no Kinesis: see `connection.connectionUrl`, HTTPS_PROXY and NO_PROXY"
    )


def _remedy(fault: Fault) -> str:
    if fault.code == ACCESS_DENIED:
        said = fault.message.lower()
        for sign, remedy in _DENIALS:
            if sign in said:
                return remedy
        if "explicit deny" in said:
            return "a policy denies kinesis:{action} explicitly: see which"
    return _REFUSALS[fault.code]


def _cause(error: Exception) -> str:
    """What lies behind one of botocore's errors, without the addresses that it adds, which may hold a password."""
    kwargs = getattr(error, "kwargs", {})
    cause = kwargs.get("error") if isinstance(kwargs, dict) else None
    return line(str(cause or type(cause or error).__name__), 160)


def _never_connected(error: Exception) -> bool:
    # aiobotocore says "could not connect" of a connection that was reset after the request, too.
    cause = error.kwargs.get("error") if isinstance(error, EndpointConnectionError) else None
    return isinstance(error, EndpointConnectionError) and isinstance(cause, ClientConnectorError)
