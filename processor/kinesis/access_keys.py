"""The access keys that a destination gives, itself or by files that others change: secrets, mounted and rotated.

Files are read anew once AWS refuses their keys, and every ten seconds, so that keys which are replaced before they end
are never refused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from processor.configuration.key_files import read_key
from processor.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from processor.governance.destination import Connection

log = structlog.get_logger(__name__)

_LOOK_EVERY_S: Final = 10.0


class Keys(NamedTuple):
    """What calls are signed with."""

    access_key_id: SecretStr
    secret_key: SecretStr


def given_keys(connection: Connection) -> list[str]:
    """The texts of the keys that a connection gives itself: no message may have them."""
    keys = connection.access_key_id, connection.secret_key
    return [key.get_secret_value() for key in keys if key is not None]


class GivenKeys:
    """The access key and the secret key of one connection that gives them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keys: Keys | None = None
        self._are_refused = False
        self._look_at_s = float("-inf")
        self._looking = asyncio.Lock()

    async def now(self) -> Keys:
        """The keys as they are now, or were at most ten seconds ago.

        Raises:
            ConfigurationError: a file of theirs cannot be read; or it cannot be read any more, and AWS has refused
                what was in it before.

        """
        loop = asyncio.get_running_loop()
        if self._keys is not None and loop.time() < self._look_at_s:
            return self._keys
        async with self._looking:
            if self._keys is None or loop.time() >= self._look_at_s:
                self._keys = await self._look()
            return self._keys

    def invalidate(self) -> None:
        """AWS has refused the keys: read them anew before the next call."""
        self._are_refused = True
        self._look_at_s = float("-inf")

    async def _look(self) -> Keys:
        connection = self._connection
        files = connection.access_key_id_file, connection.secret_key_file
        try:
            found = await asyncio.to_thread(_read, connection) if any(files) else _read(connection)
        except ConfigurationError:
            # A file that is being replaced is away for a moment: its former content is used as long as AWS accepts it.
            if self._keys is None or self._are_refused:
                raise
            found = self._keys
        if self._keys not in {None, found}:
            log.info("the keys have changed", files=[str(file) for file in files if file is not None])
        self._are_refused = False
        # What stands in the destination itself changes with it alone.
        self._look_at_s = asyncio.get_running_loop().time() + _LOOK_EVERY_S if any(files) else float("inf")
        return found


def _read(connection: Connection) -> Keys:
    return Keys(
        _key(connection.access_key_id, connection.access_key_id_file),
        _key(connection.secret_key, connection.secret_key_file),
    )


def _key(given: SecretStr | None, file: Path | None) -> SecretStr:
    if given is not None:
        return given
    if file is None:
        raise ValueError("a connection that gives one key gives both")
    return read_key(file)
