"""Tokens for Amazon MSK's IAM authentication, from AWS's default credential chain; needs the extra `msk-iam`."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from aiokafka.abc import AbstractTokenProvider

from processor.errors import ConfigurationError, KafkaUnavailable, Problem

_RENEW_BEFORE_S: Final = 60.0


class MskToken(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """A token, signed by AWS's own signer, and used until shortly before it expires.

    Raises:
        ConfigurationError: the extra is not installed.

    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._signer = _signer()
        self._token = ""
        self._expires_at_s = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str:
        """The token of now.

        Raises:
            KafkaUnavailable: no credentials were to be had; they may come.

        """
        async with self._one_at_a_time:
            if time.time() > self._expires_at_s - _RENEW_BEFORE_S:
                try:
                    # The credential chain may ask a metadata service, and reads files: not on the loop.
                    signed = await asyncio.to_thread(self._signer.generate_auth_token, self._region)
                except (
                    Exception
                ) as error:  # the signer lets botocore's exceptions through, and raises its own
                    raise KafkaUnavailable(
                        f"signing a token for MSK in {self._region}: {type(error).__name__}: see AWS's credential chain"
                    ) from error
                self._token, expires_at_ms = signed
                self._expires_at_s = expires_at_ms / 1000
        return self._token


def _signer() -> Any:  # noqa: ANN401  the signer has no types
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415  only the extra brings it
    except ModuleNotFoundError as error:
        problem = Problem(
            source="environment",
            line=None,
            member="PROCESSOR_KAFKA_SASL_MECHANISM",
            message=f"OAUTHBEARER needs {error.name}, which is not installed",
            remedy="Install the extra: pip install 'profile-export-processor[msk-iam]'",
        )
        raise ConfigurationError([problem]) from error
    return MSKAuthTokenProvider
