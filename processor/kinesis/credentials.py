"""The credentials of calls: those that the destination gives, or AWS' chain; and what keeps them from being got.

The chain is gone through anew as long as it gives none, and once AWS has found what it gave no good: files, tokens and
roles are mended, and sign-ins renewed, while the service runs.
"""

from __future__ import annotations

import asyncio
import logging
import re
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.auth import SigV4Auth
from botocore.credentials import ReadOnlyCredentials
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

from processor.errors import ConfigurationError, KinesisRefused, KinesisUnavailable
from processor.kinesis.access_keys import GivenKeys
from processor.kinesis.log_text import line
from processor.kinesis.no_redirects import StayingSession

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest

    from processor.errors import KinesisError
    from processor.governance.destination import Connection
    from processor.settings import KinesisSettings

_GET_S: Final = 60.0
"""A process that asks a person for a second factor may take long; one that hangs must be told of."""
_METADATA_ATTEMPTS: Final = 3

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
_PASSING_CODES: Final = re.compile(
    "Throttl|TooManyRequests|RequestLimitExceeded|IDPCommunicationError|ServiceUnavailable|Internal|RequestTimeout|SlowDown"
)
_REFUSED_STATUS: Final = re.compile(r"non 200 response 4(?!08|29)\d\d\b")
_SERVER_ERRORS: Final = 500
_WRONG_ANSWERS: Final = ("Unsupported version", "Missing required key")
"""What botocore says of a credential_process that ends well and tells no credentials."""


_LOGGERS: Final = ("aiobotocore.credentials", "aiobotocore.tokens")

_OTHERS: Final = ("AWS's files and variables", "see them")


class Credentials:
    """Signs calls. One for each stream; nothing is looked for before the first call."""

    def __init__(self, connection: Connection, stream: str, settings: KinesisSettings) -> None:
        self._region = connection.region
        self._given = _given_by(connection)
        self._doing = f"connecting to {stream}"
        self._settings = settings
        self._found: Any = None
        self._method = ""
        self._looking = asyncio.Lock()
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_is_news)

    async def sign(self, request: AWSRequest) -> None:
        """Sign a request, with credentials that are renewed before they run out.

        Raises:
            KinesisRefused: there are none, and a person must do something.
            KinesisUnavailable: they cannot be got now.

        """
        frozen = await self._frozen()
        SigV4Auth(frozen, "kinesis", self._region).add_auth(request)

    def forget(self) -> None:
        """AWS takes these no more: look for others at the next call."""
        self._found = None
        if self._given is not None:
            self._given.forget()

    def use(self, connection: Connection) -> None:
        """From the next call on, sign with what another connection to the same stream says."""
        self._found, self._given = None, _given_by(connection)

    async def _frozen(self) -> ReadOnlyCredentials:
        if self._given is not None:
            return await self._of_files_or_given(self._given)
        found = self._found
        if found is None:
            async with self._looking:
                found = self._found
                if found is None:
                    return await self._looked_for()
        return await self._got(found)

    async def _of_files_or_given(self, keys: GivenKeys) -> ReadOnlyCredentials:
        try:
            access_key_id, secret_key = await keys.now()
        except ConfigurationError as error:
            raise KinesisRefused(f"{self._doing}: {error}") from error
        given = ReadOnlyCredentials(access_key_id.get_secret_value(), secret_key.get_secret_value(), None)
        return self._sendable(given, "`connection`")

    async def _looked_for(self) -> ReadOnlyCredentials:
        found = await self._resolved()
        if found is None:
            raise KinesisRefused(
                f"{self._doing}: no credentials were found: see `connection` and the credential chain (environment, "
                "profile, web identity, SSO, container, instance metadata)"
            )
        self._method = found.method
        frozen = await self._got(found)
        # Kept once it has given some: until then its files and variables are read anew at every call.
        self._found = found
        return frozen

    async def _resolved(self) -> Any:  # noqa: ANN401  botocore's credentials have no type
        """What the first provider of the chain that is set up has."""
        self._method = ""
        try:
            async with asyncio.timeout(_GET_S):
                for provider in self._session().get_component("credential_provider").providers:
                    self._method = provider.METHOD
                    found = await provider.load()
                    if found is not None:
                        return found
        except Exception as error:  # providers raise whatever they meet in what others wrote
            raise self._failure(error) from error
        return None

    async def _got(self, found: Any) -> ReadOnlyCredentials:  # noqa: ANN401  see `_resolved`
        try:
            async with asyncio.timeout(_GET_S):
                frozen: ReadOnlyCredentials = await found.get_frozen_credentials()
        except Exception as error:  # as in `_resolved`
            raise self._failure(error) from error
        return self._sendable(frozen, _PROVIDERS.get(self._method, _OTHERS)[0])

    def _sendable(self, given: ReadOnlyCredentials, who: str) -> ReadOnlyCredentials:
        """What can stand in a request's headers; a key that was read from a file often ends in a line break."""
        parts = {
            "access key": given.access_key,
            "secret key": given.secret_key,
            "session token": given.token,
        }
        for what, text in parts.items():
            if text and not (text.isascii() and text.isprintable() and " " not in text):
                raise KinesisRefused(
                    f"{self._doing}: the {what} from {who} has a space, a line break or another character that no key "
                    "has: was it copied with more than the key?"
                )
        return given

    def _session(self) -> AioSession:
        session = AioSession()
        # STS and SSO are asked with the same patience as Kinesis.
        settings = self._settings
        session.set_default_client_config(
            AioConfig(
                connect_timeout=settings.connect_timeout_ms / 1000,
                read_timeout=settings.request_timeout_ms / 1000,
                retries={"total_max_attempts": 2, "mode": "standard"},
                http_session_cls=StayingSession,
            )
        )
        session.set_config_variable("region", self._region)
        if session.get_config_variable("metadata_service_num_attempts") == 1:
            # botocore takes an instance's metadata that once does not answer for none, for good.
            session.set_config_variable("metadata_service_num_attempts", _METADATA_ATTEMPTS)
        return session

    def _failure(self, error: Exception) -> KinesisError:
        who, remedy = _PROVIDERS.get(self._method, _OTHERS)
        said = f"{self._doing}: no credentials could be got from {who}: {_said(error)}"
        if _may_pass(error, self._method):
            return KinesisUnavailable(said)
        return KinesisRefused(f"{said}: {remedy}")


def _given_by(connection: Connection) -> GivenKeys | None:
    return GivenKeys(connection) if connection.gives_keys else None


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log line of botocore's tells what this module does not raise; it is told without a trace."""
    record.exc_info = None
    return "mandatory" not in record.getMessage()


def _said(error: Exception) -> str:
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        text = f"{error.operation_name}: {answer.get('Code', '')}: {answer.get('Message', '')}"
    elif isinstance(error, (CredentialRetrievalError, TokenRetrievalError)):
        text = str(error.kwargs.get("error_msg", "")) or "it failed without a word"
    elif isinstance(error, TimeoutError):
        text = f"no answer within {_GET_S:.0f} s"
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
        text = str(error)
        if method == "custom-process":
            # One that fails may lack its network, as it may be set up wrongly.
            return not any(sign in text for sign in _WRONG_ANSWERS)
        return _REFUSED_STATUS.search(text) is None
    if isinstance(error, (SSOError, TokenRetrievalError, LoginError, BotoCoreError)):
        return False
    # What is left are files and programs that are not there, and answers that are none.
    return isinstance(error, OSError) and not isinstance(error, (FileNotFoundError, PermissionError))
