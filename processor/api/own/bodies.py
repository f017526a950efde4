"""Bodies of the service's own calls and of their answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Form(BaseModel):
    """A body, or a part of one, that has the members that are named and no other."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class OwnToken(Form):
    """Whose the token is that was sent: its name, which the log and `createdBy` have, and whether it may change anything."""

    name: str
    may_change: bool


class MarketingAction(Form):
    """A marketing action, and what data is used for by it; a custom one's is its description."""

    name: str
    meaning: str
    is_core: bool


class MarketingActions(Form):
    """All that a target connection may name, the platform's own first."""

    items: list[MarketingAction]
