"""What may keep credentials from being got, as this package's errors, each with what to do about it."""

from __future__ import annotations

import re
from json import JSONDecodeError
from typing import TYPE_CHECKING, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    MetadataRetrievalError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as ConnectingError,
)

from processor.errors import KinesisRefused, KinesisUnavailable
from processor.kinesis.log_text import line

if TYPE_CHECKING:
    from processor.errors import KinesisError

GET_S: Final = 60.0
"""How long a provider may take: one that asks a person for a second factor takes long; one that hangs is reported."""

_PROVIDERS: Final = {
    "env": ("the environment", "see AWS_ACCESS_KEY_ID and what belongs to it"),
    "assume-role": ("STS (the profile's role_arn)", "see the profile, and the role's trust policy"),
    "assume-role-with-web-identity": (
        "STS (web identity)",
        "see AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and the role's trust policy",
    ),
    "sso": ("SSO (IAM Identity Center)", "sign in with `aws sso login`, or see the profile"),
    "login": ("`aws login`", "sign in with `aws login`"),
    "shared-credentials-file": ("the credentials file", "see AWS_SHARED_CREDENTIALS_FILE and AWS_PROFILE"),
    "config-file": ("the configuration file", "see AWS_CONFIG_FILE and AWS_PROFILE"),
    "custom-process": ("the profile's credential_process", "run it by hand, as the user of the service"),
    "container-role": (
        "the container's credentials endpoint",
        "see the task's role or the pod's identity association, and AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "iam-role": ("the instance's metadata", "see the instance's role"),
}
_OTHERS: Final = ("AWS's files and variables", "see them")

_CUSTOM_PROCESS: Final = "custom-process"
_PASSING_CODES: Final = re.compile(
    "Throttl|TooManyRequests|RequestLimitExceeded|IDPCommunicationError|ServiceUnavailable|Internal|RequestTimeout|SlowDown"
)
_REFUSED: Final = frozenset(range(400, 500)) - {408, 429}
_SERVER_ERRORS: Final = 500

# botocore gives these errors no code and no status: how its own message begins is all that there is to know them by.
_STATUS: Final = re.compile(r"(?:Error retrieving metadata: )?Received non 200 response (\d{3})\b")
_WRONG_ANSWER: Final = re.compile(r"Unsupported version '|Missing required key in response: ")
"""Of a credential_process that ends well and gives no credentials."""


def provider_name(method: str) -> str:
    """What a provider of the chain is called in messages, by botocore's name of its method."""
    return _PROVIDERS.get(method, _OTHERS)[0]


def from_provider(error: Exception, method: str, doing: str) -> KinesisError:
    """The error that one of a provider's means; `doing` is what the credentials are for."""
    who, remedy = _PROVIDERS.get(method, _OTHERS)
    said = f"{doing}: no credentials could be obtained from {who}: {_said(error)}"
    if _may_pass(error, method):
        return KinesisUnavailable(said)
    return KinesisRefused(f"{said}: {remedy}")


def _said(error: Exception) -> str:
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        text = f"{error.operation_name}: {answer.get('Code', '')}: {answer.get('Message', '')}"
    elif isinstance(error, (CredentialRetrievalError, TokenRetrievalError)):
        text = str(error.kwargs.get("error_msg", "")) or "it failed without a word"
    elif isinstance(error, TimeoutError):
        text = f"no answer within {GET_S:.0f} s"
    elif isinstance(error, OSError):
        # The name of a file is longer than what may stand in a message of others.
        return f"{error.strerror or type(error).__name__}{f' ({error.filename})' if error.filename else ''}"
    elif isinstance(error, BotoCoreError):
        text = str(error)
    elif isinstance(error, KeyError):
        text = f"its answer lacks {error.args[0]}"
    elif isinstance(error, (JSONDecodeError, UnicodeDecodeError)):
        text = "its answer is no JSON"
    elif isinstance(error, (ValueError, RuntimeError)):
        text = str(error)
    elif isinstance(error, EOFError):
        text = "it asks for a second factor (mfa_serial), and nobody is there to give it"
    else:
        text = f"its answer is not what it must be ({type(error).__name__})"
    return line(text)


def _may_pass(error: Exception, method: str) -> bool:
    """Whether waiting may cure it; what is not known to need a person may."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(error.response.get("Error", {}).get("Code", ""))
        return status >= _SERVER_ERRORS or _PASSING_CODES.search(code) is not None
    if isinstance(error, (HTTPClientError, ConnectingError, TimeoutError)):
        return True
    if isinstance(error, (CredentialRetrievalError, MetadataRetrievalError)):
        said = str(error.kwargs.get("error_msg", ""))
        if method == _CUSTOM_PROCESS:
            # One that fails may lack its network, as it may be set up wrongly.
            return _WRONG_ANSWER.match(said) is None
        return (status := _STATUS.match(said)) is None or int(status[1]) not in _REFUSED
    if isinstance(error, (SSOError, TokenRetrievalError, LoginError, BotoCoreError)):
        return False
    # What is left are files and programs that are not there, and answers that are none.
    return isinstance(error, OSError) and not isinstance(error, (FileNotFoundError, PermissionError))
