"""Whose a token is: for a page that asks what it may offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.api.request import Answer

if TYPE_CHECKING:
    from processor.api.request import Request
    from processor.api.tokens import Bearer


async def own_token(_: Request, bearer: Bearer) -> Answer:
    """Answer the bearer's name and whether it may change anything, also while Kafka is away."""
    return Answer(body={"name": bearer.name, "mayChange": bearer.may_change})
