"""What an event did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.governance.plan import Removal
    from processor.profile.structs import Export


class Transition:
    """What an event did.

    `state` is the profile's next state record, None where it stays as it was. `removed` is what governance
    kept back. `skipped` says that the state reflects this event already.
    """

    __slots__ = ("export", "removed", "skipped", "state")

    def __init__(
        self,
        export: Export | None,
        state: bytes | None,
        removed: Sequence[Removal] = (),
        *,
        skipped: bool = False,
    ) -> None:
        self.export = export
        self.state = state
        self.removed = removed
        self.skipped = skipped


SKIPPED: Final = Transition(export=None, state=None, skipped=True)
