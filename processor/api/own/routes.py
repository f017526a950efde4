"""The table of our own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.api.own.history import History, history
from processor.api.routes import Call, Read

if TYPE_CHECKING:
    from processor.api.routes import Route

PROCESSOR: Final = "/data/foundation/processor"


def own_routes() -> tuple[Route, ...]:
    """The calls."""
    return (Read(Call("GET", f"{PROCESSOR}/history", "Show who changed what, and when.", History), history),)
