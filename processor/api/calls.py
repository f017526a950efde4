"""All calls of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.api.flow_service.table import flow_service_routes
from processor.api.openapi import described
from processor.api.own.routes import own_calls
from processor.api.policy_service.routes import policy_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.api.routes import Route
    from processor.definition.sealing import Sealing


def calls(sealing: Callable[[], Sealing]) -> tuple[Route, ...]:
    """Those of both services, our own, and the description of them all; `sealing` is asked anew with each secret."""
    return described((*flow_service_routes(sealing), *policy_service(), *own_calls()))
