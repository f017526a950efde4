"""The credentials that calls are signed with: those that the destination gives, or those of AWS' chain.

The chain is gone through anew as long as it gives none, and whenever AWS refuses those that it gave: files, tokens and
roles are mended, and sign-ins renewed, while the service runs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials

from processor.errors import ConfigurationError, KinesisRefused
from processor.kinesis.access_keys import GivenKeys
from processor.kinesis.credential_errors import GET_S, from_provider, provider_name
from processor.kinesis.http_session import StayingSession
from processor.kinesis.signature import Signer

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

    from processor.governance.destination import Connection
    from processor.kinesis.signature import Frame
    from processor.settings import KinesisSettings

_METADATA_ATTEMPTS: Final = 3

_LOGGERS: Final = ("aiobotocore.credentials", "aiobotocore.tokens")


class Credentials:
    """Signs the calls to one stream; nothing is read or asked for before the first call."""

    def __init__(self, connection: Connection, stream: str, settings: KinesisSettings) -> None:
        self._region = connection.region
        self._signer = Signer(connection.region)
        self._given = _given_by(connection)
        self._doing = f"connecting to {stream}"
        self._settings = settings
        self._found: Any = None
        self._method = ""
        self._looking = asyncio.Lock()
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_is_news)

    async def signed(self, frame: Frame, body: bytes) -> AWSPreparedRequest:
        """A signed request, with credentials that are renewed before they run out.

        Raises:
            KinesisRefused: there are none, and a person must do something.
            KinesisUnavailable: they cannot be obtained now; waiting cures it.

        """
        return self._signer.signed(frame, body, await self._frozen())

    def invalidate(self) -> None:
        """AWS has refused these: look for others at the next call."""
        self._found = None
        if self._given is not None:
            self._given.invalidate()

    def use(self, connection: Connection) -> None:
        """Sign with the credentials of another connection to the same stream from the next call on."""
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
            async with asyncio.timeout(GET_S):
                for provider in self._session().get_component("credential_provider").providers:
                    self._method = provider.METHOD
                    found = await provider.load()
                    if found is not None:
                        return found
        except Exception as error:  # providers raise whatever they meet in what others wrote
            raise from_provider(error, self._method, self._doing) from error
        return None

    async def _got(self, found: Any) -> ReadOnlyCredentials:  # noqa: ANN401  see `_resolved`
        try:
            async with asyncio.timeout(GET_S):
                frozen: ReadOnlyCredentials = await found.get_frozen_credentials()
        except Exception as error:  # as in `_resolved`
            raise from_provider(error, self._method, self._doing) from error
        return self._sendable(frozen, provider_name(self._method))

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
        # STS and SSO may take as long to answer as Kinesis.
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


def _given_by(connection: Connection) -> GivenKeys | None:
    return GivenKeys(connection) if connection.gives_keys else None


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log line of botocore's has what this module does not raise; it is logged without a trace."""
    record.exc_info = None
    return "mandatory" not in record.getMessage()
