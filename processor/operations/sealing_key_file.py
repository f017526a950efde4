"""The file with the keys that secrets of the definition are encrypted with: read anew when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from processor.definition.sealing import Sealing, keys_in
from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from pathlib import Path

_Stamp: TypeAlias = tuple[int, int, int]


class SealingKeyFile:
    """The keys of a file; without a `path` there are none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read: tuple[_Stamp, Sealing] | None = None

    def sealing(self) -> Sealing:
        """What seals and unseals with the keys that the file has now.

        Raises:
            ConfigurationError: it cannot be read, or has no key, or something else than keys.

        """
        if self._path is None:
            return Sealing()
        try:
            stat = self._path.stat()
            stamp = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if self._read is None or self._read[0] != stamp:
                self._read = stamp, _sealing_of(self._path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise _wrong(
                f"{self._path} cannot be read: {why}", "Have it be a file of keys, one a line"
            ) from None
        return self._read[1]


def _sealing_of(text: str) -> Sealing:
    keys = keys_in(text)
    if not keys:
        raise _wrong("the file has no key", "Write one into it: 32 bytes as URL-safe Base64")
    return Sealing(keys)


def _wrong(message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        [Problem("environment", None, "PROCESSOR_API_SECRET_KEY_FILE", message, remedy)]
    )
