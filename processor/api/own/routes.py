"""The table of the service's own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.api.own.bodies import MarketingActions, OwnToken
from processor.api.own.history import History, history
from processor.api.own.marketing_actions import list_marketing_actions
from processor.api.own.token import own_token
from processor.api.routes import Bounds, Call, Look, Read

if TYPE_CHECKING:
    from processor.api.routes import Route

BASE: Final = "/data/foundation/processor"

_AT_A_GLANCE: Final = Bounds(at_once=16, within_s=5.0)


def own_calls() -> tuple[Route, ...]:
    """The calls."""
    return (
        Look(
            Call("GET", f"{BASE}/token", "Show whose the token is that was sent.", OwnToken),
            own_token,
            may_any=True,
            bounds=_AT_A_GLANCE,
        ),
        Read(
            Call(
                "GET",
                f"{BASE}/marketing-actions",
                "List all marketing actions, core and custom, with what they mean.",
                MarketingActions,
            ),
            list_marketing_actions,
        ),
        Read(Call("GET", f"{BASE}/history", "Show who changed what, and when.", History), history),
    )
