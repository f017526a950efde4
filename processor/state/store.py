"""The store of one partition's state records, as the pipeline sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Store(Protocol):
    """State records of one partition by profile; holds only what is acknowledged."""

    def get_many(self, profiles: Sequence[bytes]) -> list[bytes | None]:
        """The records of `profiles`, side by side with them; None where there is none."""

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Put records; None deletes."""

    def close(self) -> None:
        """Give up what is held; the store is not used again."""
