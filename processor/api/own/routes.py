"""The table of the service's own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.api.own.bodies import (
    MarketingActions,
    Outcomes,
    OutcomesBody,
    OwnToken,
    Preview,
    PreviewBody,
    SampleShown,
    StreamsBody,
    StreamsShown,
)
from processor.api.own.history import History, history
from processor.api.own.marketing_actions import list_marketing_actions
from processor.api.own.outcomes import Governed
from processor.api.own.previews import Previews
from processor.api.own.sample import SAMPLE_QUERY, Samples
from processor.api.own.streams import Streams
from processor.api.own.token import own_token
from processor.api.routes import Bounds, Call, Look, Read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.api.own.looked_at import LookedAt
    from processor.api.routes import Route

BASE: Final = "/data/foundation/processor"

_AT_A_GLANCE: Final = Bounds(at_once=16, within_s=5.0)
_SHARED: Final = Bounds(at_once=16, within_s=30.0)
"""One reads Kafka for all of them; a page asks for what governance makes of many things at a time."""
_COSTLY: Final = Bounds(at_once=2, within_s=30.0)
_CHANGES_MAY_BE: Final = frozenset({404, 409, 412})
"""What a change may be refused with, beside the body's faults, and so its preview."""


def own_calls(changes: Sequence[Route], looked_at: LookedAt) -> tuple[Route, ...]:
    """The calls; previews are of those among `changes` that change something."""
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
        Look(
            Call(
                "GET",
                f"{BASE}/sample",
                "Show what recent events of the source suggest to map.",
                SampleShown,
                query=SAMPLE_QUERY,
            ),
            Samples(looked_at).look,
            may_any=True,
            bounds=_SHARED,
        ),
        Look(
            Call(
                "POST",
                f"{BASE}/outcomes",
                "Show what governance would make of segments and attributes.",
                Outcomes,
                OutcomesBody,
            ),
            Governed(looked_at).look,
            may_any=True,
            bounds=_SHARED,
        ),
        Look(
            Call(
                "POST",
                f"{BASE}/streams",
                "Show the streams that credentials may see, and what is wrong with them.",
                StreamsShown,
                StreamsBody,
            ),
            Streams(looked_at).look,
            may_any=False,
            bounds=_COSTLY,
        ),
        Look(
            Call(
                "POST",
                f"{BASE}/previews",
                "Show what a change would do, with nothing changed.",
                Preview,
                PreviewBody,
            ),
            Previews(changes, looked_at).look,
            # A consent policy that is tried tells which values profiles have, which no sample does.
            may_any=False,
            bounds=_COSTLY,
            refusals=_CHANGES_MAY_BE,
        ),
    )
