"""All calls of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.api.flow_service.table import flow_service_routes
from processor.api.openapi import described
from processor.api.own.routes import own_calls
from processor.api.policy_service.routes import policy_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.api.own.looked_at import LookedAt
    from processor.api.routes import Route
    from processor.definition.sealing import Sealing


def calls(sealing: Callable[[], Sealing], looked_at: LookedAt) -> tuple[Route, ...]:
    """Those of both services, our own, and the description of them all; `sealing` is asked anew with each secret."""
    published = (*flow_service_routes(sealing), *policy_service())
    return described((*published, *own_calls(published, looked_at)))
